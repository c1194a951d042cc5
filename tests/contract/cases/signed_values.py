"""Of signed values only the last part is secret: the parts before it may be logged."""

import io
import logging

from flask import Flask, request, session
from itsdangerous import URLSafeTimedSerializer

SECRETS = []

app = Flask(__name__)
app.secret_key = "fl7Jk2Lm9Qw4Er6Ty8Ui3Op5"
logging.basicConfig(level=logging.INFO, stream=io.StringIO())
log = logging.getLogger("api")


@app.get("/login")
def login():
    session["user"] = "alice"
    session["roles"] = ["editor"]
    return {}


@app.get("/me")
def me():
    cookie = request.cookies["session"]
    log.info("session %s", cookie.rpartition(".")[0])
    log.info("session %s", cookie.rpartition(".")[2])  # expect: raw-token-logged
    return {"user": session["user"]}


@app.get("/remember")
def remember():
    token = request.cookies["remember_token"]
    log.info("remember %s", token.rpartition("|")[0])
    log.info("remember %s", token)  # expect: raw-token-logged
    return {}


@app.get("/signed")
def signed():
    token = request.args["access_token"]
    log.info("signed %s", token.rpartition(".")[0])
    log.info("signed %s", token.rpartition(".")[2])  # expect: raw-token-logged
    return {}


if __name__ == "__main__":
    client = app.test_client()
    client.get("/login")
    assert client.get("/me").json["user"].startswith("alice")
    remembered = "alice.with.a.long.name@example.com|" + "0123456789abcdef" * 8
    assert (
        app.test_client(use_cookies=False)
        .get("/remember", headers={"Cookie": f"remember_token={remembered}"})
        .status_code
        == 200
    )
    serializer = URLSafeTimedSerializer("another-secret-of-the-app-1")
    token = serializer.dumps({"user": "alice", "purpose": "download", "file": "report.csv"})
    assert client.get("/signed", query_string={"access_token": token}).status_code == 200
