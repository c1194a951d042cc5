"""Help texts of the exposure family, second part: a raw credential in what the app answers and in URLs."""

from __future__ import annotations

from rasp.rules.help_text import Help

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

RAW_TOKEN_IN_RESPONSE = Help(
    summary="A raw credential stands in the body, an error page or a header of a response.",
    happened="""\
A response contains a live credential in its body or in one of its headers. Typical are an error page or a
message of validation that quotes what it refused, a page that prints the request's headers for debugging,
and a header that is copied from the request. The finding is located at the view that answered.
""",
    danger="""\
a response is kept by caches and proxies on the way, by the browser and by monitoring that
saves failed answers; a script on the page can read it, and people paste error pages into tickets. Whoever
reads it can send the credential and is that caller.
""",
    grading="""\
- **error**: the usual case, the error page included.
- **warning**: the value has 8 to 15 characters.
- **note**: answered below 400 to the caller who presented it: who sees the answer has the value already.

Not reported: a credential that this response issues (a login's token), and `Set-Cookie` of a cookie's own
value. The URL of a redirect is `raw-token-in-url`, which speaks alone. Another caller's credential in a
response is `cross-request-leak` too.
""",
    defect="""\
from flask import Flask, request

app = Flask(__name__)
accounts = app.config.setdefault("ACCOUNTS", {})  # key -> name


@app.get("/api/account")
def account():
    key = request.headers.get("X-API-Key", "")
    if key not in accounts:
        return {"error": f"unknown key {key}"}, 401
    return {"account": accounts[key]}
""",
    fix="""\
import hashlib

accounts = app.config.setdefault("ACCOUNTS_BY_DIGEST", {})


@app.get("/api/account")
def account():
    digest = hashlib.sha256(request.headers.get("X-API-Key", "").encode()).hexdigest()
    if digest not in accounts:
        return {"error": "unknown key", "key_sha256": digest[:12]}, 401  # enough to ask support about it
    return {"account": accounts[digest]}
""",
    fine="""\
A page that shows a new key once, to whoever created it, issues it and is no finding; where the app makes the
key by itself, `rasp.track(key, kind="api_key")` tells rasp of it. An endpoint that echoes requests belongs in
development only.
""",
    no_block="""\
The response is read while the server sends it, after every `with` block of the app; say it in one of these
two ways.
""",
    links=(
        "Flask, error handlers: https://flask.palletsprojects.com/en/stable/errorhandling/",
        "OWASP, error handling: https://cheatsheetseries.owasp.org/cheatsheets/Error_Handling_Cheat_Sheet.html",
    ),
)
