"""Which releases stand on different call paths: helper, decorator, hooks; and which are one path run again."""

import functools

from cachelib import SimpleCache
from flask import Flask, g, request

KEY = "cp7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)
cache = SimpleCache()


def drop():
    g.pop("key", None)  # expect: double-release


def cleaned(view):
    @functools.wraps(view)
    def wrapper():
        try:
            return view()
        finally:
            cache.delete("k:" + request.headers["X-API-Key"])  # expect: double-release

    return wrapper


@app.get("/twice")
def twice():
    g.key = request.headers["X-API-Key"]
    drop()
    drop()
    return {}


@app.get("/decorated")
@cleaned
def decorated():
    cache.set("k:" + request.headers["X-API-Key"], 1)  # expect: raw-token-as-key
    cache.delete("k:" + request.headers["X-API-Key"])
    return {}


@app.get("/loop")
def loop():
    cache.set("k:" + request.headers["X-API-Key"], 1)  # expect: raw-token-as-key
    for _ in range(3):
        cache.delete("k:" + request.headers["X-API-Key"])  # note: double-release
    return {}


@app.get("/again")
def again():
    slot = "k:" + request.headers["X-API-Key"]
    cache.set(slot, 1)  # expect: raw-token-as-key
    cache.delete(slot)
    cache.set(slot, None)  # expect: raw-token-as-key
    cache.delete(slot)
    g.key = request.headers["X-API-Key"]
    g.pop("key", None)
    g.key = None
    g.pop("key", None)
    g.pop("key", None)
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path in ("twice", "decorated", "loop", "again"):
        assert client.get(f"/{path}", headers={"X-API-Key": KEY}).data
