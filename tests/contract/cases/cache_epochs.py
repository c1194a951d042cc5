"""Cache entries: unknown ones are a note, a miss after a delete is normal, and implicit ends are no releases."""

import hashlib

import cachelib.simple
from cachelib import SimpleCache
from flask import Flask, request

KEY = "ce7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]
QUIET = ["double-release", "never-released", "raw-token-as-key", "use-after-release", "concurrent-reuse"]

app = Flask(__name__)
cache = SimpleCache()


def slot(name):
    return f"{name}:" + hashlib.sha256(request.headers["X-API-Key"].encode()).hexdigest()


@app.get("/unknown")
def unknown():
    cache.delete(slot("unknown"))  # note: release-without-acquire
    return {}


@app.get("/missed")
def missed():
    cache.set(slot("missed"), 1)
    cache.delete(slot("missed"))
    cache.get(slot("missed"))
    cache.has(slot("missed"))
    return {}


@app.get("/cleared")
def cleared():
    cache.set(slot("cleared"), 1)
    cache.clear()
    cache.delete(slot("cleared"))
    return {}


@app.get("/expired")
def expired():
    cache.set(slot("expired"), 1, timeout=5)
    now = cachelib.simple.time
    cachelib.simple.time = lambda: now() + 60
    try:
        cache.delete(slot("expired"))
    finally:
        cachelib.simple.time = now
    return {}


@app.get("/evicted")
def evicted():
    small = SimpleCache(threshold=2)
    small.set(slot("evicted"), 1, timeout=1)
    for number in range(10):
        small.set(f"other-{number}", 1, timeout=100)
    small.delete(slot("evicted"))
    return {}


@app.get("/two_requests")
def two_requests():
    if "again" in request.args:
        cache.delete(slot("two"))
        return {}
    cache.set(slot("two"), 1)
    cache.delete(slot("two"))
    return {}


class Unreachable(SimpleCache):
    """A back end whose connection fails."""

    down = False

    def delete(self, key):
        if self.down:
            raise ConnectionError
        return super().delete(key)


far = Unreachable()


@app.get("/failed")
def failed():
    far.set(slot("far"), 1)
    far.down = True
    for _ in range(2):
        try:
            far.delete(slot("far"))
        except ConnectionError:
            far.down = False
    return {}


if __name__ == "__main__":
    client = app.test_client()
    paths = ("unknown", "missed", "cleared", "expired", "evicted", "two_requests", "two_requests?again=1", "failed")
    for path in paths:
        assert client.get(f"/{path}", headers={"X-API-Key": KEY}).status_code == 200
