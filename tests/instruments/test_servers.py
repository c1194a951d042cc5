"""WSGI servers: what each of them serves gets a request scope, also where it is no Flask app."""

from __future__ import annotations

import http.client
import logging
import threading

import flask
import gunicorn.app.base
import pytest
import waitress.server
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import Flask
from support.web import Answer, call, environ, through_server

import rasp
from rasp.instruments.servers import Served


def subject_app():
    """A WSGI app without any framework."""
    given = []

    def clean(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [b"ok"]

    def defect(environ, start_response):
        start_response("302 FOUND", [("Location", f"/?key={environ['HTTP_X_API_KEY']}"), ("Content-Length", "0")])
        return []

    def raises(environ, start_response):
        raise given[0]

    routes = {"/clean": clean, "/defect": defect, "/raises": raises}

    def app(environ, start_response):
        return routes[environ["PATH_INFO"]](environ, start_response)

    app.given = given
    return app


class ServerContract(InstrumentContract):
    """A server: ``call`` sends a request through it."""

    hooks = ("servers.app",)
    holder = "request"
    clean = ("acquire",)
    defective = ("acquire",)
    finding = ("raw-token-in-url", "error", "app")

    def subject(self, folder):
        return Subject(subject_app())


class TestWsgiref(ServerContract):
    name = "wsgiref"

    def call(self, subject, path):
        sent = through_server(subject.app, environ(path, {"X-API-Key": KEY}))
        head, _, body = sent.partition(b"\r\n\r\n")
        status, *headers = head.decode().split("\r\n")
        return Answer(status, headers, body)

    def raises(self, subject):
        subject.app.given.append(LookupError("nothing here", 3))
        with pytest.raises(LookupError) as caught:
            self.call(subject, "/raises")
        return subject.app.given[0], caught.value


class Gunicorn(gunicorn.app.base.BaseApplication):
    """gunicorn's own way to get at the app, without its processes."""

    def __init__(self, app):
        self.served = app
        super().__init__()

    def load_config(self):
        pass

    def load(self):
        return self.served


class TestGunicorn(ServerContract):
    name = "gunicorn"

    def call(self, subject, path):
        return call(Gunicorn(subject.app).wsgi(), path, {"X-API-Key": KEY})

    def raises(self, subject):
        subject.app.given.append(LookupError("nothing here", 3))
        with pytest.raises(LookupError) as caught:
            self.call(subject, "/raises")
        return subject.app.given[0], caught.value

    def test_the_app_is_asked_for_once_and_wrapped_once(self, install_rasp):
        install_rasp()
        server = Gunicorn(subject_app())
        assert type(server.wsgi()) is Served
        assert server.wsgi().given == [], "attributes are the app's own"

    def test_a_flask_app_opens_its_scope_by_itself(self, install_rasp):
        class Own(Flask):
            def __call__(self, environ, start_response):
                logging.getLogger("before").warning("came %s", environ.get("HTTP_X_API_KEY"))
                return super().__call__(environ, start_response)

        early = flask_app()
        installed = install_rasp()
        for number, (app, given) in enumerate(((early, Flask), (flask_app(), Flask), (Own("own"), Served)), 1):
            app.add_url_rule("/", "view", lambda: flask.redirect("/?key=" + flask.request.headers["X-API-Key"]))
            served = Gunicorn(app).wsgi()
            assert type(served) is given
            assert call(served, "/", {"X-API-Key": KEY}).status == "302 FOUND"
            assert {found.rule: found.count for found in rasp.findings()}["raw-token-in-url"] == number
        assert "raw-token-logged" in [found.rule for found in installed.findings], "logged before Flask's own call"


class TestWaitress(ServerContract):
    name = "waitress"

    def call(self, subject, path):
        made = waitress.server.create_server(
            subject.app, host="127.0.0.1", port=0, map={}, threads=1, clear_untrusted_proxy_headers=False
        )
        running = threading.Thread(target=serve_one, args=(made,))
        running.start()
        try:
            client = http.client.HTTPConnection("127.0.0.1", made.effective_port, timeout=20)
            client.request("GET", path, headers={"X-API-Key": KEY, "Connection": "close"})
            answer = client.getresponse()
            body = answer.read()
            headers = [(name, value) for name, value in answer.getheaders() if name != "Date"]
            client.close()
            return Answer(f"{answer.status} {answer.reason}", headers, body)
        finally:
            made.task_dispatcher.shutdown()
            # In the loop's own thread: once it has stopped, its trigger is closed.
            made.trigger.pull_trigger(lambda: setattr(made, "stopped", True))
            running.join(20)

    def raises(self, subject):
        with pytest.raises(TypeError) as caught:
            waitress.server.create_server()
        return None, caught.value

    def test_strict_raises_what_observe_reports(self, install_rasp, tmp_path):
        """The server answers 500 with what is raised, as for every exception of an app."""
        installed = install_rasp(mode="strict")
        with self.built(tmp_path / "strict") as subject:
            answer = self.call(subject, "/defect")
        assert answer.status.startswith("500")
        assert KEY[3:].encode() not in answer.body
        assert [found.rule for found in installed.findings] == ["raw-token-in-url"]


def serve_one(server):
    """Serves until told to stop."""
    server.stopped = False
    while not server.stopped:
        server.asyncore.loop(timeout=20, count=1, map=server._map)
    server.close()
    for channel in list(server._map.values()):
        channel.close()
