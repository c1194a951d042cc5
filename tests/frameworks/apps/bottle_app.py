"""Bottle: a clean page, one that logs the caller's key, and streams that do and do not."""

import logging
import sys

from bottle import Bottle, request, response

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s: %(message)s")
log = logging.getLogger("shop")
app = Bottle()


@app.get("/clean")
def clean():
    log.info("clean page for %s", request.remote_addr)
    return "fine"


@app.get("/log")
def leak():
    log.info("caller %s", request.headers.get("X-Api-Key"))  # here: log
    return "logged"


@app.get("/stream/<kind>")
def stream(kind):
    for number in range(3):
        yield f"{number}\n"
    if kind == "leaking":
        log.info("streamed to %s", request.headers.get("X-Api-Key"))  # here: stream
    yield "end\n"


@app.get("/denied")
def denied():
    response.status = 401
    return "no"
