"""One Flask app, served by every server: a clean view, one that logs the caller's key, one that refuses."""

import logging
import sys

from flask import Flask, request

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s: %(message)s")
log = logging.getLogger("shop")
app = Flask(__name__)


@app.get("/clean")
def clean():
    return "fine"


@app.get("/log")
def leak():
    log.info("caller %s", request.headers.get("X-API-Key"))  # here: log
    return {"ok": True}


@app.get("/denied")
def denied():
    return {"error": "no"}, 401


@app.get("/patched")
def patched():
    return {
        "rasp": "rasp" in sys.modules,
        "format": logging.Handler.format.__code__.co_firstlineno,
        "wsgi": Flask.wsgi_app.__code__.co_filename == Flask.__call__.__code__.co_filename,
    }


if __name__ == "__main__":
    app.run(port=0)
