"""The service's own short password, presented with Basic: the encoded pair is that credential too."""

import base64
import io
import logging

from flask import Flask, request

PASSWORD = "Sommer2024x"
SECRETS = [PASSWORD]
ENV = {"ADMIN_PASSWORD": "Sommer2024x"}

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())


@app.get("/")
def index():
    app.logger.warning("header %s", request.headers["Authorization"])  # expect: raw-token-logged
    return {}


if __name__ == "__main__":
    pair = base64.b64encode(f"administrator:{PASSWORD}".encode()).decode()
    assert app.test_client().get("/", headers={"Authorization": f"Basic {pair}"}).data
