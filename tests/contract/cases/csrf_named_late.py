"""Fine: the cookie `token` repeats a value that the body or a header of its own calls csrf, so it is no credential."""

import io
import logging

from flask import Flask, request

IN_BODY = "csrf5Tg7Yh9Uj1Ik3Ol8Qw2Er"
IN_HEADER = "csrf8Mn2Bv4Cx6Zl1Kj3Hg7Fd"
SECRETS = []

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())


@app.post("/form")
def form():
    assert request.form["csrf_token"] == request.cookies["token"]
    app.logger.warning("double submit %s", request.cookies["token"])
    return {}


@app.post("/header")
def header():
    assert request.headers["Anti-CSRF-Token"] == request.cookies["token"]
    app.logger.warning("double submit %s", request.cookies["token"])
    return {}


if __name__ == "__main__":
    client = app.test_client(use_cookies=False)
    reply = client.post("/form", data={"csrf_token": IN_BODY}, headers={"Cookie": f"token={IN_BODY}"})
    assert reply.status_code == 200
    reply = client.post("/header", headers={"Cookie": f"token={IN_HEADER}", "Anti-CSRF-Token": IN_HEADER})
    assert reply.status_code == 200
