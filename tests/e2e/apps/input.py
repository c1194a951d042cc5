"""An app that answers whatever is sent: it reads headers, query and body, and logs on request."""

import logging
import sys

from flask import Flask, request

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(name)s: %(message)s")
log = logging.getLogger("input")
app = Flask(__name__)


@app.route("/echo", methods=["GET", "POST"])
def echo():
    return {
        "authorization": len(request.headers.get("Authorization", "")),
        "key": len(request.headers.get("X-API-Key", "")),
        "body": len(request.get_data()),
        "json": request.get_json(silent=True) is not None,
        "basic": request.authorization is not None and request.authorization.type == "basic",
    }


@app.get("/log")
def leak():
    log.info("caller <%s>", request.headers["X-API-Key"])  # here: input
    return {"ok": True}


@app.get("/bearer")
def bearer():
    log.info("caller <%s>", request.headers["Authorization"])  # here: bearer
    return {"ok": True}


@app.get("/many")
def many():
    return {"cookies": len(request.cookies), "query": len(request.args)}
