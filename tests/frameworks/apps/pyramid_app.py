"""Pyramid: a clean page, one that logs the caller's key, and streams that do and do not."""

import logging
import sys

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPUnauthorized
from pyramid.response import Response

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s: %(message)s")
log = logging.getLogger("shop")


def clean(request):
    log.info("clean page for %s", request.remote_addr)
    return Response("fine")


def leak(request):
    log.info("caller %s", request.headers.get("X-API-Key"))  # here: log
    return Response("logged")


def stream(request):
    def produce():
        for number in range(3):
            yield f"{number}\n".encode()
        if request.matchdict["kind"] == "leaking":
            log.info("streamed to %s", request.headers.get("X-API-Key"))  # here: stream
        yield b"end\n"

    return Response(app_iter=produce(), content_type="text/plain")


def denied(request):
    raise HTTPUnauthorized("no")


config = Configurator()
for name, view in {"clean": clean, "log": leak, "stream/{kind}": stream, "denied": denied}.items():
    config.add_route(view.__name__, "/" + name)
    config.add_view(view, route_name=view.__name__)
app = config.make_wsgi_app()
