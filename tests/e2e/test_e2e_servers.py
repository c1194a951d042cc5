"""Every way to serve an app: under each, rasp sees the same three requests and the app does what it did."""

from __future__ import annotations

import json
import os
import signal

import pytest
from e2e.serving import PYTHON, Server, command_of, copy_apps, gunicorn, marked, places

KEY = "rk_9VbnQ2xTz7LmWs4KfYp83HdJcA6r"
TOKEN = "tok_b6YkX0qWv3RnGj8ZsLd5MhPtEa2U"

FLASK = [PYTHON, "-m", "flask", "--app", "shop", "run", "--port", "0"]
WAITRESS = [PYTHON, "-m", "waitress", "--listen=127.0.0.1:0"]
UVICORN = [PYTHON, "-m", "uvicorn", "--port", "0", "--factory", "mounted:asgi"]
INTERRUPTED = None
"""These servers have no handler for SIGTERM: they are ended by Ctrl+C, so that Python exits in order."""

SERVERS = {
    # name: command, file of the leaking view, prefix of its paths, exit status on SIGTERM, or INTERRUPTED
    "gunicorn-sync": (gunicorn("shop:app"), "shop.py", "", 0),
    "gunicorn-gthread": (gunicorn("shop:app", "-k", "gthread", "--threads", "2"), "shop.py", "", 0),
    "gunicorn-gevent": (gunicorn("shop:app", "-k", "gevent"), "shop.py", "", 0),
    "gunicorn-preload": (gunicorn("shop:app", "--preload"), "shop.py", "", 0),
    "gunicorn-two-workers": (gunicorn("shop:app", "-w", "2"), "shop.py", "", 0),
    "gunicorn-script": ([command_of("gunicorn"), *gunicorn("shop:app")[3:]], "shop.py", "", 0),
    "flask-run": (FLASK, "shop.py", "", INTERRUPTED),
    "flask-run-reloader": ([*FLASK, "--debug"], "shop.py", "", INTERRUPTED),
    "app-run": ([PYTHON, "shop.py"], "shop.py", "", INTERRUPTED),
    "waitress": ([*WAITRESS, "shop:app"], "shop.py", "", INTERRUPTED),
    "wsgiref": ([PYTHON, "plain.py"], "plain.py", "", INTERRUPTED),
    "plain-callable": (gunicorn("plain:app"), "plain.py", "", 0),
    "bottle": (gunicorn("bottled:app"), "bottled.py", "", 0),
    "dispatcher": (gunicorn("mounted:dispatched"), "shop.py", "/shop", 0),
    "inside-flask": (gunicorn("mounted:front"), "shop.py", "/shop", 0),
    "inside-asgi": (UVICORN, "shop.py", "", 128 + 15),
}


def drive(server: Server, prefix: str) -> list[int]:
    """The three requests of every test here."""
    return [
        server.get(prefix + "/clean").status,
        server.get(prefix + "/log", X_API_Key=KEY).status,
        server.get(prefix + "/denied", Authorization=f"Bearer {TOKEN}").status,
    ]


def assert_seen(server: Server, file: str, *, interrupted: bool = False) -> None:
    """One finding, at the view's log call; three records, each with its own caller's credential."""
    assert places(server.findings()) == [("raw-token-logged", file, marked(file, "log"))], server.output
    assert interrupted or "Traceback" not in server.output
    assert " failed with " not in server.output
    records = server.records()
    assert [record["request"]["status"] for record in records] == [200, 200, 401]
    assert [[c["kind"] for c in record["credentials"]] for record in records] == [[], ["api_key"], ["bearer"]]
    assert server.findings()[0]["request"]["id"] == records[1]["request"]["id"]
    written = json.dumps([server.findings(), records])
    assert not [secret for secret in (KEY, TOKEN) if secret[:16] in written or secret[-16:] in written]


@pytest.mark.parametrize("name", SERVERS)
def test_the_same_is_seen_under_every_server(tmp_path, name):
    command, file, prefix, status = SERVERS[name]
    if name == "gunicorn-gevent":
        pytest.importorskip("gevent")
    if name == "inside-asgi":
        pytest.importorskip("uvicorn")
        pytest.importorskip("a2wsgi")
    if name == "bottle":
        pytest.importorskip("bottle")
    server = Server(copy_apps(tmp_path), command)
    try:
        assert drive(server, prefix) == [200, 200, 401]
    finally:
        ended = server.stop(interrupt=status is INTERRUPTED)
    assert_seen(server, file, interrupted=status is INTERRUPTED)
    assert status is INTERRUPTED or ended == status, server.output


@pytest.mark.parametrize("way", ["install", "extension", "middleware", "twice"])
def test_rasp_switched_on_in_the_apps_own_code(tmp_path, way):
    """The app exists before rasp is installed, and each request is recorded once."""
    server = Server(
        copy_apps(tmp_path),
        gunicorn("by_hand:app"),
        mode=None,
        SHOP_WAY=way,
        RASP_MODE="observe",
        RASP_FINDINGS=str(tmp_path / "findings.jsonl"),
        RASP_EVENTS=str(tmp_path / "events.jsonl"),
    )
    try:
        assert drive(server, "") == [200, 200, 401]
    finally:
        server.stop()
    assert_seen(server, "shop.py")


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_that_is_killed_still_leaves_its_findings(tmp_path, end):
    server = Server(copy_apps(tmp_path), [PYTHON, "shop.py"])
    try:
        server.get("/log", X_API_Key=KEY)
        process = server.findings()[0]["process"]
        os.kill(process, end)
    finally:
        ended = server.stop()
    assert places(server.findings()) == [("raw-token-logged", "shop.py", marked("shop.py", "log"))]
    assert ended == 128 + end


def test_an_existing_sitecustomize_still_runs(tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "sitecustomize.py").write_text("print('own sitecustomize ran', flush=True)\n")
    server = Server(copy_apps(tmp_path / "apps"), gunicorn("shop:app"), PYTHONPATH=str(own))
    try:
        assert drive(server, "") == [200, 200, 401]
    finally:
        server.stop()
    assert "own sitecustomize ran" in server.output
    assert_seen(server, "shop.py")
