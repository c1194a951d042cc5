"""Derived forms of a key in a log line, and texts that only look like them."""

import base64
import io
import json
import logging
import urllib.parse

from flask import Flask, request

KEY = "sk_live_4Qm9+Zx2/Lp7Rt5Yw8Kd3Vb6Nc1Hs0Jf"
SECRETS = [KEY]

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())
log = logging.getLogger("api")


@app.get("/")
def index():
    key = request.headers["X-API-Key"]
    log.info("%s", urllib.parse.quote(key, safe=""))  # expect: raw-token-logged
    log.info("%s", json.dumps({"k": key}))  # expect: raw-token-logged
    log.info("%r", {"k": key.encode()})  # expect: raw-token-logged
    log.info("%s", key.encode().hex())  # expect: raw-token-logged
    log.info("%s", base64.b64encode(f"x:{key}".encode()).decode())  # expect: raw-token-logged
    log.info("%s", base64.urlsafe_b64encode(f"xy:{key}:z".encode()).decode())  # expect: raw-token-logged
    log.info("%s...", key[8:24])  # expect: raw-token-logged
    log.info("...%s", key[-16:])  # expect: raw-token-logged
    log.info("<%s>", key[10:34])  # expect: raw-token-logged
    log.info("%s...", key[:16])
    log.info("%s...%s", key[8:20], key[-12:])
    log.info("<%s>", key[10:33])
    log.info("<%sA>", key[8:24])
    log.info("<%s>", key[8:24] + "someoneElsesTail")
    return {}


if __name__ == "__main__":
    assert app.test_client().get("/", headers={"X-API-Key": KEY}).status_code == 200
