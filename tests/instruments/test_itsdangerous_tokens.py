"""itsdangerous, and Flask's session that is signed with it."""

from __future__ import annotations

import io
import itertools
import logging

import pytest
from contract import InstrumentContract, Subject, flask_app
from flask import Flask, request, session
from itsdangerous import BadSignature, Signer, TimestampSigner, URLSafeSerializer, URLSafeTimedSerializer
from support.made_up import text
from support.web import call
from verifier_contract import LOUD, VerifierContract, log_to_memory

SECRET = text("itsdangerous", 40)
OLDER = text("older", 40)
NUMBERS = itertools.count()
TOKEN = URLSafeTimedSerializer(SECRET, salt="reset").dumps({"user": 7})


def loads(token, secret=SECRET, **options):
    try:
        return bool(URLSafeTimedSerializer(secret, salt="reset").loads(token, **options))
    except BadSignature:
        return False


class TestItsdangerous(VerifierContract):
    name = "itsdangerous"
    hooks = ("itsdangerous.unsign", "itsdangerous.sign")
    paths = (*VerifierContract.paths, "/sign")
    holder = "itsdangerous"
    credential = TOKEN
    query = f"?token={TOKEN}"

    def prepare(self, app):
        app.add_url_rule("/sign", "sign", lambda: Signer(text(f"key {next(NUMBERS)}", 40)).sign("made here")[:9])

    def check(self, app, right):
        return loads(request.args["token"], SECRET if right else OLDER)

    def raising(self, app):
        return URLSafeTimedSerializer(OLDER, salt="reset").loads(request.args["token"])


COOKIE = "session"


def signed_in(app):
    """The session cookie of somebody who has signed in."""
    answer = call(app, "/login")
    cookie = next(value for name, value in answer.headers if name.lower() == "set-cookie")
    return cookie.partition("=")[2].partition(";")[0]


class TestFlaskSession(InstrumentContract):
    name = "flask.sessions"
    hooks = ("flask.session",)
    holder = "itsdangerous"
    clean = ("verify",)
    defective = ("verify",)
    finding = ("raw-token-logged", "error", "defect")
    test_a_version_without_a_patch_point_is_left_alone = None  # the base class demands one

    def call(self, subject, path):
        return call(subject.app, path, {"Cookie": f"{COOKIE}={subject.app.cookie}"})

    def subject(self, folder):
        app, log = flask_app(SECRET_KEY=SECRET), log_to_memory()
        serializer = app.session_interface.get_signing_serializer(app)
        app.cookie = serializer.dumps({"user": "ann"})

        @app.get("/clean")
        def clean():
            return {"user": session["user"]}

        @app.get("/defect")
        def defect():
            log.warning("cookie %s", request.cookies[COOKIE])
            return {"user": session["user"]}

        return Subject(app)

    def raises(self, subject):
        error = LookupError("no such user")

        def load():
            raise error

        subject.app.add_url_rule("/raises", "raises", load)
        with pytest.raises(LookupError) as caught:
            self.call(subject, "/raises")
        return error, caught.value


def session_app(**settings):
    app = flask_app(SECRET_KEY=SECRET, **settings)
    app.add_url_rule("/login", "login", lambda: str(session.setdefault("user", "ann")))
    app.add_url_rule("/", "home", lambda: {"user": session.get("user")})
    return app


def test_a_session_cookie_is_verified_at_its_first_request(install_rasp):
    app = session_app()
    cookie = signed_in(app)
    installed = install_rasp(record=True, rules=LOUD)
    assert call(app, "/", {"Cookie": f"{COOKIE}={cookie}"}).body == b'{"user":"ann"}\n'
    assert installed.seen("itsdangerous") == [("verify", "itsdangerous")]
    assert installed.findings == []
    assert installed.runtime.ledger.values.get(cookie).rank.name == "VERIFIED"


