"""Short and placeholder credentials get a note; a path or a word of 16 characters and more is neither."""

import io
import logging

from flask import Flask, request

SECRETS = []

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())


@app.get("/short")
def short():  # note: weak-credential
    app.logger.warning("%s", request.headers["X-API-Key"])
    return {}


@app.get("/placeholder")
def placeholder():  # note: weak-credential
    app.logger.warning("%s", request.headers["X-API-Key"])
    return {}


if __name__ == "__main__":
    client = app.test_client()
    assert client.get("/short", headers={"X-API-Key": "k3y"}).data
    assert client.get("/placeholder", headers={"X-API-Key": "undefined"}).data
