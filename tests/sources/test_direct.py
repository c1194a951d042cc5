"""Flask apps that are served directly: what is sent is judged as by the generic door, whatever the app does to it."""

from __future__ import annotations

import pytest
from flask import Flask, Response, request, stream_with_context
from support.made_up import api_key
from support.web import environ, serve

import rasp

KEY = api_key("direct")
GIVEN = {"X-API-Key": KEY}
ECHO = ("raw-token-in-response", "note", "view")


def told(installed):
    """(rule, severity, function) of every finding."""
    return [(found.rule, found.severity.word, found.location.function) for found in installed.findings]


def outcome(installed, app, **kwargs):
    """What one request led to: findings, and the status of its record."""
    serve(app, environ("/", GIVEN, **kwargs))
    return told(installed), [record.request.status for record in installed.records()]


def app_with(view, cls=Flask, **options):
    app = cls(__name__)
    app.add_url_rule("/", "view", view, methods=["GET", "POST"], **options)
    return app


class Shouting(Response):
    """Answers another body than its own."""

    def get_app_iter(self, environ):
        return [request.headers["X-API-Key"].encode()]


class Adding(Response):
    """Adds a header when it is sent."""

    def get_wsgi_headers(self, environ):
        headers = super().get_wsgi_headers(environ)
        headers["X-Echo"] = environ["HTTP_X_API_KEY"]
        return headers


class Replaced(Response):
    """Sends something else instead of itself."""

    def __call__(self, environ, start_response):
        start_response("202 Accepted", [("Content-Type", "text/plain")])
        return [environ["HTTP_X_API_KEY"].encode()]


@pytest.mark.parametrize("kind", [Shouting, Adding, Replaced])
def test_a_response_that_sends_otherwise_is_judged_by_what_it_sends(install_rasp, kind):
    def view():
        return kind("ok")

    installed = install_rasp(record=True)
    assert outcome(installed, app_with(view)) == ([ECHO], [202 if kind is Replaced else 200])


class Overriding(Flask):
    """Changes what Flask answers."""

    def full_dispatch_request(self):
        response = super().full_dispatch_request()
        response.headers["X-Echo"] = request.headers["X-API-Key"]
        return response


class OnItsOwn(Flask):
    """Dispatches without Flask."""

    def full_dispatch_request(self):
        return Response(request.headers["X-API-Key"], 201)


def test_an_app_that_changes_what_flask_answers_is_judged_by_what_it_sends(install_rasp):
    def view():
        return "ok"

    installed = install_rasp(record=True)
    assert outcome(installed, app_with(view, Overriding)) == ([ECHO], [200])


def test_an_app_that_dispatches_on_its_own_has_a_status(install_rasp):
    installed = install_rasp(record=True)
    found, status = outcome(installed, app_with(lambda: "unused", OnItsOwn))
    assert ([rule for rule, _, _ in found], status) == (["raw-token-in-response"], [201])


class Failing(Flask):
    """Has an error page of its own for what Flask does not handle."""

    def handle_exception(self, error):
        return Response(request.headers["X-API-Key"], 503)


def test_an_error_page_that_replaces_flasks_is_judged(install_rasp):
    def view():
        raise ValueError

    installed = install_rasp(record=True)
    expected = ("raw-token-in-response", "error", "view")
    assert outcome(installed, app_with(view, Failing)) == ([expected], [503])


def test_a_context_that_cannot_be_pushed_has_a_status(install_rasp):
    class Sessions(Flask.session_interface.__class__):
        def open_session(self, app, request):
            raise ValueError

    installed = install_rasp(record=True)
    app = app_with(lambda: "unused")
    app.session_interface = Sessions()
    app.logger.disabled = True
    assert outcome(installed, app) == ([], [500])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [200, 204, 304])
def test_a_body_that_is_not_sent_is_no_exposure(install_rasp, method, status):
    def view():
        return KEY, status

    installed = install_rasp()
    serve(app_with(view), environ("/", GIVEN, method=method))
    assert told(installed) == ([ECHO] if (method, status) == ("GET", 200) else [])


def test_what_a_failing_teardown_keeps_from_being_sent_is_no_exposure(install_rasp):
    installed = install_rasp()
    app = app_with(lambda: KEY)

    @app.teardown_request
    def fail(error):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        serve(app, environ("/", GIVEN))
    assert told(installed) == []


@pytest.mark.parametrize(
    "body",
    [lambda: [KEY], lambda: [KEY[:9], KEY[9:]], lambda: (KEY.encode(),), lambda: iter([KEY]), lambda: KEY],
    ids=["texts", "parts", "tuple", "iterator", "text"],
)
@pytest.mark.parametrize("passed", [False, True])
def test_every_form_of_a_body_is_searched_once(install_rasp, body, passed):
    def view():
        given = body()
        if passed and not isinstance(given, tuple):
            given = [given.encode()] if isinstance(given, str) else [part.encode() for part in given]
        return Response(given, direct_passthrough=passed)

    installed = install_rasp()
    answer = serve(app_with(view), environ("/", GIVEN))
    assert answer.body == KEY.encode()
    assert told(installed) == [ECHO]
    assert len(installed.findings[0].trail) == 2


def test_a_token_in_a_body_that_is_passed_through_is_issued(install_rasp):
    token = api_key("issued")

    def view():
        return Response(
            [b'{"access_token": "%s"}' % token.encode()], mimetype="application/json", direct_passthrough=True
        )

    installed = install_rasp(record=True)
    serve(app_with(view), environ("/", GIVEN))
    assert [credential.source for credential in installed.records()[0].credentials] == [
        "header:x-api-key",
        "issued:json:access_token",
    ]


def test_a_stream_runs_in_its_request(install_rasp):
    def view():
        def parts():
            yield request.headers["X-API-Key"][:9]
            yield request.headers["X-API-Key"][9:]

        return Response(stream_with_context(parts()), mimetype="text/plain")

    installed = install_rasp()
    assert serve(app_with(view), environ("/", GIVEN)).body == KEY.encode()
    assert told(installed) == [ECHO]


def test_middleware_inside_is_judged_by_what_it_sends(install_rasp):
    installed = install_rasp()
    app = app_with(lambda: "ok")
    inner = app.wsgi_app

    def middleware(made, start):
        def adding(status, headers, *args):
            return start(status, [*headers, ("X-Echo", made["HTTP_X_API_KEY"])], *args)

        return inner(made, adding)

    app.wsgi_app = middleware
    assert dict(serve(app, environ("/", GIVEN)).headers)["X-Echo"] == KEY
    assert [rule for rule, _, _ in told(installed)] == ["raw-token-in-response"]


def test_close_runs_once_each_time_it_is_asked(install_rasp):
    install_rasp()
    closed = []

    def view():
        response = Response("ok")
        response.call_on_close(lambda: closed.append(rasp.findings()))
        return response

    body = app_with(view)(environ("/", GIVEN), lambda *args: lambda data: None)
    assert not hasattr(body, "__len__")
    assert list(body) == [b"ok"]
    assert list(body) == []
    body.close()
    body.close()
    assert closed == [[], []]


def test_the_server_gets_the_arguments_that_the_app_gives(install_rasp):
    install_rasp()
    given = []
    app_with(lambda: "ok")(environ("/", GIVEN), lambda *args, **kwargs: given.append((len(args), kwargs)))
    assert given == [(2, {})]
