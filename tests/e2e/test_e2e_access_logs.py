"""Access lines are written by the server, often after the request: the view is to blame, and the rule is the URL's."""

from __future__ import annotations

import pytest
from e2e.serving import PYTHON, Server, copy_apps, gunicorn, marked

QUERY = "rk_2FvKx9TbQd6HmWz3RsLn8GcYpJa5"
HEADER = "rk_7XnPs4LqVh9KzTc2BwMd6RgJyFe3"
REFUSED = "rk_4DgQm8ZyTk3NvXr7HsWb2LcPjFa9"
MISSING = "rk_8LwBt5XcRz2QnKd9VmHs6GyJpFe4"
FORMAT = '%(h)s "%(r)s" %(s)s key=%({x-api-key}i)s'

SERVERS = {
    "sync": (gunicorn("threads:app", "--access-logfile", "-", "--access-logformat", FORMAT), False),
    "gthread": (
        gunicorn(
            "threads:app", "-k", "gthread", "--threads", "2", "--access-logfile", "-", "--access-logformat", FORMAT
        ),
        False,
    ),
    "gevent": (gunicorn("threads:app", "-k", "gevent", "--access-logfile", "-", "--access-logformat", FORMAT), False),
    "werkzeug": ([PYTHON, "-m", "flask", "--app", "threads", "run", "--port", "0"], True),
}


@pytest.fixture(scope="module", params=SERVERS)
def served(request, tmp_path_factory):
    """A server that has answered, written its lines, and is stopped; and whether it logs headers."""
    if request.param == "gevent":
        pytest.importorskip("gevent")
    command, interrupt = SERVERS[request.param]
    server = Server(copy_apps(tmp_path_factory.mktemp(request.param)), command)
    try:
        server.get(f"/query?api_key={QUERY}")
        server.wait_for("/query")
        server.get("/header", X_API_Key=HEADER)
        server.wait_for("/header")
        server.get(f"/refused?api_key={REFUSED}")
        server.wait_for("/refused")
        server.get(f"/missing?api_key={MISSING}")
        server.wait_for("/missing")
    finally:
        server.stop(interrupt=interrupt)
    return server, request.param != "werkzeug"


def found(server: Server, route: str | None) -> list[dict]:
    return [finding for finding in server.findings() if finding["request"]["route"] == route]


def test_a_key_in_the_query_is_raw_token_in_url_at_the_view(served):
    server, _ = served
    [finding] = found(server, "/query")
    assert (finding["rule"], finding["severity"]) == ("raw-token-in-url", "error"), server.output
    assert finding["location"] == {"file": "threads.py", "line": marked("threads.py", "query"), "function": "query"}
    assert finding["credential"]["source"] == "query:api_key"


def test_a_key_from_a_header_is_raw_token_logged_at_the_view(served):
    server, logs_headers = served
    findings = found(server, "/header")
    if not logs_headers:
        assert findings == []
        return
    assert [finding["rule"] for finding in findings] == ["raw-token-logged"]
    assert findings[0]["location"]["line"] == marked("threads.py", "header")


def test_a_refused_request_leaks_too(served):
    server, _ = served
    [finding] = found(server, "/refused")
    assert finding["rule"] == "raw-token-in-url"
    assert finding["location"]["line"] == marked("threads.py", "refused")
    assert finding["request"]["status"] == 401


def test_where_no_view_matched_a_place_is_named_all_the_same(served):
    server, _ = served
    [finding] = found(server, None)
    assert finding["rule"] == "raw-token-in-url"
    assert finding["location"] is not None
    assert finding["request"]["status"] == 404


def test_a_key_that_an_earlier_request_sent_in_a_header_is_judged_by_where_this_one_put_it(tmp_path):
    command, interrupt = SERVERS["sync"]
    server = Server(copy_apps(tmp_path), command)
    try:
        server.get("/header", X_API_Key=QUERY)
        server.get(f"/query?api_key={QUERY}")
        server.wait_for("/query")
    finally:
        server.stop(interrupt=interrupt)
    assert [finding["rule"] for finding in found(server, "/query")] == ["raw-token-in-url"]


def test_the_trail_of_a_line_that_werkzeug_writes_names_where_the_key_came_from(served):
    server, logs_headers = served
    [finding] = found(server, "/query")
    steps = [(step["action"], step["slot"]) for step in finding["trail"]]
    if not logs_headers:
        assert steps == [("acquire", "query:api_key"), ("expose", "werkzeug")]
    else:
        assert steps[-1] == ("expose", "gunicorn.access")
