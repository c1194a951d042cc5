"""Greenlets of one thread take turns inside a log call, too: each keeps to its own."""

from __future__ import annotations

import pytest
from e2e.serving import Server, copy_apps, gunicorn

KEY = "rk_6ZbTw9KxQs3LmVd7RnHy4GcJpFa2"


@pytest.mark.parametrize(
    "worker",
    [
        "gthread",
        "gevent",
    ],
)
def test_strict_fails_the_request_that_leaks_and_not_the_one_beside_it(tmp_path, worker):
    if worker == "gevent":
        pytest.importorskip("gevent")
    server = Server(copy_apps(tmp_path), gunicorn("greenlets:app", "-k", worker, "--threads", "4"), mode="strict")
    try:
        replies = server.together(("/clean", {}), ("/leak", {"X_API_Key": KEY}))
    finally:
        server.stop()
    assert [reply.status for reply in replies] == [200, 500], server.output
    assert [finding["request"]["route"] for finding in server.findings()] == ["/leak"]
