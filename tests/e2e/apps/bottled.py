"""A Bottle app."""

import logging
import sys

from bottle import Bottle, request, response

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s: %(message)s")
log = logging.getLogger("bottled")
app = Bottle()


@app.get("/clean")
def clean():
    return "fine"


@app.get("/log")
def leak():
    log.info("caller %s", request.get_header("X-API-Key"))  # here: log
    return {"ok": True}


@app.get("/denied")
def denied():
    response.status = 401
    return "no"
