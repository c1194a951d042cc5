"""Fine: a Flask session that is large enough to be compressed begins with a dot; only its signature is secret."""

import io
import logging

from flask import Flask, request, session

SECRETS = []

app = Flask(__name__)
app.secret_key = "fl7Jk2Lm9Qw4Er6Ty8Ui3Op5"
logging.basicConfig(level=logging.INFO, stream=io.StringIO())
log = logging.getLogger("api")


@app.get("/login")
def login():
    session["user"] = "alice-with-a-rather-long-name"
    session["roles"] = ["editor", "reviewer", "administrator"]
    return {}


@app.get("/me")
def me():
    cookie = request.cookies["session"]
    log.info("session %s", cookie.rpartition(".")[0])
    return {"user": session["user"]}


if __name__ == "__main__":
    client = app.test_client()
    client.get("/login")
    assert client.get("/me").json["user"].startswith("alice")
