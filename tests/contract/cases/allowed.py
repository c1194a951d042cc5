"""Fine: the code says itself why."""

import io
import logging

from flask import Flask, request

import rasp

SECRETS = []

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())


@app.get("/log")
def log():
    with rasp.allow("raw-token-logged", reason="sandbox keys"):
        app.logger.warning("%s", request.headers["X-API-Key"])
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path in ("log",):
        assert client.get(f"/{path}", headers={"X-API-Key": "al7Jk2Lm9Qw4Er6Ty8Ui3"}).data
