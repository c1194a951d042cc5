"""Help texts of the release family, first part: what happens to a slot after its release."""

from __future__ import annotations

from rasp.rules.help_text import Help

DOUBLE_RELEASE = Help(
    summary="A slot whose hold has already been released is released again.",
    happened="""\
A slot was released although a release had already ended its hold. Two places in the app, often an error
handler and a teardown function, each think that they own the credential there. Flask also repeats
teardown by itself: 3.1.2 and 3.1.3 run it twice on the same `g` for every `stream_with_context` response.
The trail shows where the credential was acquired, where it was released first and where it was released
again.
""",
    danger="""\
a native handle that is released twice corrupts the heap. The worker dies with SIGSEGV or
SIGABRT, or, worse, it does not: the address has been handed out again, and the second release takes it
away from its new owner. A second `del g.x` raises in the middle of teardown, and what should have
followed is skipped. A second cache delete can hit an entry that another request has stored since.
""",
    grading="""\
- **error**: a native handle; `del g.x`, or another API that raises for lack of the entry;
  `rasp.release()` twice.
- **warning**: a form that also means "clear if present" (`g.pop("x", None)`, a cache delete that reports
  nothing deleted), reached by a different call path than the first release.
- **note**: the same form on the same call path, run again. That is how Flask repeats teardown.

A raising form that stands in a `try` or `suppress` of the same function counts like "clear if present" if
the handler names the raised class or a base of it below `Exception`. A cache slot is judged per request,
a native handle process-wide. The end of the app context, a TTL, an eviction and `clear()` are no
releases, and any store in the slot opens a new hold. `observe` and `protect` do not pass a second native
release on to the library; for `observe` this can be switched off with
`block_native_double_release = false`.
""",
    defect="""\
import ctypes

from flask import Flask, g, request

app = Flask(__name__)
lib = ctypes.CDLL("libapikey.so")  # declared in rasp.toml as [[native]]
lib.apikey_open.restype = ctypes.c_void_p
lib.apikey_verify.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
lib.apikey_free.argtypes = [ctypes.c_void_p]


@app.before_request
def open_key():
    g.handle = lib.apikey_open(app.config["API_KEY"].encode())
    if not lib.apikey_verify(g.handle, request.headers["X-API-Key"].encode()):
        raise PermissionError("invalid key")


@app.errorhandler(PermissionError)
def refuse(error):
    lib.apikey_free(g.handle)
    return {"error": "invalid key"}, 401


@app.teardown_request
def free_key(error):
    lib.apikey_free(g.handle)  # released again
""",
    fix="""\
@app.errorhandler(PermissionError)
def refuse(error):
    return {"error": "invalid key"}, 401  # teardown alone owns the handle


@app.teardown_request
def free_key(error):
    handle = g.pop("handle", None)  # off g before its release: a repeated teardown finds nothing
    if handle is not None:
        lib.apikey_free(handle)
""",
    fine="""\
Two hooks that both clear a slot with `g.pop("x", None)` harm nobody as long as neither uses the value;
better, let one of them own it. A second release of a native handle is never fine. If the library counts
references, declare the function that adds one as `retain`.
""",
    allow="""\
import rasp

with rasp.allow("double-release", reason="logout and teardown may both clear the entry"):
    cache.delete(slot)
""",
    links=(
        "Flask, the application context: https://flask.palletsprojects.com/en/stable/appcontext/",
        "Flask, streaming: https://flask.palletsprojects.com/en/stable/patterns/streaming/",
    ),
)

USE_AFTER_RELEASE = Help(
    summary="A native handle, an explicit hold or a wiped buffer is used after its release.",
    happened="""\
A native handle, an explicit hold (`rasp.hold`) or a wiped buffer was used although it had been released
before. Typical is a response body that is produced after the teardown function has released what it
needs. The trail shows the acquire, the release and the use.
""",
    danger="""\
a released native handle points to memory that the library may have handed out again. The call
reads another credential, verifies against the wrong key, writes into somebody else's data or ends the
worker with SIGSEGV. None of these is certain to happen in a test.
""",
    grading="""\
- **error**, always. Entries of `flask.g` and of caches are not judged by this rule: a cache miss after a
  delete is a normal outcome.

`observe` has no safe result to return for a native use after release, so it reports the finding, on disk
before the call is passed on. `protect` raises at a native use, `strict` at every use.
""",
    defect="""\
import ctypes

from flask import Flask, g, request

app = Flask(__name__)
lib = ctypes.CDLL("libapikey.so")  # declared in rasp.toml as [[native]]
lib.apikey_open.restype = ctypes.c_void_p
lib.apikey_sign.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
lib.apikey_free.argtypes = [ctypes.c_void_p]


@app.before_request
def open_key():
    g.handle = lib.apikey_open(request.headers["X-API-Key"].encode())


@app.get("/api/export")
def export():
    handle = g.handle

    def rows():  # produced after teardown
        for row in ("1,2", "3,4"):
            yield f"{row},{lib.apikey_sign(handle, row.encode())}\\n"

    return app.response_class(rows(), mimetype="text/csv")


@app.teardown_request
def free_key(error):
    handle = g.pop("handle", None)
    if handle is not None:
        lib.apikey_free(handle)
""",
    fix="""\
@app.get("/api/export")
def export():
    key = request.headers["X-API-Key"].encode()

    def rows():
        handle = lib.apikey_open(key)  # the body has a hold of its own
        try:
            for row in ("1,2", "3,4"):
                yield f"{row},{lib.apikey_sign(handle, row.encode())}\\n"
        finally:
            lib.apikey_free(handle)

    return app.response_class(rows(), mimetype="text/csv")
""",
    fine="""\
A use of a released native handle is fine only if the library itself checks its handles and refuses this
one. If the library counts references, declare the function that adds one as `retain`, and there is no
finding.
""",
    allow="""\
import rasp

with rasp.allow("use-after-release", reason="the library checks its handles and refuses a released one"):
    refused = lib.apikey_verify(handle, candidate) == 0
""",
    links=("Flask, streaming: https://flask.palletsprojects.com/en/stable/patterns/streaming/",),
)
