"""The service's own key is followed everywhere and keeps its kind, also when a caller presents it."""

import io
import logging
import os

from flask import Flask, g, request

OWN = "svc7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [OWN]
ENV = {"PARTNER_API_KEY": "svc7Jk2Lm9Qw4Er6Ty8Ui3", "PAYMENT_PASS": "abc"}

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())
log = logging.getLogger("start")
log.info("using %s", os.environ["PARTNER_API_KEY"])  # expect: raw-token-logged


@app.get("/first")
def first():
    g.key = request.headers["X-API-Key"]
    return {}


@app.get("/second")
def second():  # expect: raw-token-in-response
    g.key = os.environ["PARTNER_API_KEY"]
    return {"key": g.key}


if __name__ == "__main__":
    assert app.test_client().get("/first", headers={"X-API-Key": OWN}).status_code == 200
    assert app.test_client().get("/second", headers={"X-API-Key": "oth4Rt6Yu8Io2Pa7Sd9Fg"}).status_code == 200
