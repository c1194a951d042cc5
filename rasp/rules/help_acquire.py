"""Help texts of the release family, second part: a release without an acquire, and the other way round."""

from __future__ import annotations

from rasp.rules.help_text import Help

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
    allow="""\
import rasp

with rasp.allow("never-released", reason="the pool's own thread releases it"):
    rasp.hold(key, "pool")
""",
    links=("Flask, the application context: https://flask.palletsprojects.com/en/stable/appcontext/",),
)

INCONSISTENT_RELEASE = Help(
    summary="A route releases a slot on its success path and leaves it held on an error path.",
    happened="""\
Two requests of one route acquired the same kind of slot in the same place. One was answered below 400 and
had released it; the other was answered 400 or above, or left the app with an exception, and still held it
in the end, whichever of the two came first. The route knows that it has to release, but an early `return`
or an exception skips that line. The finding is located at the acquire.
""",
    danger="""\
whoever can make the request fail decides how much is left behind: a caller with a wrong body,
sent a thousand times, keeps a thousand keys in memory or a thousand entries in the cache. A slot that stands
for a lock or a running session stays locked for its owner, or is served to the next request.
""",
    grading="""\
- **warning**: a native handle, an explicit hold (`rasp.hold`).
- **note**: an entry of a cache: its timeout ends it.

It is reported once a process for each route, holder and place. An entry that the success path keeps too is
meant to outlive its request, and a request that never acquired has nothing to release: neither is a finding.
`flask.g` is not judged, since the end of the app context ends its holds. A hold, or a handle left on `g`, is
`never-released` as well.
""",
    defect="""\
import ctypes

from flask import Flask, request

app = Flask(__name__)
lib = ctypes.CDLL("libapikey.so")  # declared in rasp.toml as [[native]]
lib.apikey_open.restype = ctypes.c_void_p
lib.apikey_sign.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
lib.apikey_free.argtypes = [ctypes.c_void_p]


@app.post("/api/sign")
def sign():
    handle = lib.apikey_open(app.config["API_KEY"].encode())
    text = request.get_json()["text"]  # answers 400 by itself where there is none: still held
    signature = lib.apikey_sign(handle, text.encode())
    lib.apikey_free(handle)
    return {"signature": signature}
""",
    fix="""\
@app.post("/api/sign")
def sign():
    text = request.get_json()["text"]  # what can fail first, then the acquire
    handle = lib.apikey_open(app.config["API_KEY"].encode())
    try:
        return {"signature": lib.apikey_sign(handle, text.encode())}
    finally:
        lib.apikey_free(handle)  # on every path, once
""",
    fine="""\
It is fine for an entry that a failed request shall leave behind, such as the state from which the caller may
go on. Give it a timeout. An explicit hold is a context manager: `with rasp.hold(value, slot):` releases on
every path.
""",
    allow="""\
import rasp

with rasp.allow("inconsistent-release", reason="kept after a failure, so that the caller can go on"):
    cache.set(slot, state, timeout=600)
""",
    links=(
        "Python, clean-up actions: https://docs.python.org/3/tutorial/errors.html#defining-clean-up-actions",
        "Flask, error handlers: https://flask.palletsprojects.com/en/stable/errorhandling/",
    ),
)
