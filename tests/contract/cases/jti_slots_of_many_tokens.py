"""A slot under `revoked_<jti>` belongs to its token, however many tokens this process has verified."""

import uuid

import jwt
from cachelib import SimpleCache
from flask import Flask, request

SIGNING_KEY = "p00zKLMcyKHKi7M07QbbStdd8AgdmX2sau4rEE7n"
SECRETS = [SIGNING_KEY]

app = Flask(__name__)
cache = SimpleCache()


@app.get("/me")
def me():
    return jwt.decode(request.headers["Authorization"][7:], SIGNING_KEY, algorithms=["HS256"])


@app.post("/logout")
def logout():
    claims = jwt.decode(request.headers["Authorization"][7:], SIGNING_KEY, algorithms=["HS256"])
    slot = "session_" + claims["jti"]
    cache.set(slot, 1)
    cache.delete(slot)
    cache.delete(slot)  # expect: double-release
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for number in range(80):
        token = jwt.encode({"sub": str(number), "jti": str(uuid.uuid4())}, SIGNING_KEY, "HS256")
        assert client.get("/me", headers={"Authorization": f"Bearer {token}"}).data
    assert client.post("/logout", headers={"Authorization": f"Bearer {token}"}).data
