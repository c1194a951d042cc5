"""Help texts of the concurrency family: one credential, two requests."""

from __future__ import annotations

from rasp.rules.help_text import Help

CONCURRENT_REUSE = Help(
    summary="Two overlapping requests hold one slot, handle, buffer or single-use credential at once.",
    happened="""\
Two requests that were in flight together held one thing that only one of them can own. It is one of four:
a cache entry that one request stored was released by another, and the first then reads or releases it; a
native handle was in a call from two requests at once, or was released by one while in a call of another;
a mutable buffer (`bytearray`, ctypes buffer) was held by both; or a `single_use` credential was presented
by both.
""",
    danger="""\
the slower request goes on with an entry that is gone, or that by now belongs to somebody
else: the wrong session is served, or a caller is thrown out. Two calls on one native handle mix two
callers' keys or corrupt the heap. It needs two callers at the same moment, so it seldom shows in a test
and always shows under load.
""",
    grading="""\
- **error**: the operation at which the damage shows, such as the read or release by the request that
  stored the entry.
- **note**: the release of an entry that another request in flight has stored, as long as that one does
  not come back.

The same API key in two parallel requests is normal and no finding. A native handle acquired outside
requests counts as shared: its overlapping use is judged only if it is declared `thread_safe = false`;
`thread_safe = true` allows overlapping use, but never a release while the handle is in a call.
""",
    defect="""\
import hashlib

from cachelib import SimpleCache
from flask import Flask, request

app = Flask(__name__)
cache = SimpleCache()


@app.get("/api/report")
def report():
    slot = hashlib.sha256(request.headers["X-API-Key"].encode()).hexdigest()
    if cache.get(slot) is None:
        cache.set(slot, {"plan": "free"})
    try:
        return {"plan": cache.get(slot)["plan"]}
    finally:
        cache.delete(slot)  # also when another request with this key still works on it
""",
    fix="""\
import uuid


@app.get("/api/report")
def report():
    digest = hashlib.sha256(request.headers["X-API-Key"].encode()).hexdigest()
    slot = f"{digest}:{uuid.uuid4().hex}"  # one entry a request; to share one, let a timeout end it
    cache.set(slot, {"plan": "free"})
    try:
        return {"plan": cache.get(slot)["plan"]}
    finally:
        cache.delete(slot)
""",
    fine="""\
A shared entry that any request may delete is fine if every reader copes with a miss. For a native library
whose handles may be used by several threads at once, write `thread_safe = true` in its `[[native]]`
table.
""",
    allow="""\
import rasp

with rasp.allow("concurrent-reuse", reason="a miss only makes the next request load the plan again"):
    cache.delete(slot)
""",
    links=("Flask, the request context: https://flask.palletsprojects.com/en/stable/reqcontext/",),
)

CROSS_REQUEST_LEAK = Help(
    summary="One caller's credential is at work in another caller's request.",
    happened="""\
A credential that one caller presented was stored on `g`, verified as the caller's, answered or sent out
by a request that presented neither it nor one linked to it. Or a request began on a `g` that still held
another request's credential; then the finding is located where it was stored. The usual causes are a
module global, an object shared by all requests, and a streamed response that its client abandoned.
""",
    danger="""\
the wrong session is served. A caller without any key acts as the last one who had one, reads
that account's data and writes in its name, and no log shows anything unusual.
""",
    grading="""\
- **error**, always.

Not reported: credentials that were presented, issued or exchanged together in one request answered below
400; a response that issues the credential; and a value known as `service`, which all requests share on
purpose.
""",
    defect="""\
from flask import Flask, g, request

app = Flask(__name__)
state = {"last_key": None}
accounts = app.config.setdefault("ACCOUNTS", {})


@app.before_request
def load_key():
    state["last_key"] = request.headers.get("X-API-Key", state["last_key"])
    g.api_key = state["last_key"]  # of whoever came before


@app.get("/api/account")
def account():
    if g.api_key not in accounts:
        return {"error": "invalid key"}, 401
    return {"account": accounts[g.api_key]}
""",
    fix="""\
@app.before_request
def load_key():
    g.api_key = request.headers.get("X-API-Key")  # this request's, or none
""",
    fine="""\
A key of the app itself that all requests share is a `service` value and is never reported. Where rasp
cannot tell, say so once: `rasp.track(value, kind="service")`. An admin who may act as another caller is
the rare case for a permission.
""",
    allow="""\
import rasp

with rasp.allow("cross-request-leak", reason="support staff act as the caller, by a recorded permission"):
    g.api_key = key_of_customer
""",
    links=(
        "Flask, the application context: https://flask.palletsprojects.com/en/stable/appcontext/",
        "flask#6123: https://github.com/pallets/flask/issues/6123",
    ),
)

SINGLE_USE_REPLAY = Help(
    summary="A single-use credential is accepted twice.",
    happened="""\
Two requests with unsafe methods presented the same `single_use` credential, and both were answered below
400. The app checked that it is valid and did not end it.
""",
    danger="""\
whoever finds the link of a password reset in a mailbox, a log or a browser's history can use
it again, sets another password and gets the account's session.
""",
    grading="""\
- **error**, always.

A credential is `single_use` only by configuration or by `rasp.track`. Configuration may add GET to the
unsafe methods (`replay_methods`). That two overlapping requests presented it is `concurrent-reuse`.
""",
    defect="""\
import hashlib

from cachelib import SimpleCache
from flask import Flask, request

app = Flask(__name__)
cache = SimpleCache()
passwords = {}
# rasp.toml has [[credential]] with source = "form:reset_token" and kind = "single_use"


@app.post("/reset-password")
def reset_password():
    slot = "reset:" + hashlib.sha256(request.form["reset_token"].encode()).hexdigest()
    user = cache.get(slot)
    if user is None:
        return {"error": "invalid token"}, 403
    passwords[user] = request.form["password"]
    return {"ok": True}
""",
    fix="""\
@app.post("/reset-password")
def reset_password():
    slot = "reset:" + hashlib.sha256(request.form["reset_token"].encode()).hexdigest()
    user = cache.get(slot)
    # Only the request that removed the entry goes on. (FileSystemCache says True for a missing file.)
    if user is None or not cache.delete(slot):
        return {"error": "invalid token"}, 403
    passwords[user] = request.form["password"]
    return {"ok": True}
""",
    fine="""\
It is fine where the second answer only repeats the first and changes nothing, as for a client that tries
again after a timeout. If the credential may be used several times, do not declare it `single_use`.
""",
    no_block="""\
The finding is made when the second request is answered, after every `with` block of its view; say it in
one of these two ways.
""",
    links=(
        "OWASP, reset of passwords: https://cheatsheetseries.owasp.org/cheatsheets/Forgot_Password_Cheat_Sheet.html",
    ),
)
