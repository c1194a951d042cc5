"""Access lines of middleware and of servers that run apps on other threads; headers in a line; ``wsgi.errors``."""

from __future__ import annotations

import pytest
from e2e.serving import PYTHON, Server, copy_apps, gunicorn, marked

QUERY = "rk_2FvKx9TbQd6HmWz3RsLn8GcYpJa5"
REFUSED = "rk_4DgQm8ZyTk3NvXr7HsWb2LcPjFa9"
HEADER = "rk_7XnPs4LqVh9KzTc2BwMd6RgJyFe3"
FORMAT = '"%(r)s" %(s)s auth=%({authorization}i)s'
WAITRESS = [PYTHON, "-m", "waitress", "--listen=127.0.0.1:0", "--call"]
UVICORN = [PYTHON, "-m", "uvicorn", "--port", "0", "--factory", "lines:asgi"]


def asked(folder, command, *, interrupt=True, **variables):
    """A server that has answered a key in a query, accepted and refused, and is stopped."""
    server = Server(copy_apps(folder), command, **variables)
    try:
        server.get(f"/query?api_key={QUERY}")
        server.wait_for("/query")
        server.get(f"/refused?api_key={REFUSED}")
        server.wait_for("/refused")
    finally:
        server.stop(interrupt=interrupt)
    return [(found["rule"], found["location"]["line"], found["request"]["route"]) for found in server.findings()]


EXPECTED = [
    ("raw-token-in-url", marked("threads.py", "query"), "/query"),
    ("raw-token-in-url", marked("threads.py", "refused"), "/refused"),
]


def test_translogger_inside_waitress_is_judged_like_a_servers_own_line(tmp_path):
    pytest.importorskip("paste.translogger")
    assert asked(tmp_path, [*WAITRESS, "lines:translogged"]) == EXPECTED


def test_translogger_inside_gunicorn_is_judged_like_a_servers_own_line(tmp_path):
    pytest.importorskip("paste.translogger")
    assert asked(tmp_path, gunicorn("lines:translogged()"), interrupt=False) == EXPECTED


def test_uvicorns_line_belongs_to_the_request_that_another_thread_serves(tmp_path):
    pytest.importorskip("uvicorn")
    server = Server(copy_apps(tmp_path), UVICORN)
    try:
        server.get(f"/query?api_key={QUERY}")
        server.wait_for("/query")
    finally:
        server.stop(interrupt=True)
    assert [(found["rule"], found["location"]["line"]) for found in server.findings()] == [EXPECTED[0][:2]]


@pytest.mark.parametrize("worker", ["sync", "gthread"])
def test_a_header_in_an_access_line_is_a_log_and_no_url(tmp_path, worker):
    options = ["-k", worker, "--access-logfile", "-", "--access-logformat", FORMAT]
    server = Server(copy_apps(tmp_path), gunicorn("threads:app", *options))
    try:
        server.get("/query", Authorization=f"Bearer {HEADER}")
        server.wait_for("/query")
    finally:
        server.stop()
    assert f"auth=Bearer {HEADER}" in server.output
    found = [(found["rule"], found["severity"], found["location"]["line"]) for found in server.findings()]
    assert found == [("raw-token-logged", "error", marked("threads.py", "query"))]


@pytest.mark.parametrize("mode", ["observe", "protect"])
def test_what_an_app_writes_to_wsgi_errors_is_found_where_it_is_written(tmp_path, mode):
    server = Server(copy_apps(tmp_path), gunicorn("lines:app"), mode=mode)
    try:
        server.get("/errors", X_API_Key=HEADER)
        server.wait_for("came with")
    finally:
        server.stop()
    assert (HEADER in server.output) is (mode == "observe")
    found = [(found["rule"], found["location"]["file"], found["location"]["line"]) for found in server.findings()]
    assert found == [("raw-token-logged", "lines.py", marked("lines.py", "errors"))]


@pytest.mark.parametrize("stream", ["stderr", ""])
def test_elsewhere_wsgi_errors_is_standard_error_and_judged_where_that_is_asked_for(tmp_path, stream):
    config = f'streams = ["{stream}"]' if stream else ""
    server = Server(copy_apps(tmp_path), [PYTHON, "-m", "waitress", "--listen=127.0.0.1:0", "lines:app"], config=config)
    try:
        server.get("/errors", X_API_Key=HEADER)
        server.wait_for("came with")
    finally:
        server.stop(interrupt=True)
    found = [(found["rule"], found["location"]["line"]) for found in server.findings()]
    assert found == ([("raw-token-logged", marked("lines.py", "errors"))] if stream else [])
