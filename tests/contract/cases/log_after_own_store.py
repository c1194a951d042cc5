"""An f-string over the whole headers, a JWT in the query, and a key behind its scheme word."""

import io
import logging

import jwt
from flask import Flask, request

SIGNING_KEY = "p00zKLMcyKHKi7M07QbbStdd8AgdmX2sau4rEE7n"
SECRETS = [SIGNING_KEY]

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())
log = logging.getLogger("api")


@app.get("/")
def index():
    log.info("headers %s", dict(request.headers))  # expect: raw-token-logged
    log.info("path %s", request.full_path)  # expect: raw-token-logged
    log.info("claims %s", request.args["token"].rpartition(".")[0])
    log.info("signature %s", request.args["token"][-20:])  # expect: raw-token-logged
    log.info("head %s", request.args["token"][:40])
    return {}


if __name__ == "__main__":
    token = jwt.encode({"sub": "alice", "scope": "read write admin"}, SIGNING_KEY, "HS256")
    reply = app.test_client().get(
        "/", query_string={"token": token}, headers={"Authorization": "Token tk7Jk2Lm9Qw4Er6Ty8"}
    )
    assert reply.data
