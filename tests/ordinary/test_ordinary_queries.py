"""What stands in queries, links and error pages, and only looks like a credential: rasp has nothing to say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import secrets
import threading
import time
from urllib.parse import urlencode

import jwt
from cachelib import FileSystemCache, SimpleCache
from flask import (
    Flask,
    abort,
    current_app,
    g,
    redirect,
    request,
    session,
    url_for,
)
from flask_caching import Cache
from ordinary.sites import PATIENCE, query, statuses
from support.made_up import api_key, text

log = logging.getLogger("pages")
KEY = api_key("pages")
KNOWN = {hashlib.sha256(KEY.encode()).hexdigest(): "ann"}


def caller():
    """Who calls, by API key."""
    found = KNOWN.get(hashlib.sha256(request.headers.get("X-API-Key", "").encode()).hexdigest())
    if found is None:
        abort(401)
    return found


def test_pages_and_searches_with_weak_names(silence, tmp_path):
    """``key``, ``token`` and ``ticket`` in queries, as sort keys, cursors, words to translate."""
    app = Flask(__name__)
    memory, disk = SimpleCache(), FileSystemCache(str(tmp_path / "cache"))
    cached = Cache(app, config={"CACHE_TYPE": "SimpleCache"})

    @app.get("/items")
    @cached.cached(query_string=True)
    def items():
        key, token = request.args.get("key", "created_at"), request.args.get("token", "")
        cursor = json.loads(base64.urlsafe_b64decode(token)) if token else {"offset": 0}
        log.info("items sorted by %s from %s (%s)", key, cursor, token)
        after = base64.urlsafe_b64encode(json.dumps({"offset": cursor["offset"] + 20, "sort": key}).encode()).decode()
        return {"items": [key] * 3, "token": after, "next": url_for("items", key=key, token=after)}

    @app.get("/translate/<key>")
    def translate(key):
        for cache in (memory, disk):
            if cache.get(f"i18n:{key}") is None:
                cache.set(f"i18n:{key}", key.title())
        log.info("translated %s", key)
        return {"key": key, "text": memory.get(f"i18n:{key}")}

    @app.get("/tickets")
    def tickets():
        log.info("ticket %s", request.args["ticket"])
        return redirect(f"/translate/{request.args['ticket']}?key={request.args['key']}")

    user = silence.serve(app).browser()
    page = user.get("/items?key=last_modified_timestamp").json()
    for _ in range(3):
        page = user.get(page["next"]).json()
    assert json.loads(base64.b64decode(page["token"]))["offset"] == 80
    assert user.get("/translate/settings.profile.avatar-upload-2").json()["text"] == "Settings.Profile.Avatar-Upload-2"
    assert user.get("/translate/settings.profile.avatar-upload-2").status == 200
    assert user.follow(user.get("/tickets?ticket=SUPPORT-2026-000123&key=descending-by-date")).status == 200
    assert user.get("/items?token=&key=").status == 200


def test_signed_and_presigned_urls(silence):
    """Links that carry their signature: the app's own, and those of a store it sends callers to."""
    secret = text("url signing", 40)
    app = Flask(__name__)
    app.config["SIGNING_SECRET"] = secret

    def sign(path, expires):
        return hmac.new(secret.encode(), f"{path}?{expires}".encode(), "sha256").hexdigest()

    @app.get("/share/<name>")
    def share(name):
        expires = int(time.time()) + 60
        path = url_for("download", name=name)
        link = f"{path}?{urlencode({'expires': expires, 'signature': sign(path, expires)})}"
        log.info("shared %s until %d", name, expires)
        return {"url": link}

    @app.get("/download/<name>")
    def download(name):
        wanted = sign(request.path, request.args["expires"])
        if not hmac.compare_digest(wanted, request.args["signature"]):
            log.warning("bad link %s", request.full_path)
            abort(403)
        return f"content of {name}"

    @app.get("/object/<path:key>")
    def stored(key):
        signature = hmac.new(secret.encode(), key.encode(), "sha256").hexdigest()
        parameters = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"AKIA{text('id', 16).upper()}/20260101/eu-west-1/s3/aws4_request",
            "X-Amz-Expires": "300",
            "X-Amz-Signature": signature,
        }
        url = f"https://bucket.s3.eu-west-1.amazonaws.com/{key}?{urlencode(parameters)}"
        log.info("presigned %s", url)
        return redirect(url)

    user = silence.serve(app).browser()
    link = user.get("/share/report.pdf").json()["url"]
    assert user.get(link).text == "content of report.pdf"
    assert user.get(link + "0").status == 403
    assert query(user.get("/object/photos/2026/beach.jpg").location)["X-Amz-Expires"] == "300"


