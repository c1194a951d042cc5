"""The caller's own key counts, although the app has made 20 tokens before it was presented."""

import io
import logging

import jwt
from flask import Flask, request

SIGNING_KEY = "p00zKLMcyKHKi7M07QbbStdd8AgdmX2sau4rEE7n"
SECRETS = [SIGNING_KEY]

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())


@app.get("/")
def index():
    made = [jwt.encode({"sub": str(number)}, SIGNING_KEY, "HS256") for number in range(20)]
    app.logger.warning("%s", request.headers["X-API-Key"])  # expect: raw-token-logged
    app.logger.warning("%s", made[3])  # expect: raw-token-logged
    return {}


if __name__ == "__main__":
    assert app.test_client().get("/", headers={"X-API-Key": "si7Jk2Lm9Qw4Er6Ty8Ui3"}).data
