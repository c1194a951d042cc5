"""Everything else that apps do all day around those who call them: rasp has nothing to say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import logging
import secrets
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlencode

import jwt
from cachelib import FileSystemCache, SimpleCache
from flask import (
    Blueprint,
    Flask,
    abort,
    copy_current_request_context,
    current_app,
    g,
    redirect,
    render_template_string,
    request,
    send_file,
    session,
    stream_with_context,
    url_for,
)
from flask_caching import Cache
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from ordinary.sites import PATIENCE, query, statuses
from support.made_up import api_key, text
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.utils import secure_filename

log = logging.getLogger("pages")
KEY = api_key("pages")
KNOWN = {hashlib.sha256(KEY.encode()).hexdigest(): "ann"}


def caller():
    """Who calls, by API key."""
    found = KNOWN.get(hashlib.sha256(request.headers.get("X-API-Key", "").encode()).hexdigest())
    if found is None:
        abort(401)
    return found


def test_work_that_goes_on_in_the_background(silence):
    """Threads, a pool and copied contexts that know who asked, and log it."""
    app = Flask(__name__)
    app.secret_key = text("jobs", 40)
    pool, done = ThreadPoolExecutor(2), []

    def report(user, number):
        log.info("report %d for %s", number, user)
        done.append((user, number))
        return number

    @app.post("/thread")
    def thread():
        user = caller()

        @copy_current_request_context
        def work():
            report(session.get("name", user), len(request.headers))

        started = threading.Thread(target=work)
        started.start()
        started.join(PATIENCE)
        return "", 202

    @app.post("/pool")
    def pooled():
        return {"done": [future.result() for future in [pool.submit(report, caller(), n) for n in range(4)]]}

    @app.post("/later")
    def later():
        pool.submit(report, caller(), 9)
        return "", 202

    silence.saw("header:x-api-key")
    user = silence.serve(app).browser()
    user.headers["X-API-Key"] = KEY
    assert statuses(user.together(*[lambda p=p: user.post(p) for p in ("/thread", "/pool", "/later")])) == [
        202,
        200,
        202,
    ]
    pool.shutdown(wait=True)
    assert len(done) == 6


def test_jobs_of_rq_and_celery(silence, redis_client):
    """Queued where they run at once, with the user's name and nothing else of the request."""
    from celery import Celery
    from rq import Queue

    app = Flask(__name__)
    queue = Queue(connection=redis_client, is_async=False)
    celery = Celery("ordinary", broker="memory://", backend="cache+memory://")
    celery.conf.update(task_always_eager=True, task_store_eager_result=False)
    add = celery.task(name="ordinary.greet")(greet)

    @app.post("/rq")
    def rq_job():
        return {"result": queue.enqueue(greet, caller()).return_value()}

    @app.post("/celery")
    def celery_job():
        return {"result": add.delay(caller()).get()}

    silence.saw("header:x-api-key")
    user = silence.serve(app).browser()
    assert user.post("/rq", X_API_Key=KEY).json() == {"result": "hello ann"}
    assert user.post("/celery", X_API_Key=KEY).json() == {"result": "hello ann"}


def greet(name):
    log.info("greeting %s", name)
    return f"hello {name}"


def signed(secret, body, *, by="hex"):
    made = hmac.new(secret.encode(), body, "sha256")
    return made.hexdigest() if by == "hex" else base64.b64encode(made.digest()).decode()


