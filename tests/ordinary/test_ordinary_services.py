"""Services that call services, for their callers and for themselves: rasp has nothing to say."""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading

import jwt
import requests
from cachelib import SimpleCache
from flask import Flask, abort, g, request
from ordinary.sites import statuses
from support.made_up import text

log = logging.getLogger("services")
KEY = text("services signing", 40)


def digest(value):
    return hashlib.sha256(value.encode()).hexdigest()


def bearer(user, **claims):
    return "Bearer " + jwt.encode({"sub": user, "exp": 4102444800, "jti": text(user, 32), **claims}, KEY)


def caller():
    """Who calls, by a token that is verified."""
    try:
        return jwt.decode(request.headers["Authorization"][7:], KEY, algorithms=["HS256"])["sub"]
    except jwt.InvalidTokenError:
        abort(401)


def test_a_token_of_the_service_itself_serves_all_callers(silence):
    """Got with the service's own secret while one caller waited, kept in a variable, and sent for everybody."""
    made = []

    def answer(method, target, headers, body):
        if target == "/token":
            made.append(secrets.token_urlsafe(32))
            return 200, {"access_token": made[-1], "token_type": "Bearer", "expires_in": 300}
        return (200, {"stock": 3}) if headers["Authorization"] == f"Bearer {made[-1]}" else (401, {"error": "expired"})

    store = silence.elsewhere(answer)
    app = Flask(__name__)
    app.config["CLIENT_SECRET"] = text("client", 40)
    held, lock = {}, threading.Lock()

    def token(*, anew=False):
        with lock:
            if anew or "token" not in held:
                data = {"grant_type": "client_credentials", "client_secret": app.config["CLIENT_SECRET"]}
                held["token"] = requests.post(store.url + "/token", data=data, timeout=20).json()["access_token"]
            return held["token"]

    @app.get("/stock")
    def stock():
        user = caller()
        for anew in (False, True):
            sent = {"Authorization": f"Bearer {token(anew=anew)}"}
            found = requests.get(store.url + "/stock", headers=sent, timeout=20)
            if found.status_code == 200:
                break
        log.info("%s asked for the stock: %s", user, found.json())
        return found.json()

    silence.saw("header:authorization")
    site = silence.serve(app)
    users = [site.browser() for _ in range(4)]
    for number, user in enumerate(users):
        user.headers["Authorization"] = bearer(f"user {number}")
    assert statuses(user.get("/stock") for user in users) == [200] * 4
    held["token"] = "expired-" + secrets.token_urlsafe(24)
    assert statuses(users[0].together(*[lambda u=user: u.get("/stock") for user in users])) == [200] * 4


def test_a_token_that_is_exchanged_for_another(silence):
    """Each caller's token is exchanged for one of the inner service's (RFC 8693), which is kept under its digest."""
    inner_tokens = {}

    def answer(method, target, headers, body):
        if target == "/exchange":
            made = secrets.token_urlsafe(32)
            inner_tokens[made] = digest(headers["Authorization"][7:])
            return 200, {"access_token": made, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}
        return 200, {"for": inner_tokens[headers["Authorization"][7:]][:12]}

    inner = silence.elsewhere(answer)
    app = Flask(__name__)
    cache = SimpleCache()

    @app.get("/orders")
    def orders():
        caller()
        sent = request.headers["Authorization"]
        name = "inner:" + digest(sent[7:])
        token = cache.get(name)
        if token is None:
            found = requests.post(inner.url + "/exchange", headers={"Authorization": sent}, timeout=20)
            token = found.json()["access_token"]
            cache.set(name, token, timeout=300)
        return requests.get(inner.url + "/orders", headers={"Authorization": f"Bearer {token}"}, timeout=20).json()

    silence.saw("header:authorization")
    site = silence.serve(app)
    for name in ("ann", "bob"):
        user = site.browser()
        user.headers["Authorization"] = bearer(name)
        for _ in range(3):
            assert user.get("/orders").json() == {"for": digest(bearer(name)[7:])[:12]}


def test_a_gateway_and_its_service_in_one_process(silence):
    """Both are ours, and both verify the caller's token."""
    inner, front = Flask("inner"), Flask(__name__)

    @inner.get("/profile")
    def profile():
        g.user = caller()
        return {"user": g.user}

    inner_site = silence.serve(inner)

    @front.get("/me")
    def me():
        g.token = request.headers["Authorization"]
        user = caller()
        found = requests.get(inner_site.url + "/profile", headers={"Authorization": g.token}, timeout=20)
        log.info("profile of %s: %s", user, found.json())
        return found.json()

    @front.teardown_request
    def forget(error):
        g.pop("token", None)

    silence.saw("header:authorization")
    site = silence.serve(front)
    users = [site.browser() for _ in range(3)]
    for number, user in enumerate(users):
        user.headers["Authorization"] = bearer(f"user {number}")
    pages = users[0].together(*[lambda u=user: u.get("/me") for user in users * 2])
    assert [page.json()["user"] for page in pages] == ["user 0", "user 1", "user 2"] * 2


def test_an_admin_who_ends_somebody_elses_session(silence):
    """By the id of a session, by its token in a form, and by the user's name; each of them twice."""
    app = Flask(__name__)
    cache, ended = SimpleCache(), set()

    @app.before_request
    def load():
        g.user = caller()
        token = request.headers["Authorization"][7:]
        g.name = "session:" + digest(token)
        if g.name in ended:
            abort(401)
        if cache.get(g.name) is None:
            cache.set(g.name, g.user)

    @app.get("/")
    def home():
        return {"user": g.user, "session": g.name.partition(":")[2][:12]}

    @app.post("/admin/end")
    def end():
        if g.user != "admin":
            abort(403)
        name = "session:" + digest(request.form["token"])
        ended.add(name)
        cache.delete(name)
        log.info("%s ended session %s", g.user, name[:20])
        return "", 204

    silence.saw("header:authorization")
    site = silence.serve(app)
    admin, ann = site.browser(), site.browser()
    admin.headers["Authorization"], ann.headers["Authorization"] = bearer("admin"), bearer("ann")
    assert ann.get("/").json()["user"] == "ann"
    assert ann.post("/admin/end", {"token": bearer("ann")[7:]}).status == 403
    for _ in range(2):
        assert admin.post("/admin/end", {"token": bearer("ann")[7:]}).status == 204
    assert statuses([ann.get("/"), admin.get("/")]) == [401, 200]


def test_one_session_a_user(silence):
    """A login decodes the token of the user's last session, to end it."""
    app = Flask(__name__)
    sessions, ended = {}, set()

    @app.post("/login")
    def login():
        user = request.form["name"]
        if user in sessions:
            ended.add(jwt.decode(sessions[user], KEY, algorithms=["HS256"])["jti"])
        claims = {"sub": user, "exp": 4102444800, "jti": secrets.token_hex(16)}
        sessions[user] = jwt.encode(claims, KEY)
        return {"access_token": sessions[user]}

    @app.get("/me")
    def me():
        claims = jwt.decode(request.headers["Authorization"][7:], KEY, algorithms=["HS256"])
        if claims["jti"] in ended:
            abort(401)
        return {"me": claims["sub"]}

    silence.saw("header:authorization")
    user = silence.serve(app).browser()
    tokens = []
    for _ in range(3):
        tokens.append(user.post("/login", {"name": "ann"}).json()["access_token"])
        assert user.get("/me", Authorization=f"Bearer {tokens[-1]}").json() == {"me": "ann"}
    assert statuses(user.get("/me", Authorization=f"Bearer {token}") for token in tokens) == [401, 401, 200]
