"""Eight to fifteen characters count as a whole delimited run only, and one severity lower."""

import io
import logging

from cachelib import SimpleCache
from flask import Flask, request

SHORT = "k3y9Qm2Zx"
LETTERS = "abcdefghijk"
SECRETS = [SHORT]

app = Flask(__name__)
cache = SimpleCache()
logging.basicConfig(level=logging.INFO, stream=io.StringIO())


@app.get("/whole")
def whole():
    app.logger.warning("key=%s.", request.headers["X-API-Key"])  # expect: raw-token-logged
    return {}


@app.get("/joined")
def joined():
    app.logger.warning("key-%s", request.headers["X-API-Key"])
    return {}


@app.get("/stored")
def stored():
    cache.set("plan:" + request.headers["X-API-Key"], 1)  # note: raw-token-as-key
    return {}


@app.get("/letters")
def letters():
    app.logger.warning("key=%s.", request.headers["X-API-Key"])
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path, key in (("/whole", SHORT), ("/joined", SHORT), ("/stored", SHORT), ("/letters", LETTERS)):
        assert client.get(path, headers={"X-API-Key": key}).status_code == 200