@pytest.mark.parametrize("cookie", ["", "x", "a.b.c", "…ü", "a" * 8192, ".*(", "\x00\x01", TOKEN], ids=range(8))
def test_a_cookie_that_is_none_of_the_apps_is_refused_as_ever(install_rasp, cookie):
    installed = install_rasp(rules=LOUD)
    assert call(session_app(), "/", {"Cookie": f"{COOKIE}={cookie}"}).body == b'{"user":null}\n'
    assert [found.rule for found in installed.findings if found.rule != "weak-credential"] == []
    assert installed.guard.failures == {}


@pytest.mark.skipif("SECRET_KEY_FALLBACKS" not in Flask.default_config, reason="this Flask rotates no keys")
def test_a_rotated_key_verifies_and_both_keys_are_secrets(install_rasp):
    cookie = signed_in(session_app())
    installed = install_rasp(record=True, rules=LOUD)
    app = session_app(SECRET_KEY_FALLBACKS=[SECRET])
    app.secret_key = OLDER
    assert call(app, "/", {"Cookie": f"{COOKIE}={cookie}"}).body == b'{"user":"ann"}\n'
    assert installed.seen("itsdangerous", "hmac") == [("verify", "itsdangerous")]
    values = installed.runtime.ledger.values
    assert [values.get(secret).kind.value for secret in (SECRET, OLDER)] == ["service", "service"]
    assert installed.findings == []


def test_an_app_without_a_secret_key_has_no_session_to_verify(install_rasp):
    installed = install_rasp(record=True, rules=LOUD)
    app = flask_app()
    app.add_url_rule("/", "home", lambda: "public")
    assert call(app, "/", {"Cookie": f"{COOKIE}={TOKEN}"}).body == b"public"
    assert installed.seen("itsdangerous") == []
    assert installed.findings == []


@pytest.mark.parametrize("place", ["query", "route"])
def test_a_link_that_confirms_an_address_counts_once_it_is_verified(install_rasp, place):
    installed = install_rasp()
    app, log = flask_app(), log_to_memory()

    @app.get("/confirm")
    @app.get("/confirm/<token>")
    def confirm(token=None):
        token = token or request.args["token"]
        log.info("before %s", token)
        if not loads(token, max_age=10**9):
            return "no", 400
        log.info("after %s", token)
        return "yes"

    path = f"/confirm?token={TOKEN}" if place == "query" else f"/confirm/{TOKEN}"
    assert call(app, path).body == b"yes"
    assert installed.judged() == [("raw-token-logged", "error", "confirm")]
    assert [found.location.line - confirm.__code__.co_firstlineno for found in installed.findings] == [7]


def test_a_forged_link_counts_for_nothing(install_rasp):
    installed = install_rasp(rules=LOUD)
    app, log = flask_app(), log_to_memory()

    @app.get("/confirm")
    def confirm():
        log.info("link %s", request.args["token"])
        return str(loads(request.args["token"]))

    assert call(app, f"/confirm?token={TOKEN[:-4]}AAAA").body == b"False"
    assert installed.findings == []


def test_what_the_app_signs_and_unsigns_for_itself_is_not_collected(install_rasp):
    installed = install_rasp(record=True)
    app = flask_app()

    @app.get("/")
    def view():
        signed = TimestampSigner(SECRET).sign("page-7")
        TimestampSigner(SECRET).unsign(signed, max_age=10**9)
        return URLSafeSerializer(SECRET).loads(URLSafeSerializer(SECRET).dumps("next"))

    assert call(app, "/").body == b"next"
    assert installed.seen("itsdangerous", "hmac") == []
    assert len(installed.runtime.ledger.values) == 1, "the key is the only thing that is followed"


def test_a_signers_key_in_a_log_is_found(install_rasp):
    installed = install_rasp()
    app, log = flask_app(), logging.Logger("keys")
    log.addHandler(logging.StreamHandler(io.StringIO()))

    @app.get("/")
    def view():
        signer = Signer([OLDER, SECRET])
        log.warning("signed %s", signer.sign("page").decode())
        log.warning("with %s", OLDER)
        return "ok"

    call(app, "/")
    assert [found.credential.kind.value for found in installed.findings] == ["service"]
