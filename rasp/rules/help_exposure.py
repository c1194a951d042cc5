"""Help texts of the exposure family: a raw credential stands where it must not."""

from __future__ import annotations

from rasp.rules.help_text import Help, pending

RAW_TOKEN_LOGGED = Help(
    summary="A raw credential is written to a log.",
    happened="""\
A log record, as finally rendered, contains a live credential in the clear or in a derived form:
URL-quoted, JSON-escaped, base64, hex, or a fragment of its secret part that is long enough. It may come
from an argument of the log call, from the request's headers, or from the text of an exception that is
logged with a traceback. The finding is located at the log call.
""",
    danger="""\
logs are copied to files, collectors and tickets, kept for months and read by many. Whoever
reads this line can send the credential and is that caller, as long as it is valid. A rejected key is no
better: it may well be right for another environment.
""",
    grading="""\
- **error**: the usual case.
- **warning**: the value has 8 to 15 characters, or the handler renders by itself (`emit` without
  `format`), so that only the record's message could be judged.
- **note**: both.

A disabled level or the app's own masking is no exposure: what counts is what is finally rendered. A URL
in a server's access log is `raw-token-in-url`. `protect` writes `[credential:<kind>:<fingerprint>]` in
place of the value.
""",
    defect="""\
import hmac
import logging

from flask import Flask, request

app = Flask(__name__)
log = logging.getLogger(__name__)


@app.get("/api/data")
def data():
    key = request.headers["X-API-Key"]
    if not hmac.compare_digest(key.encode(), app.config["API_KEY"].encode()):
        log.warning(f"rejected key {key!r} from {request.remote_addr}")
        return {"error": "invalid key"}, 401
    return {"ok": True}
""",
    fix="""\
import hashlib


@app.get("/api/data")
def data():
    key = request.headers["X-API-Key"]
    if not hmac.compare_digest(key.encode(), app.config["API_KEY"].encode()):
        digest = hashlib.sha256(key.encode()).hexdigest()[:12]  # enough to tell callers apart
        log.warning("rejected key %s from %s", digest, request.remote_addr)
        return {"error": "invalid key"}, 401
    return {"ok": True}
""",
    fine="""\
Hardly ever in production. A value that is public, such as a publishable key, belongs under a prefix in
`public_prefixes` (default `pk_`) and is then no credential. With a configured `fingerprint_key`,
`rasp.fingerprint(value)` gives a short name for log fields.
""",
    allow="""\
import rasp

with rasp.allow("raw-token-logged", reason="printed once, to the terminal of whoever created it"):
    log.info("your new key: %s", key)
""",
    links=(
        "Flask, logging: https://flask.palletsprojects.com/en/stable/logging/",
        "OWASP, logging: https://cheatsheetseries.owasp.org/cheatsheets/Logging_Cheat_Sheet.html",
    ),
)

RAW_TOKEN_AS_KEY = Help(
    summary="An entry is stored in a cache or rate limiter under a raw credential.",
    happened="""\
An entry was stored in a cache or a rate limiter, and the name of its slot contains a raw credential. A
lookup alone is no finding.
""",
    danger="""\
names of entries are treated as harmless: they appear in `KEYS` and `MONITOR` of redis, in the
slow log, in metrics and in backups. Whoever lists the names holds live keys and sessions and can send
them as their own.
""",
    grading="""\
- **warning**: the entry is stored under the raw value.
- **note**: a session library's own store, whose names the app does not choose; or a value of 8 to 15
  characters.

An entry under a digest of the value (md5, sha1, sha256, sha512, blake2b in hex), or under the `jti` (16
characters or more) of a JWT that verified in this process, is a hold and no exposure.
""",
    defect="""\
import jwt
from cachelib import SimpleCache
from flask import Flask, request

app = Flask(__name__)
cache = SimpleCache()


@app.get("/api/data")
def data():
    token = request.headers["Authorization"].removeprefix("Bearer ")
    claims = cache.get(token)
    if claims is None:
        claims = jwt.decode(token, app.config["JWT_KEY"], algorithms=["HS256"])
        cache.set(token, claims, timeout=60)
    return {"user": claims["sub"]}
""",
    fix="""\
import hashlib


@app.get("/api/data")
def data():
    token = request.headers["Authorization"].removeprefix("Bearer ")
    slot = "claims:" + hashlib.sha256(token.encode()).hexdigest()
    claims = cache.get(slot)
    if claims is None:
        claims = jwt.decode(token, app.config["JWT_KEY"], algorithms=["HS256"])
        cache.set(slot, claims, timeout=60)
    return {"user": claims["sub"]}
""",
    fine="""\
It is tolerable for a cache that lives in the process only and whose names nothing prints. A digest costs
a few microseconds and needs no such argument; with a configured `fingerprint_key`,
`rasp.fingerprint(value)` serves too.
""",
    allow="""\
import rasp

with rasp.allow("raw-token-as-key", reason="in-process cache of a command-line tool"):
    cache.set(token, claims)
""",
    links=("cachelib: https://cachelib.readthedocs.io/en/stable/",),
)

