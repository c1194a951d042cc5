"""Help texts of the verification family: a credential is trusted that should not be."""

from __future__ import annotations

from rasp.rules.help_text import Help, pending

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
    no_block="""\
This rule is judged when the request ends, after every `with` block of the app; say it by
`verified_upstream` or in one of these two ways.
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

UNVALIDATED_CREDENTIAL = pending("unvalidated-credential")

LONG_LIVED_TOKEN = pending("long-lived-token")
