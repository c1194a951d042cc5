"""Decoded unchecked and answered below 400; and the reasons for which that is fine."""

import hashlib

import jwt
from cachelib import SimpleCache
from flask import Flask, request

SIGNING_KEY = "p00zKLMcyKHKi7M07QbbStdd8AgdmX2sau4rEE7n"
SECRETS = [SIGNING_KEY]

app = Flask(__name__)
cache = SimpleCache()


def presented():
    return request.headers["Authorization"].removeprefix("Bearer ")


def peek(token):
    return jwt.decode(token, options={"verify_signature": False})  # expect: unverified-token


@app.get("/none")
def none():
    claims = jwt.decode_complete(presented(), options={"verify_signature": False})  # expect: unverified-token
    return {"alg": claims["header"]["alg"]}


@app.get("/jws")
def jws():
    jwt.PyJWS().decode(presented(), options={"verify_signature": False})  # expect: unverified-token
    return {}


@app.get("/peek")
def peeked():
    return peek(presented())


@app.get("/refused")
def refused():
    jwt.decode(presented(), options={"verify_signature": False})
    return {}, 403


@app.get("/tried")
def tried():
    try:
        jwt.decode(presented(), "wrong" * 10, algorithms=["HS256"])
    except jwt.InvalidSignatureError:
        return jwt.decode(presented(), options={"verify_signature": False})


@app.get("/looked")
def looked():
    assert cache.get("c:" + hashlib.sha1(presented().encode()).hexdigest())
    return jwt.decode(presented(), options={"verify_signature": False})


@app.get("/verify")
def verify():
    return jwt.decode(presented(), SIGNING_KEY, algorithms=["HS256"])


@app.get("/after")
def after():
    return jwt.decode(presented(), options={"verify_signature": False})


@app.get("/stranger")
def stranger():
    return jwt.decode(token(7), options={"verify_signature": False})


@app.get("/headers")
def headers():
    return jwt.get_unverified_header(presented())


def token(number, algorithm="HS256"):
    return jwt.encode({"sub": f"user-{number}"}, SIGNING_KEY if algorithm != "none" else None, algorithm)


if __name__ == "__main__":
    client = app.test_client()
    tokens = {
        path: token(number) for number, path in enumerate(("jws", "peek", "refused", "tried", "looked", "verify"))
    }
    tokens |= {"none": token(20, "none"), "after": tokens["verify"], "stranger": token(21), "headers": token(22)}
    cache.set("c:" + hashlib.sha1(tokens["looked"].encode()).hexdigest(), 1)
    for path, value in tokens.items():
        assert client.get(f"/{path}", headers={"Authorization": f"Bearer {value}"}).data, path