RAW_TOKEN_IN_TELEMETRY = Help(
    summary="A raw credential leaves the process in a span or an error report.",
    happened="""\
A span attribute, a span event or an error report that leaves the process contains a live credential. The
finding is located where the value was put in.
""",
    danger="""\
traces and error reports go to a collector, often one of another company, and everybody with
access to the dashboard can read the live key there and be that caller. There it is often out of reach of
those who run the app.
""",
    grading="""\
- **error**: the usual case.
- **warning**: the value has 8 to 15 characters.

What counts is what is exported: a breadcrumb that is never sent, or a value that the app's own processor
masks, is no exposure. `protect` puts `[credential:<kind>:<fingerprint>]` in place of the value.
""",
    defect="""\
from flask import Flask, request
from opentelemetry import trace

app = Flask(__name__)
tracer = trace.get_tracer(__name__)


@app.get("/api/data")
def data():
    with tracer.start_as_current_span("authenticate") as span:
        span.set_attribute("auth.key", request.headers["X-API-Key"])
    return {"ok": True}
""",
    fix="""\
import hashlib


@app.get("/api/data")
def data():
    key = request.headers["X-API-Key"]
    with tracer.start_as_current_span("authenticate") as span:
        span.set_attribute("auth.key_sha256", hashlib.sha256(key.encode()).hexdigest()[:12])
        span.set_attribute("auth.key_length", len(key))
    return {"ok": True}
""",
    fine="""\
Only for a value that proves nothing to anybody, such as the key of a test account on a closed network.
With a configured `fingerprint_key`, `rasp.fingerprint(value)` names the credential in a span without
disclosing it.
""",
    allow="""\
import rasp

with (
    rasp.allow("raw-token-in-telemetry", reason="key of the public sandbox"),
    tracer.start_as_current_span("sandbox") as span,
):
    span.set_attribute("sandbox.key", sandbox_key)
""",
    links=("OpenTelemetry, sensitive data: https://opentelemetry.io/docs/security/handling-sensitive-data/",),
)

RAW_TOKEN_IN_URL = Help(
    summary="A raw credential stands in a redirect, an outbound URL or a URL of the access log.",
    happened="""\
A redirect, an outbound URL or a URL in a server's access log contains a live credential, in its path or
its query. For the access log the finding is located at the view, which accepts the credential from the
URL.
""",
    danger="""\
URLs are written down everywhere: in access logs and proxies on the way, in the browser's
history, in `Referer` headers, in bookmarks and chats. A session or key that stands in a URL is served to
whoever opens the link next.
""",
    grading="""\
- **error**: the usual case.
- **warning**: the value has 8 to 15 characters.
- **note**: a `single_use` credential in query or route, since a link in a mail has no other place for it.
  In the access log also a `token` there that the app signed with its time (itsdangerous), as such links are.

The fragment of a URL (after `#`) is not judged. The app's own log of its request line is
`raw-token-logged`. Where this rule and `raw-token-logged` both fit one exposure, this one speaks alone.
""",
    defect="""\
import jwt
from flask import Flask, redirect, request
from werkzeug.security import check_password_hash

app = Flask(__name__)
passwords = {}  # user -> hash


@app.post("/login")
def login():
    user = request.form["user"]
    if not check_password_hash(passwords.get(user, ""), request.form["password"]):
        return {"error": "wrong user or password"}, 401
    token = jwt.encode({"sub": user}, app.config["JWT_KEY"], algorithm="HS256")
    return redirect(f"https://app.example.com/start?access_token={token}")
""",
    fix="""\
@app.post("/login")
def login():
    user = request.form["user"]
    if not check_password_hash(passwords.get(user, ""), request.form["password"]):
        return {"error": "wrong user or password"}, 401
    token = jwt.encode({"sub": user}, app.config["JWT_KEY"], algorithm="HS256")
    response = redirect("https://app.example.com/start")
    response.set_cookie("access_token_cookie", token, secure=True, httponly=True, samesite="Lax")
    return response
""",
    fine="""\
Some services accept their key only in the query. Then keep such URLs out of logs, and say so at the call.
Declare the tokens of links in mails as `single_use` under `[[credential]]`.
""",
    allow="""\
import rasp
import requests

with rasp.allow("raw-token-in-url", reason="the map service takes its key only in the query"):
    tile = requests.get("https://maps.example.com/tile", params={"key": maps_key}, timeout=5)
""",
    links=(
        "Flask, cookies: https://flask.palletsprojects.com/en/stable/quickstart/#cookies",
        "Bearer tokens (RFC 6750, 2.3 and 5.3): https://www.rfc-editor.org/rfc/rfc6750",
    ),
)

RAW_TOKEN_IN_RESPONSE = pending("raw-token-in-response")
