"""The app's own session cookie is of kind `session`, also where this app has issued it a moment ago."""

from flask import Flask, request, session

import rasp

SECRETS = []
QUIET = []

app = Flask(__name__)
app.secret_key = "sk7Jk2Lm9Qw4Er6Ty8Ui3Op5"


@app.get("/login")
def login():
    session["user"] = "alice"
    return {}


@app.get("/me")
def me():
    app.logger.warning("%s", request.cookies["session"])  # expect: raw-token-logged
    return {}


if __name__ == "__main__":
    client = app.test_client()
    assert client.get("/login").data
    assert client.get("/me").data
    kinds = {finding.credential.kind for finding in rasp.findings() if finding.credential}
    assert kinds == {"session"}, kinds
