"""Help texts of the release family, second part: a release without an acquire, and the other way round."""

from __future__ import annotations

from rasp.rules.help_text import Help, pending

RELEASE_WITHOUT_ACQUIRE = Help(
    summary="Something is released that this process never saw acquired.",
    happened="""\
A release found no open hold: this process never saw the native handle acquired, or never saw the cache
entry stored. Typical is a handle that the library only lends, or one that belongs to another library.
""",
    danger="""\
a native library that is told to release what it did not hand out, or what it still owns,
corrupts its heap: the worker dies, now or at an unrelated call, or the library goes on with a key whose
memory belongs to somebody else. A cache delete that finds nothing often means that the slot's name is
built in two ways: the entry that should go, with its session, stays and is served.
""",
    grading="""\
- **warning**: a declared native handle. rasp may have been installed after the acquire, so the call is
  passed on.
- **note**: a cache entry, since another process may have stored it; `free` of the C library.
- **no finding**: `flask.g`, where `g.pop("x", None)` means "clear if present"; a NULL handle.
""",
    defect="""\
import ctypes

from flask import Flask

app = Flask(__name__)
lib = ctypes.CDLL("libapikey.so")  # declared in rasp.toml as [[native]]
lib.apikey_current.restype = ctypes.c_void_p
lib.apikey_age.argtypes = [ctypes.c_void_p]
lib.apikey_free.argtypes = [ctypes.c_void_p]


@app.get("/api/key-age")
def key_age():
    handle = lib.apikey_current()  # lent: the library still owns it
    try:
        return {"days": lib.apikey_age(handle)}
    finally:
        lib.apikey_free(handle)  # released without an acquire
""",
    fix="""\
@app.get("/api/key-age")
def key_age():
    return {"days": lib.apikey_age(lib.apikey_current())}  # what is lent is not released
""",
    fine="""\
It is fine where the handle was acquired before rasp was installed, or by code that rasp cannot see. If a
function of the library does hand its handles over to the app, add it to `acquire` in `[[native]]`, and
there is no finding.
""",
    allow="""\
import rasp

with rasp.allow("release-without-acquire", reason="opened by the worker's start script, before rasp"):
    lib.apikey_free(handle)
""",
    links=("Python, ctypes: https://docs.python.org/3/library/ctypes.html",),
)

NEVER_RELEASED = Help(
    summary="An explicit hold or a native handle is still held when its request or the process ends.",
    happened="""\
A request ended and left behind an explicit hold (`rasp.hold`), or a native handle whose only known place
was the request's `g`. Nothing in the app can release that handle any more. The finding is located at the
acquire. Often the success path releases and an error path returns early.
""",
    danger="""\
each such request leaves a live credential in the memory of the process, where a core dump or
another defect can show it, and memory that never comes back. Under load the worker grows until it is
killed, together with the requests that it is serving.
""",
    grading="""\
- **warning**: when the request ends.
- **note**: when the process ends, since everything goes with it.

Entries of `flask.g` and of caches are not judged by this rule: the end of the app context and a TTL end
their holds.
""",
    defect="""\
import ctypes

from flask import Flask, g, request

app = Flask(__name__)
lib = ctypes.CDLL("libapikey.so")  # declared in rasp.toml as [[native]]
lib.apikey_open.restype = ctypes.c_void_p
lib.apikey_verify.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
lib.apikey_free.argtypes = [ctypes.c_void_p]


@app.get("/api/data")
def data():
    g.handle = lib.apikey_open(app.config["API_KEY"].encode())
    if not lib.apikey_verify(g.handle, request.headers["X-API-Key"].encode()):
        return {"error": "invalid key"}, 401  # still held
    lib.apikey_free(g.handle)
    return {"ok": True}
""",
    fix="""\
@app.get("/api/data")
def data():
    handle = lib.apikey_open(app.config["API_KEY"].encode())
    try:
        if not lib.apikey_verify(handle, request.headers["X-API-Key"].encode()):
            return {"error": "invalid key"}, 401
        return {"ok": True}
    finally:
        lib.apikey_free(handle)  # on every path, once
""",
    fine="""\
A handle that shall live longer than its request, such as one kept for the whole process, is fine in a
place that outlives the request (a module, a pool); a handle that is only on `g` is not. For an explicit
hold, `rasp.hold` is a context manager: `with rasp.hold(value, slot):` releases on every path.
""",
    no_block="""\
This rule is judged when the request ends, after every `with` block of the app; say it in one of these two
ways.
""",
    links=("Flask, the application context: https://flask.palletsprojects.com/en/stable/appcontext/",),
)

INCONSISTENT_RELEASE = pending("inconsistent-release")
