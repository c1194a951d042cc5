"""Everything else that apps do all day around those who call them: rasp has nothing to say."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import logging
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from flask import (
    Blueprint,
    Flask,
    abort,
    copy_current_request_context,
    g,
    redirect,
    render_template_string,
    request,
    send_file,
    session,
    stream_with_context,
    url_for,
)
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from ordinary.sites import PATIENCE, statuses
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
