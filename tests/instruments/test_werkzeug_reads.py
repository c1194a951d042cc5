"""Werkzeug's request data: what the app reads, and that nobody has checked it (rule 402)."""

from __future__ import annotations

import hashlib
import hmac
import json

import jwt
import pytest
from cachelib import SimpleCache
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from support.made_up import SIGNING_KEY, api_key
from support.made_up import jwt as made_up_jwt
from support.web import call
from verifier_contract import LOUD, log_to_memory
from werkzeug.datastructures import Authorization

TOKEN = made_up_jwt()


class TestWerkzeugReads(InstrumentContract):
    name = "werkzeug.reads"
    hooks = ("werkzeug.read",)
    holder = "request"
    clean = ("acquire",)
    defective = ("acquire",)
    finding = ("raw-token-logged", "error", "defect")
    test_a_version_without_a_patch_point_is_left_alone = None  # their base classes have each of them

    def subject(self, folder):
        app, log = flask_app(), log_to_memory()

        @app.get("/clean")
        def clean():
            return {"length": len(request.headers["X-API-Key"])}

        @app.get("/defect")
        def defect():
            log.warning("came with %s", request.headers.get("X-API-Key"))
            return {"length": 7}

        return Subject(app)

    def raises(self, subject):
        subject.app.config["TRAP_BAD_REQUEST_ERRORS"] = True
        subject.app.add_url_rule("/raises", "raises", lambda: request.headers[7:])
        with pytest.raises(Exception) as caught:
            self.call(subject, "/raises")
        return None, caught.value


def told(installed, function, sent="/", headers=None, **more):
    """The rules of all that is found when a view does this, notes too."""
    app = flask_app(SECRET_KEY="of the app, and of nobody else 7")
    app.add_url_rule("/", "view", function, methods=["GET", "POST"])
    app.add_url_rule("/feed/<api_key>", "feed", lambda api_key: function())
    call(app, sent, headers, **more)
    return [(found.rule, found.severity.word) for found in installed.findings]


UNCHECKED = [("unvalidated-credential", "note")]
HEADER = {"X-API-Key": KEY}
BASIC = {"Authorization": "Basic YW5uOmtub3duLXRvLWFubi1vbmx5LTQ3"}
READS = {
    "header": (lambda: request.headers["X-API-Key"], "/", HEADER, {}),
    "header get": (lambda: request.headers.get("x-api-key", "none"), "/", HEADER, {}),
    "bearer": (lambda: request.headers["Authorization"], "/", {"Authorization": f"Bearer {KEY}"}, {}),
    "basic": (lambda: request.authorization.password, "/", BASIC, {}),
    "cookie": (lambda: request.cookies["auth_token"], "/", {"Cookie": f"auth_token={KEY}"}, {}),
    "query": (lambda: request.args["api_key"], f"/?api_key={KEY}", {}, {}),
    "values": (lambda: request.values.get("api_key"), f"/?api_key={KEY}", {}, {}),
    "form": (
        lambda: request.form["api_key"],
        "/",
        {},
        {"method": "POST", "body": f"api_key={KEY}".encode(), "type": "application/x-www-form-urlencoded"},
    ),
    "json": (
        lambda: request.json["api_key"],
        "/",
        {},
        {"method": "POST", "body": json.dumps({"api_key": KEY}).encode()},
    ),
    "route": (lambda: "", f"/feed/{KEY}", {}, {}),
}
if hasattr(Authorization, "token"):  # Werkzeug before 2.3 knows Basic and Digest alone
    READS["authorization"] = (lambda: request.authorization.token, "/", {"Authorization": f"Bearer {KEY}"}, {})


@pytest.mark.parametrize("read", READS)
def test_what_is_read_and_not_checked_is_told(install_rasp, read):
    function, path, headers, more = READS[read]
    installed = install_rasp(rules=LOUD)
    assert told(installed, lambda: str(bool(function() or 1)), path, headers, **more) == UNCHECKED
    assert installed.findings[0].location.function == ("<lambda>")


@pytest.mark.parametrize("read", [name for name in READS if name not in ("route", "json")])
def test_what_is_not_read_is_not_told(install_rasp, read):
    _, path, headers, more = READS[read]
    installed = install_rasp(rules=LOUD)
    assert told(installed, lambda: request.headers.get("Accept", "any"), path, headers, **more) == []


@pytest.mark.parametrize("status", [201, 299, 302, 400, 401, 500])
def test_only_success_is_told(install_rasp, status):
    installed = install_rasp(rules=LOUD)
    found = told(installed, lambda: (request.headers["X-API-Key"][:0], status), "/", HEADER)
    assert found == (UNCHECKED if status < 300 else [])


