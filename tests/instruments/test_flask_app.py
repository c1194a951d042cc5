"""Flask itself: every app is served inside request scopes, and tells its route, view and secret key."""

from __future__ import annotations

import io
import logging

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import Blueprint, redirect, request, session
from support.made_up import text
from support.web import call, environ, serve

import rasp


class TestFlask(InstrumentContract):
    name = "flask"
    hooks = ("flask.routed",)
    holder = "request"
    clean = ("acquire",)
    defective = ("acquire",)
    finding = ("raw-token-in-url", "error", "defect")

    def subject(self, folder):
        app = flask_app()

        @app.get("/clean")
        def clean():
            return {"route": request.url_rule.rule}

        @app.get("/defect")
        def defect():
            return redirect("https://example.com/?key=" + request.headers["X-API-Key"])

        @app.get("/raises")
        def raises():
            raise app.given

        app.given = None
        return Subject(app)

    def raises(self, subject):
        subject.app.given = LookupError("nothing here", 3)
        with pytest.raises(LookupError) as caught:
            self.call(subject, "/raises")
        return subject.app.given, caught.value

    def test_a_failure_in_a_hook_does_not_reach_the_app(self, install_rasp, tmp_path, capfd):
        """The view is learnt when a request is routed; without it the finding names the WSGI callable."""
        super().test_a_failure_in_a_hook_does_not_reach_the_app(install_rasp, tmp_path, capfd)


def test_route_and_method_are_recorded_and_the_path_is_not(install_rasp):
    installed = install_rasp(record=True)
    app = flask_app()
    app.add_url_rule("/kobo/<auth_token>/<int:page>", "feed", lambda auth_token, page: str(page))
    assert call(app, f"/kobo/{KEY}/7").body == b"7"
    (record,) = installed.records()
    assert (record.request.method, record.request.route) == ("GET", "/kobo/<auth_token>/<int:page>")
    assert [credential.source for credential in record.credentials] == ["route:auth_token"]
    assert KEY[3:] not in repr(record)


def test_the_session_cookie_is_the_one_the_app_names(install_rasp):
    installed = install_rasp(record=True)
    app = flask_app(SECRET_KEY=text("secret", 40), SESSION_COOKIE_NAME="seance")

    @app.get("/")
    def view():
        session["user"] = "ann"
        return "ok"

    cookie = next(value for name, value in call(app, "/").headers if name == "Set-Cookie").partition(";")[0]
    assert cookie.startswith("seance=")
    call(app, "/", {"Cookie": cookie})
    (presented,) = installed.records()[1].credentials
    assert presented.kind == "session"


def test_the_secret_key_is_the_apps_own(install_rasp):
    installed = install_rasp()
    app = flask_app(SECRET_KEY=text("secret", 40))
    log = logging.Logger("keys")
    log.addHandler(logging.StreamHandler(io.StringIO()))

    @app.get("/")
    def view():
        log.warning("config: %s", app.secret_key)
        return "ok"

    call(app, "/")
    assert [(found.rule, found.credential.kind) for found in installed.findings] == [("raw-token-logged", "service")]


def test_an_app_inside_middleware_is_one_request(install_rasp):
    installed = install_rasp(record=True)
    app = flask_app()
    app.add_url_rule("/", "view", lambda: "ok")
    inner = app.wsgi_app
    app.wsgi_app = rasp.Middleware(inner)
    assert serve(rasp.Middleware(app), environ("/", {"X-API-Key": KEY})).body == b"ok"
    assert len(installed.records()) == 1
    assert installed.seen("request") == [("acquire", "request")]


def test_a_request_the_app_makes_to_itself_belongs_to_its_own(install_rasp):
    installed = install_rasp(record=True)
    app = flask_app()
    app.add_url_rule("/inner", "inner", lambda: "inner")
    app.add_url_rule("/", "view", lambda: app.test_client().get("/inner").text)
    assert call(app, "/", {"X-API-Key": KEY}).body == b"inner"
    (record,) = installed.records()
    assert record.request.route == "/"


def test_the_extension_wraps_an_app_once(install_rasp):
    installed = install_rasp(record=True)
    app = flask_app()
    app.add_url_rule("/", "view", lambda: "ok")
    extension = rasp.Rasp(app)
    wrapped = app.wsgi_app
    extension.init_app(app)
    rasp.Rasp(app)
    assert app.wsgi_app is wrapped
    call(app, "/")
    assert len(installed.records()) == 1


def test_an_unmatched_request_has_no_route_and_is_located_at_the_callable(install_rasp):
    installed = install_rasp(record=True)
    app = flask_app()
    assert call(app, "/nowhere", {"X-API-Key": KEY}).status == "404 NOT FOUND"
    (record,) = installed.records()
    assert (record.request.route, record.request.status) == (None, 404)


def test_blueprints_hooks_run_in_the_scope(install_rasp):
    installed = install_rasp()
    app = flask_app()
    blueprint = Blueprint("part", "contract_part")

    @blueprint.after_request
    def away(response):
        response.headers["Location"] = f"/?key={request.headers['X-API-Key']}"
        return response

    blueprint.add_url_rule("/", "view", lambda: ("ok", 302))
    app.register_blueprint(blueprint)
    call(app, "/", {"X-API-Key": KEY})
    assert [found.rule for found in installed.findings] == ["raw-token-in-url"]
