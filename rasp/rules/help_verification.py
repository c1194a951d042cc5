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

UNVALIDATED_CREDENTIAL = Help(
    summary="A presented credential is read and accepted, and nothing was seen to check it.",
    happened="""\
A caller presented a credential, the app read it and answered 2xx, and in that request nothing was seen to
verify it, to look it up with a hit, or to compare it. Often a view only asks whether the header is there, or
the check was left out of one of many routes.
""",
    danger="""\
if nothing checks the credential, any text in its place is accepted: whoever sends made-up
characters is served as a caller who is known.
""",
    grading="""\
- **note**, always. What counts as a check is a verifier that rasp knows (`rasp doctor` lists the
  libraries), a look-up with a hit, and `hmac.compare_digest`. A comparison by `==`, or a look-up in a
  dict, happens inside Python and cannot be seen; the app may well be right, so `strict` does not raise it.
""",
    defect="""\
from flask import Flask, request

app = Flask(__name__)


@app.get("/api/data")
def data():
    if not request.headers.get("X-API-Key"):  # only whether there is one
        return {"error": "no key"}, 401
    return {"ok": True}
""",
    fix="""\
import hmac


@app.get("/api/data")
def data():
    key = request.headers.get("X-API-Key", "")
    if not hmac.compare_digest(key.encode(), app.config["API_KEY"].encode()):  # and in constant time
        return {"error": "invalid key"}, 401
    return {"ok": True}
""",
    fine="""\
It is fine where the app compares by `==` or looks the value up in a dict of its own (a comparison in
constant time is better, and seen), and on a route that is public and only counts its callers. If a gateway
checks every credential, switch the rule off.
""",
    no_block="""\
This rule is judged when the request ends, after every `with` block of the app; say it in one of these two
ways.
""",
    links=(
        "Python, hmac.compare_digest: https://docs.python.org/3/library/hmac.html#hmac.compare_digest",
        "OWASP, REST security: https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html",
    ),
)

LONG_LIVED_TOKEN = Help(
    summary="A JWT has no expiry, or is valid for longer than the limit.",
    happened="""\
A JWT has no `exp`, or the time between its `iat` and its `exp` is longer than the configured limit.
""",
    danger="""\
a signed token cannot be taken back. Whoever finds it in a log, a backup or on a lost phone is
that caller until it expires, or for ever; the only remedy is a new signing key, which logs everybody out.
""",
    grading="""\
- **note**, always: it makes every other leak of the token worse, and does no harm by itself.
""",
    defect="""\
import jwt
from flask import Flask, request

app = Flask(__name__)


@app.post("/login")
def login():
    user = app.config["AUTHENTICATE"](request.form["user"], request.form["password"])
    return {"access_token": jwt.encode({"sub": user}, app.config["JWT_KEY"], algorithm="HS256")}
""",
    fix="""\
import datetime


@app.post("/login")
def login():
    user = app.config["AUTHENTICATE"](request.form["user"], request.form["password"])
    now = datetime.datetime.now(datetime.UTC)
    claims = {"sub": user, "iat": now, "exp": now + datetime.timedelta(minutes=15)}
    return {"access_token": jwt.encode(claims, app.config["JWT_KEY"], algorithm="HS256")}
""",
    fine="""\
It is fine for a token that can be taken back otherwise, such as one whose `jti` the app looks up in a table
of valid ones at each request. For those who stay logged in, a refresh token, which is looked up, may
live long.
""",
    allow="""\
import jwt

import rasp

with rasp.allow("long-lived-token", reason="its jti is looked up at every request and can be withdrawn"):
    token = jwt.encode(claims, key, algorithm="HS256")
""",
    links=(
        "PyJWT, registered claims: https://pyjwt.readthedocs.io/en/stable/usage.html#registered-claim-names",
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
