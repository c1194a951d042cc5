"""Help texts of the verification family, first part: a credential is trusted that should not be."""

from __future__ import annotations

from rasp.rules.help_text import Help

UNVERIFIED_TOKEN = Help(
    summary="A presented token is trusted though nothing verified its signature.",
    happened="""\
A token that the caller presented was decoded with its signature unchecked, or says `alg: none`, and the
request was answered below 400. In this request nothing attempted to verify it, this process had not
verified it while it was live, and it was not found under its slot.
""",
    danger="""\
anybody can write such a token. Whoever puts another user's name or the role of an admin into
the payload is served that session, and needs no key for it.
""",
    grading="""\
- **error**, always.

To decode first without the signature, for the issuer or the key id, and then to verify in the same
request is no finding. Neither is a token that is refused with 400 or above.
""",
    defect="""\
import jwt
from flask import Flask, request

app = Flask(__name__)


@app.get("/api/account")
def account():
    token = request.headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, options={"verify_signature": False})
    return {"user": claims["sub"]}
""",
    fix="""\
@app.get("/api/account")
def account():
    token = request.headers["Authorization"].removeprefix("Bearer ")
    try:
        claims = jwt.decode(token, app.config["JWT_KEY"], algorithms=["HS256"])
    except jwt.InvalidTokenError:
        return {"error": "invalid token"}, 401
    return {"user": claims["sub"]}
""",
    fine="""\
It is fine if a gateway verifies every token and nobody can reach the app past it.
`verified_upstream = true` in `rasp.toml` says so and switches the rule off.
""",
    allow="""\
import jwt

import rasp

with rasp.allow("unverified-token", reason="the gateway has verified it, for this route only"):
    claims = jwt.decode(token, options={"verify_signature": False})
""",
    links=(
        "PyJWT, usage: https://pyjwt.readthedocs.io/en/stable/usage.html",
        "JWT best practices (RFC 8725): https://www.rfc-editor.org/rfc/rfc8725",
    ),
)


WEAK_CREDENTIAL = Help(
    summary="A credential is shorter than 16 characters, or a placeholder.",
    happened="""\
A caller presented a credential that is shorter than 16 characters, or a placeholder such as `test`,
`null` or `undefined`. A placeholder often means that a client sent a variable it never filled.
""",
    danger="""\
a short key can be guessed, and a placeholder is the first guess: whoever tries it is served
that account. It also hides other defects: rasp follows a value of 8 to 15 characters only as a whole
delimited run that mixes letters and digits, and shorter values and placeholders not at all.
""",
    grading="""\
- **note**, always: a weak value does no harm by itself where the app refuses it. It is recorded, and
  `strict` does not raise it. Where a value of 8 to 15 characters is exposed, that finding is one severity
  lower.
""",
    defect="""\
from flask import Flask, request

app = Flask(__name__)
accounts = {"test": "acme", "k3y42": "initech"}


@app.get("/api/account")
def account():
    name = accounts.get(request.headers.get("X-API-Key", ""))
    return {"account": name} if name else ({"error": "invalid key"}, 401)
""",
    fix="""\
import hashlib
import secrets

accounts = {}


def issue_key(name):
    key = "rk_" + secrets.token_urlsafe(32)
    accounts[hashlib.sha256(key.encode()).hexdigest()] = name
    return key


@app.get("/api/account")
def account():
    digest = hashlib.sha256(request.headers.get("X-API-Key", "").encode()).hexdigest()
    name = accounts.get(digest)
    return {"account": name} if name else ({"error": "invalid key"}, 401)
""",
    fine="""\
It is fine in tests, and for a short code that the app limits in number of attempts and in time.
""",
    no_block="""\
The credential is judged where it enters, not at a call of the app's own code; say it in one of these two
ways.
""",
    links=("Python, secrets: https://docs.python.org/3/library/secrets.html",),
)

UNVALIDATED_CREDENTIAL = Help(
    summary="A presented credential was read and answered with success, and nothing was seen to check it.",
    happened="""\
The app read a credential that the caller presented and answered 2xx. In this request nothing verified it,
tried to, or looked it up: no JWT library, password hash, constant-time comparison, signature, cache slot,
SQL look-up, native library or other server; and this process had not verified it while it was live.
""",
    danger="""\
if the app only looks whether there is a credential, or compares it in some branches and not in
others, any caller is served.
""",
    grading="""\
- **note**, always: a comparison with `==`, a look-up in a dictionary and a digest by `hashlib` cannot be
  seen from inside Python. It is told once for each view and place of the credential.

A credential that the app never read is no finding, nor is one that it refused, nor a secret of its own that
a caller presented, nor a field of a form or of JSON beside a credential that was verified.
""",
    defect="""\
from flask import Flask, request

app = Flask(__name__)


@app.get("/api/report")
def report():
    if not request.headers.get("X-API-Key"):
        return {"error": "no key"}, 401
    return {"total": 42}
""",
    fix="""\
import hmac


@app.get("/api/report")
def report():
    if not hmac.compare_digest(request.headers.get("X-API-Key", ""), app.config["REPORT_KEY"]):
        return {"error": "invalid key"}, 401
    return {"total": 42}
""",
    fine="""\
It is fine where the app compares with `==`, though `hmac.compare_digest` tells less to who measures its
time; where the credential is only passed on to a server that rasp does not see being asked; and where a
gateway has verified it, which `verified_upstream = true` in `rasp.toml` says.
""",
    no_block="""\
This rule is judged when the request ends, after every `with` block of the app; say it by
`verified_upstream` or in one of these two ways.
""",
    links=("Python, hmac.compare_digest: https://docs.python.org/3/library/hmac.html#hmac.compare_digest",),
)

LONG_LIVED_TOKEN = Help(
    summary="A JWT has no expiry, or is valid for longer than the limit.",
    happened="""\
A JWT that the app made, or that it verified for the first time, has no `exp`, or its `exp` lies further
behind its `iat` than the setting `token_lifetime` allows (2592000 seconds, 30 days, by default). Without
an `iat` the time from now on counts.
""",
    danger="""\
a JWT is mostly accepted without asking anybody, so that it cannot be taken back: one that leaks
serves whoever finds it until it expires, which this one does late or never.
""",
    grading="""\
- **note**, always. It is told once for each view and what was done with the token there.

Tokens of other kinds than JWT are not looked at, nor proofs and events, which have no expiry by design
(`dpop+jwt`, `secevent+jwt`, `logout+jwt`), nor tokens that did not verify.
""",
    defect="""\
import jwt
from flask import Flask

app = Flask(__name__)


@app.post("/login")
def login():
    return {"access_token": jwt.encode({"sub": "ann"}, app.config["JWT_KEY"], "HS256")}
""",
    fix="""\
from datetime import UTC, datetime, timedelta


@app.post("/login")
def login():
    now = datetime.now(UTC)
    claims = {"sub": "ann", "iat": now, "exp": now + timedelta(minutes=15)}
    return {"access_token": jwt.encode(claims, app.config["JWT_KEY"], "HS256")}
""",
    fine="""\
It is fine where every use of the token asks a list of revoked tokens, or where the token is kept as well
as a key of the app itself. `token_lifetime` in `rasp.toml` sets another limit, in seconds; for a token
without an expiry there is none.
""",
    allow="""\
with rasp.allow("long-lived-token", reason="a device that cannot renew it; revoked by its jti"):
    token = jwt.encode({"sub": "meter-7", "jti": number}, app.config["JWT_KEY"], "HS256")
""",
    links=("JWT best practices (RFC 8725): https://www.rfc-editor.org/rfc/rfc8725",),
)
