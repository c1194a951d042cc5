"""Flask-HTTPAuth and Flask-Login."""

from __future__ import annotations

import base64
import hashlib
from typing import ClassVar

import jwt
import pytest
from contract import KEY, flask_app
from flask import request, session
from flask_httpauth import HTTPBasicAuth, HTTPDigestAuth, HTTPTokenAuth, MultiAuth
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from flask_login.utils import encode_cookie
from support.made_up import jwt as made_up_jwt
from support.web import call
from verifier_contract import LOUD, VerifierContract, log_to_memory
from werkzeug.security import check_password_hash, generate_password_hash

# Flask-Login 0.6.3 itself, from Python 3.12 on.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

TOKEN = made_up_jwt()
PASSWORD = "correct-Horse-7-battery"


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class TestHTTPAuth(VerifierContract):
    name = "flask_httpauth"
    hooks = ("httpauth.basic", "httpauth.token")
    paths = (*VerifierContract.paths, "/basic")
    holder = "flask_httpauth"
    credential = KEY
    headers: ClassVar[dict[str, str]] = {"Authorization": f"Bearer {KEY}"}

    def prepare(self, app):
        app.token, app.basic = HTTPTokenAuth(), HTTPBasicAuth()
        app.answer = "ann"
        app.token.verify_token(lambda token: app.answer)
        app.basic.verify_password(lambda user, password: None)
        app.add_url_rule("/basic", "basic", app.basic.login_required(optional=True)(lambda: "ok"))

    def check(self, app, right):
        app.answer = "ann" if right else None
        return bool(app.token.authenticate(app.token.get_auth(), None))

    def raising(self, app):
        app.token.verify_token_callback = int
        return str(app.token.authenticate(app.token.get_auth(), None))


def http_app(auth):
    app = flask_app()
    app.add_url_rule("/", "view", auth.login_required(lambda: "in"))
    return app


@pytest.mark.parametrize(
    ("user", "password", "presented"), [("ann", PASSWORD, PASSWORD), (KEY, "", KEY)], ids=["password", "key as user"]
)
def test_basic_is_verified_by_what_the_callback_says(install_rasp, user, password, presented):
    installed = install_rasp(record=True, rules=LOUD)
    auth = HTTPBasicAuth()
    auth.verify_password(lambda *given: given == (user, password))
    app = http_app(auth)
    assert call(app, "/", basic(user, password)).body == b"in"
    assert call(app, "/", basic(user, "another-Horse-8-battery")).status[:3] == "401"
    assert call(app, "/").status[:3] == "401"
    assert installed.findings == []
    assert installed.seen("flask_httpauth") == [("verify", "flask_httpauth")] * 2
    assert installed.runtime.ledger.values.get(presented).rank.name == "VERIFIED"


def test_a_callback_that_hashes_tells_once(install_rasp):
    stored = generate_password_hash(PASSWORD, "pbkdf2:sha256:1")
    installed = install_rasp(record=True, rules=LOUD)
    auth = HTTPBasicAuth()
    auth.verify_password(lambda user, password: user if check_password_hash(stored, password) else None)
    assert call(http_app(auth), "/", basic("ann", PASSWORD)).body == b"in"
    assert installed.seen("flask_httpauth", "werkzeug", "hmac") == [("verify", "werkzeug")]
    assert installed.findings == []


def test_a_stored_password_is_compared(install_rasp):
    installed = install_rasp(record=True, rules=LOUD)
    auth = HTTPBasicAuth()
    auth.get_password(lambda user: PASSWORD)
    assert call(http_app(auth), "/", basic("ann", PASSWORD)).body == b"in"
    assert installed.seen("flask_httpauth", "hmac") == [("verify", "hmac")]
    assert installed.findings == []


def test_a_token_in_a_header_of_ones_own_and_with_several_schemes(install_rasp):
    installed = install_rasp(rules=LOUD)
    named, bearer = HTTPTokenAuth(header="X-API-Key"), HTTPTokenAuth()
    named.verify_token(lambda token: token == KEY)
    bearer.verify_token(lambda token: token == KEY)
    app = http_app(MultiAuth(bearer, named, HTTPBasicAuth()))
    assert call(app, "/", {"X-API-Key": KEY}).body == b"in"
    assert call(app, "/", {"Authorization": f"Bearer {KEY}"}).body == b"in"
    assert installed.findings == []


def test_digest_is_verified_by_the_comparison_in_constant_time(install_rasp):
    installed = install_rasp(record=True, rules=LOUD)
    auth = HTTPDigestAuth(realm="here")
    auth.get_password(lambda user: PASSWORD)
    auth.verify_nonce_callback = auth.verify_opaque_callback = lambda value: True
    md5 = lambda text: hashlib.md5(text.encode()).hexdigest()  # noqa: E731
    told = md5(f"{md5(f'ann:here:{PASSWORD}')}:n1:{md5('GET:/')}")
    app = http_app(auth)
    app.secret_key = KEY
    parts = f'username="ann", realm="here", nonce="n1", uri="/", response="{told}", opaque="o"'
    assert call(app, "/", {"Authorization": f"Digest {parts}"}).body == b"in"
    assert installed.seen("flask_httpauth", "hmac") == [("verify", "hmac")]
    assert installed.findings == []