def test_a_graphql_endpoint_that_logs_its_queries(silence):
    app = Flask(__name__)
    app.secret_key = text("graphql", 40)
    key = text("graphql tokens", 40)

    @app.post("/graphql")
    def graphql():
        asked = request.get_json()
        log.info("query %s variables %s", asked["query"], asked.get("variables"))
        if "login" in asked["query"]:
            return {"data": {"login": {"token": jwt.encode({"sub": "ann", "exp": 4102444800}, key)}}}
        claims = jwt.decode(request.headers["Authorization"][7:], key, algorithms=["HS256"])
        return {"data": {"me": claims["sub"], "setting": {"key": asked["variables"]["key"], "value": "on"}}}

    silence.saw("header:authorization")
    user = silence.serve(app).browser()
    asked = {"query": 'mutation { login(user: "ann", password: "pw") { token } }'}
    made = user.post("/graphql", document=asked).json()["data"]["login"]["token"]
    asked = {
        "query": "query Setting($key: String!) { me setting(key: $key) { key value } }",
        "variables": {"key": "editor.show-line-numbers", "token": "line-number-token-class"},
    }
    found = user.post("/graphql", document=asked, Authorization=f"Bearer {made}").json()
    assert found["data"] == {"me": "ann", "setting": {"key": "editor.show-line-numbers", "value": "on"}}


def test_long_polling(silence):
    """One request of a visitor waits until another one of the same visitor lets it go."""
    app = Flask(__name__)
    app.secret_key = text("polling", 40)
    waiting, news = threading.Event(), threading.Event()

    @app.get("/")
    def home():
        session["visitor"] = secrets.token_hex(4)
        return "home"

    @app.get("/poll")
    def poll():
        g.visitor = session["visitor"]
        waiting.set()
        assert news.wait(PATIENCE)
        return {"news": "for " + g.visitor}

    @app.post("/news")
    def publish():
        assert waiting.wait(PATIENCE)
        log.info("news for %s", session["visitor"])
        news.set()
        return "", 204

    silence.saw("cookie:session")
    user = silence.serve(app).browser()
    user.get("/")
    assert statuses(user.together(lambda: user.get("/poll"), lambda: user.post("/news"))) == [200, 204]


def test_error_pages_that_repeat_what_was_asked(silence):
    app = Flask(__name__)
    app.secret_key = text("errors", 40)

    @app.errorhandler(404)
    def missing(error):
        log.warning("no page at %s for %s", request.full_path, dict(request.args))
        return f"nothing at {request.path}, {request.args.get('q', '')}", 404

    @app.errorhandler(500)
    def broken(error):
        asked = {"asked": request.args.get("key"), "path": request.full_path}
        return {"error": str(error.original_exception), **asked}, 500

    @app.errorhandler(ValueError)
    def wrong(error):
        app.logger.exception("refused %s", request.get_json(silent=True))
        return {"error": str(error), "fields": sorted(request.json)}, 422

    @app.post("/orders")
    def orders():
        user = caller()
        for name, value in request.json.items():
            if name not in ("amount", "key"):
                raise ValueError(f"{user}: unknown field {name!r} = {value!r}")
        return current_app.json.response(ok=True)

    @app.get("/broken")
    def fail():
        caller()
        raise KeyError(request.args["key"])

    silence.saw("header:x-api-key")
    user = silence.serve(app).browser()
    user.headers["X-API-Key"] = KEY
    asked = "/no/such/page?q=ordinary-search-words-2026&key=an-ordinary-sort-key"
    assert "ordinary-search-words-2026" in user.get(asked).text
    assert user.post("/orders", document={"amount": 3, "colour": "ultramarine-blue-dark"}).status == 422
    assert user.post("/orders", document={"amount": 3, "key": "ordinary-order-key-17"}).status == 200
    assert user.get("/broken?key=no-such-setting-in-here").json()["asked"] == "no-such-setting-in-here"
