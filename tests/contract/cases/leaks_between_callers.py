"""One caller's key serves another's request: on g, verified, answered; and the pairs for which it may."""

import jwt
from flask import Flask, g, request

SIGNING_KEY = "p00zKLMcyKHKi7M07QbbStdd8AgdmX2sau4rEE7n"
ALICE = "la7Jk2Lm9Qw4Er6Ty8Ui3"
BOB = "lb4Rt6Yu8Io2Pa7Sd9Fg1"
SECRETS = [ALICE, BOB]

app = Flask(__name__)
last = {}


@app.get("/keep")
def keep():
    last["key"] = request.headers["X-API-Key"]
    return {}


@app.get("/g")
def on_g():
    g.key = last["key"]  # expect: cross-request-leak
    return {}


@app.get("/answer")
def answer():  # expect: cross-request-leak
    return {"debug": last["key"]}


@app.get("/jwt")
def keep_jwt():
    last["jwt"] = request.headers["Authorization"][7:]
    return {}


@app.get("/verified")
def verified():
    return jwt.decode(last["jwt"], SIGNING_KEY, algorithms=["HS256"])  # expect: cross-request-leak


@app.post("/login")
def login():
    pair = {
        kind + "_token": jwt.encode({"sub": "alice", "t": kind}, SIGNING_KEY, "HS256") for kind in ("access", "refresh")
    }
    last.update(pair)
    return pair


@app.get("/linked")
def linked():
    g.refresh = last["refresh_token"]
    g.access = request.headers["Authorization"][7:]
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path in ("g", "answer"):
        assert client.get("/keep", headers={"X-API-Key": ALICE}).data
        assert client.get(f"/{path}", headers={"X-API-Key": BOB}).data
        assert client.get(f"/{path}", headers={"X-API-Key": ALICE}).data
    token = jwt.encode({"sub": "alice"}, SIGNING_KEY, "HS256")
    assert client.get("/jwt", headers={"Authorization": f"Bearer {token}"}).data
    assert client.get("/verified").data
    pair = client.post("/login").json
    assert client.post("/login", headers={"Authorization": f"Bearer {pair['refresh_token']}"}).json
    assert client.get("/linked", headers={"Authorization": f"Bearer {pair['access_token']}"}).data
