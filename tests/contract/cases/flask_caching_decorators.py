"""A view cached under its path keeps the token of the path as key; memoized functions hash it."""

from flask import Flask, request
from flask_caching import Cache

TOKEN = "sk_live_4Qm9Zx2Lp7Rt5Yw8Kd3Vb6Nc"
SECRETS = [TOKEN]

app = Flask(__name__)
caching = Cache(app, config={"CACHE_TYPE": "SimpleCache"})


@app.get("/feed/<token>")
@caching.cached(timeout=50)
def feed(token):  # expect: raw-token-as-key
    return {}


@caching.memoize(50)
def lookup(key):
    return {"plan": "free"}


@app.get("/plan")
def plan():
    lookup(request.headers["X-API-Key"])
    caching.delete_memoized(lookup, request.headers["X-API-Key"])
    caching.delete_memoized(lookup, request.headers["X-API-Key"])
    caching.delete_memoized(lookup)
    return {}


if __name__ == "__main__":
    client = app.test_client()
    assert client.get(f"/feed/{TOKEN}").data
    assert client.get("/plan", headers={"X-API-Key": TOKEN}).data
