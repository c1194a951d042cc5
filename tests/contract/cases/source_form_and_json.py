"""A form read in the usual way, by the library, holds a credential; so does a JSON body."""

import io
import logging

from flask import Flask, request

FORM = "bf7Jk2Lm9Qw4Er6Ty8Ui3"
MEMBER = "bm4Rt6Yu8Io2Pa7Sd9Fg1"
SECRETS = [FORM, MEMBER]

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())


@app.post("/form")
def form():
    app.logger.warning("form %s", request.form["api_key"])  # expect: raw-token-logged
    return {}


@app.post("/json")
def member():
    app.logger.warning("json %s", request.json["auth"][0]["refreshToken"])  # expect: raw-token-logged
    return {}


if __name__ == "__main__":
    client = app.test_client()
    assert client.post("/form", data={"api_key": FORM}).data
    assert client.post("/json", json={"auth": [{"refreshToken": MEMBER}]}).data
