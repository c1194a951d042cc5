"""FileSystemCache says True for a missing file: the second delete is a second release all the same."""

import hashlib
import tempfile

from cachelib import FileSystemCache
from flask import Flask, request
from flask_caching import Cache

KEY = "fc7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)
folder = tempfile.mkdtemp()
cache = FileSystemCache(folder)
caching = Cache(app, config={"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": tempfile.mkdtemp()})


def slot():
    return hashlib.blake2b(request.headers["X-API-Key"].encode(), digest_size=20).hexdigest().upper()


@app.get("/plain")
def plain():
    cache.set(slot(), 1)
    FileSystemCache(folder).delete(slot())
    assert cache.delete(slot())  # expect: double-release
    return {}


@app.get("/caching")
def with_flask_caching():
    caching.set(slot(), 1)
    caching.delete(slot())
    caching.delete(slot())  # expect: double-release
    return {}


@app.get("/never")
def never():
    cache.delete("x" + slot())  # note: release-without-acquire
    return {}


@app.get("/cleared")
def cleared():
    cache.set(slot(), 1)
    cache.clear()
    cache.delete(slot())
    cache.set(slot(), 1, timeout=-1)
    cache.delete(slot())
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path in ("plain", "caching", "never", "cleared"):
        assert client.get(f"/{path}", headers={"X-API-Key": KEY}).data
