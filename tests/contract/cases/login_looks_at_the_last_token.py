"""A login that ends the user's last session decodes its token; a page that takes it for the caller's does not."""

import jwt
from flask import Flask, request

SIGNING_KEY = "p00zKLMcyKHKi7M07QbbStdd8AgdmX2sau4rEE7n"
SECRETS = [SIGNING_KEY]

app = Flask(__name__)
stored = {}
ended = set()


def claims(token):
    return jwt.decode(token, SIGNING_KEY, algorithms=["HS256"])


@app.post("/login")
def login():
    if stored:
        ended.add(claims(stored["ann"])["jti"])
    made = {"sub": "ann", "exp": 4102444800, "jti": f"session-of-ann-number-{len(ended)}"}
    stored["ann"] = jwt.encode(made, SIGNING_KEY, "HS256")
    return {"access_token": stored["ann"]}


@app.get("/me")
def me():
    return claims(request.headers["Authorization"][7:])


@app.get("/wrong")
def wrong():
    return jwt.decode(stored["ann"], SIGNING_KEY, algorithms=["HS256"])  # expect: cross-request-leak


if __name__ == "__main__":
    client = app.test_client()
    for _ in range(3):
        token = client.post("/login").json["access_token"]
        assert client.get("/me", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert len(ended) == 2
    assert client.get("/wrong").status_code == 200