def test_webhooks_with_signatures(silence):
    """As GitHub, Stripe, Shopify and Slack send them."""
    secret, slack = text("webhook", 40), text("slack verification", 24)
    app = Flask(__name__)
    app.config["WEBHOOK_SECRET"] = secret
    seen = []

    @app.post("/github")
    def github():
        sent = request.headers["X-Hub-Signature-256"]
        if not hmac.compare_digest(sent, "sha256=" + signed(secret, request.get_data())):
            log.warning("bad signature of delivery %s", request.headers["X-GitHub-Delivery"])
            abort(403)
        log.info("push to %s, key %s", request.json["repository"]["full_name"], request.json["key"])
        seen.append("github")
        return "", 204

    @app.post("/stripe")
    def stripe():
        parts = dict(part.split("=", 1) for part in request.headers["Stripe-Signature"].split(","))
        payload = f"{parts['t']}.".encode() + request.get_data()
        if not hmac.compare_digest(parts["v1"], signed(secret, payload)):
            abort(400)
        log.info("event %s signed at %s", request.get_json()["id"], parts["t"])
        seen.append("stripe")
        return {"received": True}

    @app.post("/shopify")
    def shopify():
        if not hmac.compare_digest(request.headers["X-Shopify-Hmac-Sha256"], signed(secret, request.data, by="base64")):
            abort(401)
        seen.append("shopify")
        return ""

    @app.post("/slack")
    def slack_hook():
        if not hmac.compare_digest(request.json["token"], slack):
            abort(403)
        log.info("slack event %s", {k: v for k, v in request.json.items() if k != "token"})
        seen.append("slack")
        return {"challenge": request.json["challenge"]}

    sender = silence.serve(app).browser()
    document = {"repository": {"full_name": "ann/shop"}, "key": "deploy-key-of-production", "id": "evt_" + text("evt")}
    body = json.dumps(document).encode()
    good = {"X_GitHub_Delivery": "1", "X_Hub_Signature_256": "sha256=" + signed(secret, body)}
    assert sender.post("/github", document=document, **good).status == 204
    assert sender.post("/github", document=document, **good | {"X_Hub_Signature_256": "sha256=00"}).status == 403
    stamp = f"t=1700000000,v1={signed(secret, b'1700000000.' + body)}"
    assert sender.post("/stripe", document=document, Stripe_Signature=stamp).json() == {"received": True}
    stamp = signed(secret, body, by="base64")
    assert sender.post("/shopify", document=document, X_Shopify_Hmac_Sha256=stamp).status == 200
    event = {"token": slack, "challenge": text("challenge", 40), "type": "url_verification"}
    assert sender.post("/slack", document=event).json() == {"challenge": event["challenge"]}
    assert seen == ["github", "stripe", "shopify", "slack"]


def test_files_up_and_down(silence, tmp_path):
    app = Flask(__name__)

    @app.post("/files")
    def upload():
        user, sent = caller(), request.files["file"]
        name = secure_filename(sent.filename)
        sent.save(tmp_path / name)
        log.info("%s uploaded %s (%s): %s", user, name, request.form["key"], request.form)
        return {"name": name, "size": (tmp_path / name).stat().st_size, "key": request.form["key"]}

    @app.get("/files/<name>")
    def download(name):
        caller()
        return send_file(tmp_path / name, as_attachment=True)

    @app.get("/made")
    def made():
        caller()
        return send_file(io.BytesIO(b"a,b\n1,2\n"), mimetype="text/csv", download_name="made.csv")

    silence.saw("header:x-api-key")
    user = silence.serve(app).browser()
    user.headers["X-API-Key"] = KEY
    content = b"line of text\n" * 10_000
    fields = {"key": "photos/summer-holiday-2026/beach.txt", "token": "no such thing as a token"}
    assert user.upload("/files", fields, "beach.txt", content).json()["size"] == len(content)
    assert user.get("/files/beach.txt").body == content
    assert user.get("/made").text == "a,b\n1,2\n"


def test_a_stream_of_server_sent_events(silence):
    """The stream reads ``g``, the session and the request; the app cleans up in a teardown function."""
    app = Flask(__name__)
    app.secret_key = text("sse", 40)

    @app.before_request
    def load():
        g.user = caller()
        g.api_key = request.headers["X-API-Key"]

    @app.teardown_request
    def forget(error):
        g.pop("api_key", None)

    @app.get("/events")
    def events():
        session["last"] = "events"

        def produce():
            for number in range(int(request.args["n"])):
                log.info("event %d of %s", number, session["last"])
                yield f"id: {number}\ndata: {json.dumps({'n': number})}\n\n"

        return app.response_class(stream_with_context(produce()), mimetype="text/event-stream")

    silence.saw("header:x-api-key")
    user = silence.serve(app).browser()
    user.headers["X-API-Key"] = KEY
    pages = user.together(*[lambda: user.get("/events?n=20")] * 3)
    assert [page.text.count("data:") for page in pages] == [20] * 3


