"""Strict: raised when the request ends in which it shows, whichever path came first; a note is not raised."""

import ctypes
import hashlib

from cachelib import SimpleCache
from flask import Flask, request

import rasp
from rasp.errors import DoubleRelease, InconsistentRelease

KEY = "is7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]
MODE = "strict"

app = Flask(__name__)
cache = SimpleCache()
libc = ctypes.CDLL("libc.so.6")
libc.opendir.argtypes, libc.opendir.restype = [ctypes.c_char_p], ctypes.c_void_p
libc.closedir.argtypes = [ctypes.c_void_p]


@app.get("/first")
def first():
    handle = libc.opendir(b".")  # expect: inconsistent-release
    if "bad" in request.args:
        return {}, 400
    libc.closedir(handle)
    return {}


@app.get("/last")
def last():
    handle = libc.opendir(b".")  # expect: inconsistent-release
    if "bad" in request.args:
        return {}, 400
    libc.closedir(handle)
    return {}


@app.get("/allowed")
def allowed():
    with rasp.allow("inconsistent-release", reason="what fails is looked at by hand"):
        handle = libc.opendir(b".")
    if "bad" in request.args:
        return {}, 400
    libc.closedir(handle)
    return {}


@app.get("/cut_short")
def cut_short():
    handle = libc.opendir(b".")
    if "bad" in request.args:
        rasp.hold(request.headers["X-API-Key"], "vault")
        rasp.release(request.headers["X-API-Key"], "vault")
        rasp.release(request.headers["X-API-Key"], "vault")  # expect: double-release
    libc.closedir(handle)
    return {}


@app.get("/cached")
def cached():
    slot = hashlib.sha256(request.headers["X-API-Key"].encode()).hexdigest()
    cache.set(slot, 1)  # note: inconsistent-release
    if "bad" in request.args:
        return {}, 400
    cache.delete(slot)
    return {}


def raised(path):
    try:
        client.get(path, headers={"X-API-Key": KEY}).get_data()
    except InconsistentRelease:
        return True
    except DoubleRelease:
        assert path.startswith("/cut_short")
    return False


if __name__ == "__main__":
    rasp.native_library(libc, acquire=["opendir"], release=["closedir"])
    client = app.test_client()
    assert [raised("/first"), raised("/first?bad=x"), raised("/first?bad=x"), raised("/first")] == [0, 1, 0, 0]
    assert [raised("/last?bad=x"), raised("/last"), raised("/last")] == [0, 1, 0]
    fine = ["/allowed", "/allowed?bad=x", "/cached", "/cached?bad=x", "/cut_short", "/cut_short?bad=x"]
    assert not any(map(raised, fine))
