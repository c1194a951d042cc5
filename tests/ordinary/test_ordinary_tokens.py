"""APIs that take, make and check tokens and keys as they should: rasp has nothing to say."""

from __future__ import annotations

import hashlib
import logging
import secrets
import sqlite3
from contextlib import closing

import jwt
import pytest
import sqlalchemy as sa
from cachelib import SimpleCache
from flask import Flask, abort, g, jsonify, render_template_string, request, session
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt,
    get_jwt_identity,
    jwt_required,
    set_access_cookies,
    set_refresh_cookies,
    unset_jwt_cookies,
)
from ordinary.sites import statuses
from support.made_up import api_key, text

log = logging.getLogger("api")


def digest(key):
    return hashlib.sha256(key.encode()).hexdigest()


def jwt_app(**settings):
    """Flask-JWT-Extended, with a list of what was logged out."""
    app = Flask(__name__)
    app.config.update(settings, JWT_SECRET_KEY=text("jwt extended", 40))
    manager = JWTManager(app)
    revoked = set()
    manager.token_in_blocklist_loader(lambda header, claims: claims["jti"] in revoked)

    @app.post("/login")
    def login():
        access, refresh = create_access_token("ann", fresh=True), create_refresh_token("ann")
        log.info("ann has logged in")
        if "headers" in settings["JWT_TOKEN_LOCATION"]:
            return {"access_token": access, "refresh_token": refresh}
        response = jsonify(ok=True)
        set_access_cookies(response, access)
        set_refresh_cookies(response, refresh)
        return response

    @app.post("/refresh")
    @jwt_required(refresh=True)
    def refresh():
        access = create_access_token(get_jwt_identity(), fresh=False)
        if "headers" in settings["JWT_TOKEN_LOCATION"]:
            return {"access_token": access}
        response = jsonify(ok=True)
        set_access_cookies(response, access)
        return response

    @app.route("/me", methods=["GET", "POST"])
    @jwt_required()
    def me():
        log.info("claims %s of %s", sorted(get_jwt()), get_jwt_identity())
        return {"me": get_jwt_identity(), "exp": get_jwt()["exp"]}

    @app.post("/logout")
    @jwt_required(verify_type=False)
    def logout():
        revoked.add(get_jwt()["jti"])
        response = jsonify(ok=True)
        unset_jwt_cookies(response)
        return response

    return app


def test_flask_jwt_extended_in_headers(silence):
    silence.saw("header:authorization")
    user = silence.serve(jwt_app(JWT_TOKEN_LOCATION=["headers"])).browser()
    made = user.post("/login").json()
    bearer = {"Authorization": f"Bearer {made['access_token']}"}
    assert user.get("/me", **bearer).json()["me"] == "ann"
    again = user.post("/refresh", Authorization=f"Bearer {made['refresh_token']}").json()["access_token"]
    assert user.get("/me", Authorization=f"Bearer {again}").status == 200
    assert user.get("/me", Authorization=f"Bearer {made['refresh_token']}").status == 422
    assert user.post("/logout", **bearer).status == 200
    assert statuses([user.post("/logout", **bearer), user.get("/me", **bearer), user.get("/me")]) == [401, 401, 401]
    assert user.get("/me", Authorization="Bearer not-a-token").status == 422


def test_flask_jwt_extended_in_cookies_with_csrf(silence):
    silence.saw("cookie:[masked]")  # both names are long enough to be masked
    user = silence.serve(jwt_app(JWT_TOKEN_LOCATION=["cookies"], JWT_COOKIE_SECURE=False)).browser()
    user.post("/login")
    assert user.get("/me").json()["me"] == "ann"
    assert user.post("/me").status == 401
    assert user.post("/me", X_CSRF_TOKEN=user.cookies["csrf_access_token"]).status == 200
    assert user.post("/refresh", X_CSRF_TOKEN=user.cookies["csrf_refresh_token"]).status == 200
    assert user.post("/me", X_CSRF_TOKEN=user.cookies["csrf_access_token"]).status == 200
    assert user.post("/logout", X_CSRF_TOKEN=user.cookies["csrf_access_token"]).status == 200
    assert "access_token_cookie" not in user.cookies
    assert user.post("/logout").status == 401