def test_rate_limits_by_user(silence):
    """By the user's id where there is one, else by address."""
    app = Flask(__name__)

    def who():
        found = KNOWN.get(hashlib.sha256(request.headers.get("X-API-Key", "").encode()).hexdigest())
        return f"user:{found}" if found else get_remote_address()

    limiter = Limiter(who, app=app, default_limits=["3 per hour"], storage_uri="memory://", headers_enabled=True)

    @app.get("/")
    def home():
        return {"left": limiter.current_limit.remaining}

    silence.saw("header:x-api-key")
    user = silence.serve(app).browser()
    assert statuses(user.get("/", X_API_Key=KEY) for _ in range(5)) == [200, 200, 200, 429, 429]
    assert user.get("/").status == 200


def tenant(name):
    """One of several apps in one process, with a session of its own."""
    app = Flask(__name__)
    app.secret_key = text(f"tenant {name}", 40)
    app.config["SESSION_COOKIE_NAME"] = f"{name}_session"
    pages = Blueprint("pages", __name__, url_prefix="/pages")
    inner = Blueprint("inner", __name__, url_prefix="/inner")

    @inner.get("/<int:number>")
    def page(number):
        session["pages"] = session.get("pages", 0) + 1
        log.info("%s page %d at %s", name, number, url_for(".page", number=number))
        return {"tenant": name, "pages": session["pages"], "url": url_for("pages.inner.page", number=number)}

    pages.register_blueprint(inner)
    app.register_blueprint(pages)
    return app


def test_two_tenants_in_one_process(silence):
    silence.saw("cookie:red_session", "cookie:blue_session")
    site = silence.serve(DispatcherMiddleware(tenant("red"), {"/blue": tenant("blue")}))
    user = site.browser()
    assert user.get("/pages/inner/1").json() == {"tenant": "red", "pages": 1, "url": "/pages/inner/1"}
    assert user.get("/blue/pages/inner/2").json() == {"tenant": "blue", "pages": 1, "url": "/blue/pages/inner/2"}
    assert user.get("/pages/inner/3").json()["pages"] == 2
    pages = user.together(*[lambda p=p: user.get(p + "/pages/inner/4") for p in ("", "/blue", "", "/blue")])
    assert [page.json()["tenant"] for page in pages] == ["red", "blue", "red", "blue"]


def test_a_table_of_settings_to_edit(silence, tmp_path):
    """An admin's pages over a table whose columns are named ``key`` and ``token``."""
    app = Flask(__name__)
    app.secret_key = text("crud", 40)

    def execute(statement, *values):
        with closing(sqlite3.connect(tmp_path / "settings.db")) as connection, connection:
            return connection.execute(statement, values).fetchall()

    execute("CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT, token TEXT)")

    @app.route("/settings", methods=["GET", "POST"])
    def settings():
        if request.method == "POST":
            form = request.form
            log.info("new setting %s=%s (%s)", form["key"], form["value"], form["token"])
            execute("INSERT INTO settings VALUES (?, ?, ?)", form["key"], form["value"], form["token"])
            return redirect(url_for("edit", key=form["key"], saved="yes"))
        return {"settings": [dict(zip(("key", "value", "token"), row, strict=True)) for row in rows()]}

    def rows():
        return execute("SELECT key, value, token FROM settings ORDER BY key")

    @app.route("/settings/<key>", methods=["GET", "POST", "DELETE"])
    def edit(key):
        if request.method == "DELETE":
            execute("DELETE FROM settings WHERE key = ?", key)
            return "", 204
        if request.method == "POST":
            execute("UPDATE settings SET value = ?, token = ? WHERE key = ?", *request.form.values(), key)
        found = execute("SELECT value, token FROM settings WHERE key = ?", key)
        return render_template_string("{{ key }}: {{ found }}", key=key, found=found)

    user = silence.serve(app).browser()
    name = "dashboard.notifications.email-digest-2026"
    page = user.post("/settings", {"key": name, "value": "weekly", "token": "accent-colour-primary-500"})
    assert name in user.follow(page).text
    assert "daily" in user.post(f"/settings/{name}", {"value": "daily", "token": "accent-colour-700"}).text
    assert user.get("/settings").json()["settings"][0]["token"] == "accent-colour-700"
    assert statuses([user.delete(f"/settings/{name}"), user.delete(f"/settings/{name}")]) == [204, 204]


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
