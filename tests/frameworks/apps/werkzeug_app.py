"""Werkzeug alone: a clean page, one that logs the caller's key, and streams that do and do not."""

import logging
import sys

from werkzeug.exceptions import HTTPException, Unauthorized
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s: %(message)s")
log = logging.getLogger("shop")


def clean(request):
    log.info("clean page for %s", request.remote_addr)
    return Response("fine")


def leak(request):
    log.info("caller %s", request.headers.get("X-API-Key"))  # here: log
    return Response("logged")


def stream(request, kind):
    def produce():
        for number in range(3):
            yield f"{number}\n"
        if kind == "leaking":
            log.info("streamed to %s", request.headers.get("X-API-Key"))  # here: stream
        yield "end\n"

    return Response(produce())


def denied(request):
    raise Unauthorized


urls = Map([
    Rule("/clean", endpoint=clean),
    Rule("/log", endpoint=leak),
    Rule("/stream/<kind>", endpoint=stream),
    Rule("/denied", endpoint=denied),
])  # fmt: skip


@Request.application
def app(request):
    try:
        endpoint, values = urls.bind_to_environ(request.environ).match()
        return endpoint(request, **values)
    except HTTPException as error:
        return error
