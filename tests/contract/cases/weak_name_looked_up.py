"""An opaque `token` counts once a slot under its digest was a hit; under its raw value a hit proves nothing."""

import hashlib
import io
import logging

from cachelib import SimpleCache
from flask import Flask, request

TOKEN = "wk7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [TOKEN]

app = Flask(__name__)
cache = SimpleCache()
logging.basicConfig(level=logging.INFO, stream=io.StringIO())
log = logging.getLogger("api")


@app.get("/raw")
def raw():
    cache.set(request.args["token"], 1)
    assert cache.get(request.args["token"])
    log.info("page %s", request.args["token"])
    return {}


@app.get("/miss")
def miss():
    assert cache.get(hashlib.sha512(request.args["token"].encode()).hexdigest()) is None
    log.info("page %s", request.args["token"])
    return {}


@app.get("/hit")
def hit():
    assert cache.get("t:" + hashlib.sha256(request.args["token"].encode()).hexdigest())
    log.info("page %s", request.args["token"])  # expect: raw-token-logged
    return {}


if __name__ == "__main__":
    cache.set("t:" + hashlib.sha256(TOKEN.encode()).hexdigest(), {"user": 1})
    for path in ("raw", "miss", "hit"):
        assert app.test_client().get(f"/{path}", query_string={"token": TOKEN}).data
