"""Strict grading by the value found: the encoded pair has 16 characters and more, the password alone has not."""

import base64
import io
import logging

from flask import Flask, request

import rasp

PASSWORD = "Winter2025y"
SECRETS = [PASSWORD]

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())


@app.get("/")
def index():
    app.logger.warning("password %s", request.authorization.password)  # expect: raw-token-logged
    app.logger.warning("header %s", request.headers["Authorization"])  # expect: raw-token-logged
    return {}


if __name__ == "__main__":
    pair = base64.b64encode(f"alice:{PASSWORD}".encode()).decode()
    assert app.test_client().get("/", headers={"Authorization": f"Basic {pair}"}).data
    found = [str(f.severity.word) for f in rasp.findings() if f.rule == "raw-token-logged"]
    assert found == ["warning", "error"], found
