"""A key that begins with its own name: the name may stand in a log, the secret behind it may not."""

import io
import logging

from flask import Flask, request

DOTTED = "4f1c9a2e-77d0-4b8e-9c51-0d6f2ab83e11.c47d9e02a6b84f13950e7d2c61ab38ff"
SECRETS = [DOTTED]

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())
log = logging.getLogger("api")


@app.get("/dotted")
def dotted():
    name, _, secret = request.headers["X-API-Key"].partition(".")
    log.info("key %s", name)
    log.info("secret %s...", secret[:16])  # expect: raw-token-logged
    log.info("whole %s.%s", name, secret)  # expect: raw-token-logged
    return {}


if __name__ == "__main__":
    client = app.test_client()
    assert client.get("/dotted", headers={"X-API-Key": DOTTED}).status_code == 200