cache = SimpleCache()
CHECKS = {
    "compared": lambda key: hmac.compare_digest(key, "other"),
    "keyed digest": lambda key: hmac.new(b"pepper", key.encode(), "sha256").hexdigest(),
    "looked up": lambda key: cache.get("t:" + hashlib.sha256(key.encode()).hexdigest()),
    "looked up raw": lambda key: cache.get(str(key)),
}


@pytest.mark.parametrize("check", CHECKS)
def test_what_is_checked_is_not_told(install_rasp, check):
    installed = install_rasp(rules=LOUD)
    cache.set("t:" + hashlib.sha256(KEY.encode()).hexdigest(), 1)
    assert told(installed, lambda: str(CHECKS[check](request.headers["X-API-Key"]))[:0], "/", HEADER) == []


def test_shown_is_not_checked(install_rasp):
    installed = install_rasp(rules=LOUD)
    log = log_to_memory()

    def view():
        log.warning("%s", request.headers["X-API-Key"])
        return "ok"

    assert told(installed, view, "/", HEADER) == [("raw-token-logged", "error"), *UNCHECKED]


def test_verified_earlier_while_live_is_checked(install_rasp):
    installed = install_rasp(rules=LOUD | {"long-lived-token": "off"})

    def view():
        if request.args:
            jwt.decode(request.headers["Authorization"][7:], SIGNING_KEY, algorithms=["HS256"])
        return request.headers["Authorization"][:0]

    app = flask_app()
    app.add_url_rule("/", "view", view)
    for path in ("/?first=1", "/"):
        call(app, path, {"Authorization": f"Bearer {TOKEN}"})
    assert installed.findings == []


def test_trusted_unchecked_is_told_by_its_own_rule_alone(install_rasp):
    installed = install_rasp(rules=LOUD)

    def view():
        return jwt.decode(request.headers["Authorization"][7:], options={"verify_signature": False})["sub"]

    assert told(installed, view, "/", {"Authorization": f"Bearer {TOKEN}"}) == [("unverified-token", "error")]


def test_a_key_that_a_known_caller_wants_kept_is_data(install_rasp):
    installed = install_rasp(rules=LOUD | {"long-lived-token": "off"})

    def view():
        jwt.decode(request.headers["Authorization"][7:], SIGNING_KEY, algorithms=["HS256"])
        return request.json["api_key"][:0]

    body = json.dumps({"api_key": KEY}).encode()
    assert told(installed, view, "/", {"Authorization": f"Bearer {TOKEN}"}, method="POST", body=body) == []


def test_the_apps_own_secret_presented_is_not_told(install_rasp):
    installed = install_rasp(rules=LOUD)
    app = flask_app(SECRET_KEY=KEY)
    app.add_url_rule("/", "view", lambda: str(request.headers["X-API-Key"] == app.secret_key))
    call(app, "/", HEADER)
    call(app, "/", HEADER)
    assert installed.findings == []


def test_a_gateway_may_have_checked_it(install_rasp):
    installed = install_rasp(rules=LOUD, verified_upstream=True)
    assert told(installed, lambda: request.headers["X-API-Key"][:0], "/", HEADER) == []


def test_it_is_told_once_for_a_view_and_a_place(install_rasp):
    installed = install_rasp(rules=LOUD)
    app = flask_app()

    @app.get("/one")
    def one():
        return request.headers["X-API-Key"][:0]

    @app.get("/two")
    def two():
        return request.headers["X-API-Key"][:0]

    for number in range(3):
        for name in ("one", "two"):
            call(app, f"/{name}", {"X-API-Key": api_key(str(number))})
    assert [(found.rule, found.count) for found in installed.findings] == [("unvalidated-credential", 1)] * 2


def test_between_tests_it_may_be_told_again(install_rasp):
    installed = install_rasp(rules=LOUD)
    app = flask_app()
    app.add_url_rule("/", "view", lambda: request.headers["X-API-Key"][:0])
    for _ in range(2):
        call(app, "/", HEADER)
        installed.runtime.ledger.clear()
    assert len(installed.findings) + len(installed.memory.recounts) >= 1
    assert installed.runtime.ledger.checks._told == {}
    assert installed.runtime.ledger.checks.reads == {}


@pytest.mark.parametrize("name", ["pbkdf2", "scrypt"])
def test_a_slow_hash_compared_in_constant_time_verifies(install_rasp, name):
    make = {
        "pbkdf2": lambda value: hashlib.pbkdf2_hmac("sha256", value.encode(), b"salt", 1),
        "scrypt": lambda value: hashlib.scrypt(value.encode(), salt=b"salt", n=2, r=1, p=1),
    }[name]
    stored = make(KEY)
    installed = install_rasp(record=True, rules=LOUD)

    def view():
        return str(hmac.compare_digest(make(request.headers["X-API-Key"]), stored))

    assert told(installed, view, "/", HEADER) == []
    assert installed.seen("hmac") == [("use", "hmac"), ("verify", "hmac")]
    assert installed.runtime.ledger.values.get(KEY).rank.name == "VERIFIED"
