"""How long a JWT is valid (rule 404), at issue and when it is verified for the first time."""

from __future__ import annotations

import base64
import json

import jwt
import pytest
from flask import Flask, request
from support.made_up import SIGNING_KEY
from support.web import call

import rasp
from rasp.ledger.checks import BOUND

DAY = 86_400
NOW = 1_800_000_000
LIMIT = 30 * DAY
FAR = NOW + 3_000_000_000


def clocked(installed):
    """A runtime whose time stands still."""
    installed.runtime.ledger.checks._clock = lambda: float(NOW)
    return installed


def told(installed, function, token=None):
    """(message, place) of the notes on lifetimes of one request."""
    app = Flask("lifetimes")
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.add_url_rule("/", "view", function)
    call(app, "/", {"Authorization": f"Bearer {token}"} if token else {})
    return [
        (found.message, found.location.function) for found in installed.findings if found.rule == "long-lived-token"
    ]


UNLIMITED, LONG = "token without an expiry", "token valid for longer than the limit"
CLAIMS = {
    "a day": ({"iat": NOW, "exp": NOW + DAY}, None),
    "the limit": ({"iat": NOW, "exp": NOW + LIMIT}, None),
    "a second more": ({"iat": NOW, "exp": NOW + LIMIT + 1}, LONG),
    "none": ({"iat": NOW}, UNLIMITED),
    "null": ({"exp": None}, UNLIMITED),
    "without iat": ({"exp": NOW + LIMIT + 1}, LONG),
    "without iat, a day": ({"exp": NOW + DAY}, None),
    "expired long ago": ({"iat": NOW - DAY, "exp": NOW - 1}, None),
    "fractions": ({"iat": NOW + 0.5, "exp": NOW + LIMIT + 0.25}, None),
    "no number": ({"exp": "tomorrow"}, None),
    "truth": ({"exp": True}, None),
    "issued later": ({"iat": NOW + LIMIT, "exp": NOW + LIMIT + DAY}, None),
}


def made(claims, header=None):
    return jwt.PyJWS().encode(json.dumps(claims).encode(), SIGNING_KEY, "HS256", header)


@pytest.mark.parametrize("name", CLAIMS)
def test_what_is_made_is_judged_by_its_claims(observe, name):
    claims, message = CLAIMS[name]

    def view():
        return made(claims)[:0]

    assert told(clocked(observe), view) == ([] if message is None else [(message, "made")])


def verified():
    return str(jwt.decode(request.headers["Authorization"][7:], SIGNING_KEY, algorithms=["HS256"]))[:0]


@pytest.mark.parametrize(("claims", "message"), [({"sub": "a"}, UNLIMITED), ({"iat": 1, "exp": 4102444800}, LONG)])
def test_what_is_verified_is_judged_at_its_first_time(observe, claims, message):
    token = jwt.encode(claims, SIGNING_KEY)
    assert told(observe, verified, token) == [(message, "verified")]
    assert told(observe, verified, token) == [(message, "verified")]


def test_what_does_not_verify_is_not_judged(observe):
    def refused():
        try:
            jwt.decode(request.headers["Authorization"][7:], "another key that is quite long enough", ["HS256"])
        except jwt.InvalidTokenError:
            return "no", 401

    assert told(observe, refused, jwt.encode({"sub": "a"}, SIGNING_KEY)) == []


@pytest.mark.parametrize("type", ["dpop+jwt", "secevent+jwt", "logout+jwt", "application/dpop+jwt"])
def test_proofs_and_events_have_no_expiry_by_design(observe, type):
    assert told(observe, lambda: made({"iat": NOW}, {"typ": type})[:0]) == []


@pytest.mark.parametrize("type", ["JWT", "at+jwt", None, 7])
def test_other_types_are_judged(observe, type):
    token = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": type}).encode()).rstrip(b"=").decode()
    whole = f"{token}.{base64.urlsafe_b64encode(b'{}').rstrip(b'=').decode()}.c2ln"
    view = issuing(whole)
    assert [message for message, _ in told(observe, view)] == ([UNLIMITED] if type != 7 else [])


def issuing(token):
    """A view that names a token in its response."""
    return lambda: {"access_token": token}


@pytest.mark.parametrize("payload", [b"[1, 2]", b"null", b"no json", b"\xff\xfe", b'"text"', b"{" * 3000])
def test_what_is_no_set_of_claims_is_no_jwt(observe, payload):
    assert told(observe, lambda: jwt.PyJWS().encode(payload, SIGNING_KEY)[:0]) == []
    assert observe.guard.failures == {}


def test_the_limit_is_a_setting(install_rasp):
    installed = clocked(install_rasp(token_lifetime=600))
    assert told(installed, lambda: made({"iat": NOW, "exp": NOW + 600})[:0]) == []
    assert [message for message, _ in told(installed, lambda: made({"iat": NOW, "exp": NOW + 601})[:0])] == [LONG]


def test_many_tokens_of_one_view_are_told_once_and_the_table_is_bounded(observe):
    app = Flask("many")
    app.add_url_rule("/", "view", lambda: made({"sub": "a"})[:0])
    for _ in range(5):
        call(app, "/")
    assert [(found.rule, found.count) for found in observe.findings] == [("long-lived-token", 1)]
    checks = observe.runtime.ledger.checks
    checks._told.update(((number, "", ""), None) for number in range(BOUND))
    other = Flask("other")
    other.add_url_rule("/", "view", lambda: jwt.encode({"sub": "b"}, SIGNING_KEY)[:0])
    call(other, "/")
    assert len(checks._told) <= BOUND


def test_an_allowed_one_is_not_told(observe):
    def view():
        with rasp.allow("long-lived-token", reason="a device"):
            return made({"sub": "a"})[:0]

    assert told(observe, view) == []


def test_reads_of_requests_that_never_end_are_bounded(observe):
    from rasp.ledger.scopes import RequestScope

    ledger = observe.runtime.ledger
    live = ledger.values.enter("a-value-that-is-20-long-1", next(iter(rasp.model.Kind)), "header:x-api-key")
    scopes = []
    for _ in range(BOUND + 10):
        scope = RequestScope("GET", {})
        scope.presented[live] = None
        scopes.append(scope)
        ledger.checks.read(scope, live)
    assert len(ledger.checks.reads) <= BOUND + 1
