"""A JWT without an expiry, or one valid for more than 30 days, is a note where it is made or first verified."""

import jwt
from flask import Flask, request

SIGNING_KEY = "p00zKLMcyKHKi7M07QbbStdd8AgdmX2sau4rEE7n"
SECRETS = [SIGNING_KEY]
DAY = 86_400

app = Flask(__name__)


@app.get("/for-ever")
def for_ever():
    return {"access_token": jwt.encode({"sub": "ann"}, SIGNING_KEY)}  # note: long-lived-token


@app.get("/months")
def months():
    claims = {"sub": "ann", "iat": 1_000_000, "exp": 1_000_000 + 31 * DAY}
    return {"access_token": jwt.encode(claims, SIGNING_KEY)}  # note: long-lived-token


@app.get("/month")
def month():
    claims = {"sub": "ann", "iat": 1_000_000, "exp": 1_000_000 + 30 * DAY}
    return {"access_token": jwt.encode(claims, SIGNING_KEY)}


@app.get("/verified")
def verified():
    return jwt.decode(request.headers["Authorization"][7:], SIGNING_KEY, algorithms=["HS256"])  # note: long-lived-token


@app.get("/refused")
def refused():
    try:
        return jwt.decode(request.headers["Authorization"][7:], SIGNING_KEY, algorithms=["HS256"])
    except jwt.InvalidSignatureError:
        return {}, 401


if __name__ == "__main__":
    client = app.test_client()
    for path in ("for-ever", "months", "month"):
        assert client.get(f"/{path}").json["access_token"]
    token = jwt.encode({"sub": "bob"}, SIGNING_KEY)
    for _ in range(2):
        assert client.get("/verified", headers={"Authorization": f"Bearer {token}"}).json == {"sub": "bob"}
    forged = jwt.encode({"sub": "root"}, "another key that is quite long enough")
    assert client.get("/refused", headers={"Authorization": f"Bearer {forged}"}).status_code == 401
