"""A gateway's key came with many users' tokens, so it links none of them: one user's token on another's g is a leak."""

import jwt
from flask import Flask, g, request

SIGNING_KEY = "p00zKLMcyKHKi7M07QbbStdd8AgdmX2sau4rEE7n"
GATEWAY = "gw7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [SIGNING_KEY, GATEWAY]

app = Flask(__name__)
last = {}


@app.get("/keep")
def keep():
    last["token"] = request.headers["Authorization"][7:]
    return {}


@app.get("/mixed")
def mixed():
    g.token = last["token"]  # expect: cross-request-leak
    return {}


if __name__ == "__main__":
    client = app.test_client()
    tokens = [jwt.encode({"sub": f"user-{number}"}, SIGNING_KEY, "HS256") for number in range(12)]
    for token in tokens:
        assert client.get("/keep", headers={"X-API-Key": GATEWAY, "Authorization": f"Bearer {token}"}).data
    assert client.get("/mixed", headers={"X-API-Key": GATEWAY, "Authorization": f"Bearer {tokens[0]}"}).data
