"""RASP205: credentials in responses, through a real Flask app."""

from __future__ import annotations

import json
import sys

import pytest
from flask import Flask, Response, make_response, redirect, request
from support.made_up import api_key, jwt
from support.web import environ, serve

import rasp
from rasp.errors import RawTokenInResponse
from rasp.sources.answers import LIMIT

KEY = api_key("answers")
OTHER = api_key("somebody else")
GIVEN = {"X-API-Key": KEY}
RULE = "raw-token-in-response"
ODD = "rk" + 'a1b2"c3\\d4/e5' + api_key("odd")[3:20]
"""A key that looks different in JSON."""


def told(installed):
    """(rule, severity, function) of every finding."""
    return [(found.rule, found.severity.word, found.location.function) for found in installed.findings]


def answer(view, given=GIVEN, method="GET", config=()):
    """The answer of an app with this view alone."""
    app = Flask(__name__)
    app.config.update(config)
    app.add_url_rule("/", view_func=view)
    return serve(app, environ("/", given, method=method))


def presented():
    return request.headers["X-API-Key"]


def test_an_error_page_with_the_presented_key_is_an_error_at_the_view(observe):
    def view():
        return f"<p>no such key: {presented()}</p>", 401

    answer(view)
    assert told(observe) == [(RULE, "error", "view")]
    [found] = observe.findings
    assert found.location.line == view.__code__.co_firstlineno
    assert [(step.action.value, step.holder) for step in found.trail] == [
        ("acquire", "request"),
        ("expose", "response"),
    ]
    assert found.cwe == (209,)
    assert KEY not in repr(found)


def test_an_error_handler_is_judged_as_its_view(observe):
    app = Flask(__name__)

    @app.get("/")
    def view():
        raise LookupError(presented())

    @app.errorhandler(LookupError)
    def explain(error):
        return f"unknown: {error}", 404

    serve(app, environ("/", GIVEN))
    assert told(observe) == [(RULE, "error", "view")]


def test_an_answer_to_its_presenter_is_a_note(observe):
    answer(lambda: {"yours": presented()})
    assert [(rule, severity) for rule, severity, _ in told(observe)] == [(RULE, "note")]


def test_what_a_response_issues_it_may_hold(observe):
    token = api_key("fresh")
    answer(lambda: {"access_token": token, "link": f"/next?x={token}"})
    assert told(observe) == []


def test_what_the_app_makes_it_may_hold(observe):
    made = jwt("made")

    def view():
        rasp.track(made, kind="bearer")
        return f"<p>{made}</p>"

    answer(view)
    assert told(observe) == []


def test_another_callers_key_is_a_leak(observe):
    answer(lambda: "ok", {"X-API-Key": OTHER})

    def view():
        return f"<p>{OTHER}</p>"

    answer(view)
    assert told(observe) == [("cross-request-leak", "error", "view")]


@pytest.mark.parametrize("given", [GIVEN, {}], ids=["caller", "nobody"])
@pytest.mark.parametrize("place", ["body", "header"])
def test_a_secret_of_the_app_itself_is_an_error_in_every_answer(observe, given, place):
    secret = api_key("secret of the app")

    def view():
        return secret if place == "body" else Response("ok", headers={"X-Debug": f"key={secret}"})

    answer(view, given, config={"SECRET_KEY": secret})
    assert told(observe) == [(RULE, "error", "view")]
    assert observe.findings[0].credential.kind == "service"


@pytest.mark.parametrize(("status", "severity"), [(200, "note"), (403, "error")])
def test_a_header_that_echoes_the_key(observe, status, severity):
    def view():
        return "", status, {"X-Echo": presented()}

    answer(view)
    assert told(observe) == [(RULE, severity, "view")]


def test_a_redirect_and_its_page_are_one_finding(observe):
    def view():
        return redirect("/next?key=" + presented())

    assert KEY.encode() in answer(view).body
    assert told(observe) == [("raw-token-in-url", "error", "view")]


def test_a_cookie_of_its_own_value_is_none(observe):
    def view():
        response = make_response("ok")
        response.set_cookie("access_token_cookie", request.cookies["access_token_cookie"])
        response.set_cookie("refresh_token", api_key("new"))
        return response

    answer(view, {"Cookie": f"access_token_cookie={KEY}"})
    assert told(observe) == []


@pytest.mark.parametrize("encode", [json.dumps, repr, lambda text: text.encode().hex()], ids=["json", "repr", "hex"])
def test_an_encoded_key_is_found(observe, encode):
    def view():
        return Response('{"error": ' + encode(presented()) + "}", 400, mimetype="application/json")

    answer(view, {"X-API-Key": ODD})
    assert told(observe) == [(RULE, "error", "view")]


def test_a_streamed_body_is_searched_across_its_parts(observe):
    def view():
        key = presented()
        return Response((part for part in ["<p>", key[:7], key[7:20], key[20:], "</p>"]), 400)

    answer(view)
    assert told(observe) == [(RULE, "error", "view")]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_big_body_is_not_searched_and_that_is_counted(observe, streamed):
    def view():
        text = presented() + " " * LIMIT
        return Response(iter([text[:100], text[100:]]) if streamed else text, 400)

    assert len(answer(view).body) == LIMIT + len(KEY)
    assert told(observe) == []
    assert observe.runtime.ledger.dropped == 1


@pytest.mark.parametrize("type", ["application/octet-stream", "image/png"])
def test_what_is_no_text_is_not_searched(observe, type):
    answer(lambda: Response(presented(), 400, mimetype=type))
    assert told(observe) == []


def test_a_second_start_response_counts_alone(observe):
    def app(made, start):
        start("200 OK", [("Content-Type", "text/plain")])
        try:
            raise ValueError
        except ValueError:
            start("500 No", [("Content-Type", "image/png")], sys.exc_info())
        return [KEY.encode()]

    def forgiving(status, headers, exc_info=None):
        return lambda data: None

    list(rasp.Middleware(app)(environ("/", GIVEN), forgiving))
    assert told(observe) == []


def test_strict_raises_when_the_request_ends(install_rasp):
    installed = install_rasp(mode="strict")
    app = Flask(__name__)

    @app.get("/")
    def view():
        return presented(), 400

    body = app(environ("/", GIVEN), lambda *args: lambda data: None)
    assert next(iter(body)) == KEY.encode()
    with pytest.raises(RawTokenInResponse):
        next(iter(body))
    assert told(installed) == [(RULE, "error", "view")]


def test_strict_lets_a_note_pass(install_rasp):
    installed = install_rasp(mode="strict")
    answer(lambda: {"yours": presented()})
    assert [severity for _, severity, _ in told(installed)] == ["note"]
