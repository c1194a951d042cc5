"""A TTLCache of claims: deletes that raise for lack of the entry, expected and not, and what ends by itself."""

import hashlib

from cachetools import LRUCache, TTLCache, cached
from flask import Flask, request

KEY = "ct7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)
now = [0.0]
claims = TTLCache(maxsize=8, ttl=60, timer=lambda: now[0])
users = LRUCache(maxsize=2)


def slot():
    return "claims:" + hashlib.sha256(request.headers["X-API-Key"].encode()).hexdigest()


@app.get("/twice")
def twice():
    claims[slot()] = 1
    del claims[slot()]
    try:
        forget()
    except LookupError:
        return {}
    return {"deleted": "again"}


def forget():
    del claims[slot()]  # expect: double-release


@app.get("/expected")
def expected():
    claims[slot()] = 1
    del claims[slot()]
    try:
        del claims[slot()]  # expect: double-release
    except KeyError:
        pass
    return {}


@app.get("/popped")
def popped():
    claims[slot()] = 1
    for _ in range(2):
        claims.pop(slot(), None)  # note: double-release
    return {}


@app.get("/expired")
def expired():
    claims[slot()] = 1
    now[0] += 61
    assert slot() not in claims
    claims.pop(slot(), None)
    claims[slot()] = 1
    claims.clear()
    claims.pop(slot(), None)
    return {}


@app.get("/evicted")
def evicted():
    users[slot()] = 1
    users["a"], users["b"] = 1, 2
    users.pop(slot(), None)
    return {}


@cached(users)
def user_of(key):
    return {"name": "ann"}


@app.get("/cached")
def by_key():
    user_of(request.headers["X-API-Key"])  # expect: raw-token-as-key
    return user_of(request.headers["X-API-Key"])


@app.get("/looked-up")
def looked_up():
    return {"known": [request.headers["X-API-Key"] in claims, claims.get(request.headers["X-API-Key"])]}


if __name__ == "__main__":
    client = app.test_client()
    for path in ("twice", "expected", "popped", "expired", "evicted", "cached", "looked-up"):
        assert client.get(f"/{path}", headers={"X-API-Key": KEY}).data