def test_a_callback_that_trusts_a_token_unchecked_makes_it_no_better(install_rasp):
    installed = install_rasp()
    auth = HTTPTokenAuth()
    auth.verify_token(lambda token: jwt.decode(token, options={"verify_signature": False})["sub"])
    assert call(http_app(auth), "/", {"Authorization": f"Bearer {TOKEN}"}).body == b"in"
    assert [(rule, severity) for rule, severity, _ in installed.judged()] == [("unverified-token", "error")]


class User(UserMixin):
    def __init__(self, id):
        self.id = id


def login_app(**settings):
    app = flask_app(SECRET_KEY="of the app, and of nobody else 7", **settings)
    manager = LoginManager(app)
    manager.user_loader(User)

    @app.get("/login")
    def login():
        return str(login_user(User("ann"), remember=True))

    @app.get("/")
    @login_required
    def home():
        return {"user": current_user.id}

    return app, manager


class TestFlaskLogin(VerifierContract):
    name = "flask_login"
    hooks = ("flask_login.cookie", "flask_login.request")
    paths = (*VerifierContract.paths, "/by-key")
    holder = "flask_login"
    headers: ClassVar[dict[str, str]] = {"X-API-Key": KEY}
    credential = KEY

    def prepare(self, app):
        manager = LoginManager(app)
        manager.user_loader(User)
        app.user = User("ann")
        manager.request_loader(lambda request: app.user)
        app.add_url_rule("/by-key", "by-key", login_required(lambda: {"user": current_user.id}))

        @app.before_request
        def remembered():
            from flask_login.utils import decode_cookie

            assert decode_cookie(encode_cookie("ann")) == "ann"

    def check(self, app, right):
        app.user = User("ann") if right else None
        return current_user.is_authenticated

    def raising(self, app):
        app.login_manager.request_loader(lambda request: int(KEY))
        return current_user.id

    def test_what_is_accepted_and_refused_is_told_so(self, install_rasp, tmp_path):
        installed = install_rasp(record=True, rules=LOUD)
        with self.built(tmp_path) as subject:
            assert self.call(subject, "/clean").body == b'{"checked":true}\n'
            assert self.call(subject, "/refused").body == b'{"checked":false}\n'
        assert installed.findings == []
        assert installed.seen("flask_login") == [("verify", "flask_login")]


def cookies_of(answer):
    """What a browser sends next."""
    pairs = [value.partition(";")[0] for name, value in answer.headers if name.lower() == "set-cookie"]
    return {"Cookie": "; ".join(pairs)}


def test_remember_me_is_verified_by_its_cookie_alone(install_rasp):
    app, _ = login_app()
    sent = cookies_of(call(app, "/login"))["Cookie"]
    remembered = next(part for part in sent.split("; ") if part.startswith("remember_token"))
    installed = install_rasp(record=True, rules=LOUD)
    assert call(app, "/", {"Cookie": remembered}).body == b'{"user":"ann"}\n'
    assert installed.seen("flask_login", "hmac") == [("verify", "flask_login")]
    assert installed.findings == []


def test_a_forged_remember_me_is_refused_and_tried(install_rasp):
    app, _ = login_app()
    installed = install_rasp(record=True, rules=LOUD)
    forged = "remember_token=root|" + "0123456789abcdef" * 8
    assert call(app, "/", {"Cookie": forged}).status[:3] == "401"
    assert installed.seen("flask_login", "hmac") == [("verify", "flask_login")]
    assert installed.findings == []


def test_a_whole_visit_with_session_and_remember_me_is_clean(install_rasp):
    installed = install_rasp(record=True, rules=LOUD)
    app, _ = login_app(REMEMBER_COOKIE_REFRESH_EACH_REQUEST=True, SESSION_PROTECTION="strong")
    jar = dict(pair.split("=", 1) for pair in cookies_of(call(app, "/login"))["Cookie"].split("; "))
    for _ in range(3):
        answer = call(app, "/", {"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())})
        assert answer.body == b'{"user":"ann"}\n'
        jar |= dict(pair.split("=", 1) for pair in cookies_of(answer)["Cookie"].split("; ") if pair)
    assert installed.findings == []
    assert installed.guard.failures == {}


def test_a_request_loader_with_several_credentials_says_nothing_of_either(install_rasp):
    installed = install_rasp(record=True)
    app, manager = login_app()
    manager.request_loader(lambda request: User("ann"))
    headers: ClassVar[dict[str, str]] = {"X-API-Key": KEY, "Authorization": f"Bearer {TOKEN}"}
    assert call(app, "/", headers).body == b'{"user":"ann"}\n'
    assert installed.seen("flask_login") == []


def test_a_request_loader_that_trusts_a_token_unchecked_makes_it_no_better(install_rasp):
    installed = install_rasp()
    app, manager = login_app()

    def load(request):
        token = request.headers["Authorization"].removeprefix("Bearer ")
        return User(jwt.decode(token, options={"verify_signature": False})["sub"])

    manager.request_loader(load)
    assert call(app, "/", {"Authorization": f"Bearer {TOKEN}"}).body == b'{"user":"caller"}\n'
    assert [(rule, severity) for rule, severity, _ in installed.judged()] == [("unverified-token", "error")]


def test_an_anonymous_visitor_with_a_session_is_clean(install_rasp):
    installed = install_rasp(rules=LOUD)
    app, _ = login_app()
    log = log_to_memory()

    @app.get("/public")
    def public():
        session["seen"] = session.get("seen", 0) + 1
        log.info("%s from %s", session["seen"], request.remote_addr)
        return "hello"

    sent = cookies_of(call(app, "/public"))
    assert call(app, "/public", sent).body == b"hello"
    assert installed.findings == []
