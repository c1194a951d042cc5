"""Two requests share a cache slot: the second stores it too and deletes it, then the first one reads it."""

import hashlib
import threading

from cachelib import SimpleCache
from flask import Flask, request

KEY = "ps7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)
cache = SimpleCache()
stored, deleted = threading.Event(), threading.Event()


def slot():
    return hashlib.md5(request.headers["X-API-Key"].encode()).hexdigest()


@app.get("/slow")
def slow():
    cache.set(slot(), "slow")
    stored.set()
    assert deleted.wait(20)
    assert cache.get(slot()) is None  # expect: concurrent-reuse
    return {}


@app.get("/fast")
def fast():
    cache.set(slot(), "fast")
    cache.delete(slot())  # note: concurrent-reuse
    return {}


@app.get("/reader")
def reader():
    cache.get(slot())
    stored.set()
    assert deleted.wait(20)
    assert cache.get(slot()) is None
    return {}


@app.get("/again")
def again():
    cache.set(slot(), "again")
    stored.set()
    assert deleted.wait(20)
    cache.set(slot(), "again")
    assert cache.get(slot())
    cache.delete(slot())
    return {}


def call(path):
    assert app.test_client().get(path, headers={"X-API-Key": KEY}).data


if __name__ == "__main__":
    for path in ("/slow", "/reader", "/again"):
        stored.clear(), deleted.clear()
        caller = threading.Thread(target=call, args=(path,))
        caller.start()
        assert stored.wait(20)
        call("/fast")
        deleted.set()
        caller.join(20)
