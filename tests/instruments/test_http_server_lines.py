"""``http.server``: the access lines of wsgiref's server, which are the view's."""

from __future__ import annotations

import contextlib
import http.client
import io
import socketserver
import threading
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request

REFUSED = "rk_4DgQm8ZyTk3NvXr7HsWb2LcPjFa9"


class Lines(WSGIRequestHandler):
    """A handler without a connection."""

    def __init__(self):
        self.client_address = ("127.0.0.1", 1)

    def log_date_time_string(self):
        return "today"


class TestHttpServer(InstrumentContract):
    name = "http.server"
    hooks = ("http.server.line",)
    holder = "http.server"
    clean = ()
    defective = ("expose",)
    finding = ("raw-token-logged", "error", "defect")
    masks = True

    def subject(self, folder):
        app, stream = flask_app(), io.StringIO()

        def line(shown):
            """Some servers write it while the request is still in flight; those after it are below."""
            with contextlib.redirect_stderr(stream):
                Lines().log_message('"%s" %s', f"GET /{shown}", 200)
            return {"ok": True}

        app.add_url_rule("/clean", "clean", lambda: line(""))

        @app.get("/defect")
        def defect():
            return line(request.headers["X-API-Key"])

        return Subject(app, stream.getvalue)

    def raises(self, subject):
        with pytest.raises(TypeError) as caught:
            Lines().log_message("%s %s", "one")
        return None, caught.value

    def test_an_exception_stays_the_apps_own(self, install_rasp, tmp_path):
        """What cannot be rendered raises in the hook too, which is contained, and then where it always did."""
        install_rasp(loud=False)
        self.raises(None)


@pytest.mark.parametrize("mode", ["observe", "protect"])
def test_the_lines_of_a_real_server_are_raw_token_in_url_at_the_view(install_rasp, mode):
    installed, stream = install_rasp(mode=mode), io.StringIO()
    app = flask_app()

    @app.get("/")
    def view():
        return ("no", 401) if request.args["api_key"] == REFUSED else "ok"

    class Server(socketserver.ThreadingMixIn, WSGIServer):
        daemon_threads = False

    with contextlib.redirect_stderr(stream), make_server("127.0.0.1", 0, app, Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            for key in (KEY, REFUSED):
                connection = http.client.HTTPConnection(*server.server_address, timeout=20)
                connection.request("GET", f"/?api_key={key}")
                connection.getresponse().read()
                connection.close()
        finally:
            server.shutdown()
            thread.join(20)
    assert (KEY in stream.getvalue()) is (mode == "observe")
    assert (REFUSED in stream.getvalue()) is (mode == "observe")
    assert installed.judged() == [("raw-token-in-url", "error", "view")]
    assert installed.findings[0].request.route == "/"
