"""A ticket that the app tracks as single-use when it makes it, presented under a weak name and accepted twice."""

import secrets

from flask import Flask, request

import rasp

SECRETS = []

app = Flask(__name__)
made = []


@app.post("/make")
def make():
    made.append(secrets.token_urlsafe(24))
    rasp.track(made[0], kind="single_use")
    return {}


@app.post("/use")
def use():  # expect: single-use-replay
    return {"ok": request.args["ticket"] == made[0]}


if __name__ == "__main__":
    client = app.test_client()
    assert client.post("/make").data
    for _ in range(2):
        assert client.post("/use", query_string={"ticket": made[0]}).data
