"""Fine: this project switches one rule off, and names one more public prefix."""

import io
import logging

from cachelib import SimpleCache
from flask import Flask, request

SECRETS = []
QUIET = ["raw-token-logged"]
CONFIG = """
public_prefixes = ["pk_", "pub-"]
[rules]
raw-token-as-key = "off"
"""


app = Flask(__name__)
cache = SimpleCache()
logging.basicConfig(level=logging.INFO, stream=io.StringIO())


@app.get("/off")
def off():
    cache.set(request.headers["X-API-Key"], 1)
    return {}


@app.get("/public")
def public():
    app.logger.warning("%s", request.headers["X-API-Key"])
    return {}


if __name__ == "__main__":
    client = app.test_client()
    assert client.get("/off", headers={"X-API-Key": "rf7Jk2Lm9Qw4Er6Ty8Ui3"}).data
    assert client.get("/public", headers={"X-API-Key": "pub-7Jk2Lm9Qw4Er6Ty8Ui3"}).data