def keys_app(file):
    """Keys kept as digests in SQLite; an admin makes them and sees each once, their owners exchange them."""
    app = Flask(__name__)
    app.secret_key = text("keys", 40)
    cache = SimpleCache()

    def execute(statement, *values):
        with closing(sqlite3.connect(file)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    execute("CREATE TABLE keys (hash TEXT PRIMARY KEY, owner TEXT, uses INTEGER DEFAULT 0)")

    def owner_of(key):
        """The owner by the key's digest; unknown keys are remembered for a while."""
        name = digest(key)
        if cache.get("unknown:" + name):
            return None
        rows = execute("SELECT owner FROM keys WHERE hash = ?", name)
        if not rows:
            cache.set("unknown:" + name, True, timeout=30)
            return None
        execute("UPDATE keys SET uses = uses + 1 WHERE hash = ?", name)
        return rows[0][0]

    @app.before_request
    def authenticate():
        if request.path.startswith("/api/"):
            g.api_key = request.headers.get("X-API-Key", "")
            g.owner = owner_of(g.api_key)
            if g.owner is None:
                log.warning("refused %s from %s", digest(g.api_key)[:8], request.remote_addr)
                abort(401)

    @app.teardown_request
    def forget(error):
        g.pop("api_key", None)

    @app.post("/admin/keys")
    def create():
        key = "rk_" + secrets.token_urlsafe(32)
        execute("INSERT INTO keys (hash, owner) VALUES (?, ?)", digest(key), request.form["owner"])
        cache.delete("unknown:" + digest(key))
        log.info("made key %s... for %s", key[:6], request.form["owner"])
        return render_template_string("<p>Your new key, shown once: <code>{{ key }}</code></p>", key=key)

    @app.get("/admin/keys")
    def overview():
        rows = execute("SELECT hash, owner, uses FROM keys")
        return {"keys": [{"id": row[0][:8], "owner": row[1], "uses": row[2]} for row in rows]}

    @app.get("/api/data")
    def data():
        return {"owner": g.owner}

    @app.post("/api/rotate")
    def rotate():
        key = "rk_" + secrets.token_urlsafe(32)
        execute("UPDATE keys SET hash = ? WHERE hash = ?", digest(key), digest(g.api_key))
        return {"api_key": key, "owner": g.owner}

    @app.errorhandler(401)
    def refused(error):
        return {"error": "unknown key"}, 401

    return app


def test_keys_that_are_made_shown_once_and_rotated(silence, tmp_path):
    silence.saw("header:x-api-key")
    user = silence.serve(keys_app(tmp_path / "keys.db")).browser()
    key = user.post("/admin/keys", {"owner": "ann"}).text.partition("<code>")[2].partition("<")[0]
    assert user.get("/api/data", X_API_Key=key).json() == {"owner": "ann"}
    new = user.post("/api/rotate", X_API_Key=key).json()["api_key"]
    assert statuses(user.get("/api/data", X_API_Key=each) for each in (new, key, key, new)) == [200, 401, 401, 200]
    assert user.get("/admin/keys").json()["keys"][0]["uses"] == 4
    assert statuses(user.together(*[lambda: user.get("/api/data", X_API_Key=new)] * 4)) == [200] * 4


def lookup_app(connect):
    """Keys looked up as they are: ``WHERE key = ?``."""
    app = Flask(__name__)

    @app.get("/data")
    def data():
        with connect() as execute:
            key = request.headers["X-API-Key"]
            rows = execute("SELECT owner FROM api_keys WHERE key = :key AND active = 1", {"key": key})
            if not rows:
                return {"error": "unknown"}, 401
            execute("UPDATE api_keys SET uses = uses + 1 WHERE key = :key", {"key": key})
            log.info("data for %s", rows[0][0])
            return {"owner": rows[0][0]}

    @app.delete("/key")
    def delete():
        with connect() as execute:
            execute("DELETE FROM api_keys WHERE key = :key", {"key": request.headers["X-API-Key"]})
        return "", 204

    return app


TABLE = "CREATE TABLE api_keys (key TEXT, owner TEXT, active INTEGER, uses INTEGER)"
ROW = "INSERT INTO api_keys VALUES (:key, :owner, 1, 0)"


class Plain:
    """sqlite3 by itself."""

    def __init__(self, file):
        self.file = file

    def __call__(self):
        self.connection = sqlite3.connect(self.file, check_same_thread=False)
        return self

    def __enter__(self):
        return lambda statement, values: self.connection.execute(statement, values).fetchall()

    def __exit__(self, *error):
        self.connection.commit()
        self.connection.close()


class Alchemy:
    """SQLAlchemy over sqlite3, each statement logged without its values."""

    def __init__(self, file):
        self.engine = sa.create_engine(f"sqlite:///{file}", poolclass=sa.NullPool, echo=True, hide_parameters=True)

    def __call__(self):
        self.begun = self.engine.begin()
        return self

    def __enter__(self):
        connection = self.begun.__enter__()

        def execute(statement, values):
            found = connection.execute(sa.text(statement), values)
            return found.all() if found.returns_rows else []

        return execute

    def __exit__(self, *error):
        self.begun.__exit__(*error)


@pytest.mark.parametrize("database", [Plain, Alchemy])
def test_keys_looked_up_by_their_value(silence, tmp_path, database):
    silence.saw("header:x-api-key")
    connect = database(tmp_path / "keys.db")
    with connect() as execute:
        execute(TABLE, {})
        execute(ROW, {"key": api_key("stored"), "owner": "ann"})
    user = silence.serve(lookup_app(connect)).browser()
    user.headers["X-API-Key"] = api_key("stored")
    assert user.get("/data").json() == {"owner": "ann"}
    assert user.get("/data", X_API_Key=api_key("unknown")).status == 401
    assert statuses([user.delete("/key"), user.delete("/key"), user.get("/data")]) == [204, 204, 401]


def test_a_session_that_is_cached_under_its_digest(silence):
    """Claims cached under the token's digest, dropped at logout: once, twice, and by two tabs at once."""
    app = Flask(__name__)
    cache = SimpleCache()
    key = text("cached", 40)

    @app.before_request
    def load():
        token = request.headers["Authorization"].removeprefix("Bearer ")
        g.name = "claims:" + digest(token)
        g.claims = cache.get(g.name)
        if g.claims is None:
            g.claims = jwt.decode(token, key, algorithms=["HS256"])
            cache.set(g.name, g.claims, timeout=60)

    @app.get("/")
    def home():
        return {"sub": g.claims["sub"]}

    @app.post("/logout")
    def logout():
        cache.delete(g.name)
        return "", 204

    silence.saw("header:authorization")
    user = silence.serve(app).browser()
    token = jwt.encode({"sub": "ann", "exp": 4102444800}, key)
    user.headers["Authorization"] = f"Bearer {token}"
    assert statuses(user.together(*[lambda: user.get("/")] * 6)) == [200] * 6
    assert statuses([user.post("/logout"), user.post("/logout"), user.get("/")]) == [204, 204, 200]
    pages = user.together(lambda: user.get("/"), lambda: user.post("/logout"))
    assert statuses(pages) == [200, 204]


def test_many_requests_of_a_single_page_app(silence):
    """One session cookie and one token in twelve requests at once, from two browsers."""
    app = Flask(__name__)
    app.secret_key = text("spa", 40)
    key = text("spa tokens", 40)

    @app.post("/login")
    def login():
        session["user"] = request.form["name"]
        claims = {"sub": session["user"], "exp": 4102444800, "jti": secrets.token_hex(16)}
        return {"access_token": jwt.encode(claims, key)}

    @app.get("/api/<part>")
    def api(part):
        token = request.headers["Authorization"].removeprefix("Bearer ")
        g.user = jwt.decode(token, key, algorithms=["HS256"])["sub"]
        if part == "touch":
            session["touched"] = True
        log.info("%s reads %s", g.user, part)
        return {"part": part, "user": g.user, "same": g.user == session["user"]}

    silence.saw("cookie:session", "header:authorization")
    site = silence.serve(app)
    browsers = [site.browser(), site.browser()]
    for browser, name in zip(browsers, ("ann", "bob"), strict=True):
        made = browser.post("/login", {"name": name}).json()["access_token"]
        browser.headers["Authorization"] = f"Bearer {made}"
    parts = ("menu", "news", "touch", "mail", "files", "people")
    calls = [lambda b=browser, p=part: b.get(f"/api/{p}") for part in parts for browser in browsers]
    pages = browsers[0].together(*calls)
    assert [page.json()["user"] for page in pages] == ["ann", "bob"] * 6
    assert all(page.json()["same"] for page in pages)
