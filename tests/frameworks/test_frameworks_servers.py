"""Servers and hosts beyond the usual ones: the same three requests, the same finding, the same records."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from e2e.serving import PYTHON, Server, command_of, copy_apps, marked, places

APPS = Path(__file__).resolve().parent / "apps"
KEY = "rk_9VbnQ2xTz7LmWs4KfYp83HdJcA6r"
TOKEN = "tok_b6YkX0qWv3RnGj8ZsLd5MhPtEa2U"
UVICORN = [PYTHON, "-m", "uvicorn", "--port", "0", "--factory"]
UWSGI = [
    command_of("uwsgi"), "--http-socket", "127.0.0.1:0", "--module", "shop:app", "--virtualenv", sys.prefix,
    "--need-app", "--die-on-term",
]  # fmt: skip

SERVERS = {
    # name: what must be installed, command, whether it is ended by Ctrl+C
    "uwsgi": ("", UWSGI, False),
    "uwsgi-master": ("", [*UWSGI, "--master", "--processes", "1"], False),
    "uwsgi-threads": ("", [*UWSGI, "--master", "--processes", "1", "--threads", "2"], False),
    "uwsgi-lazy": ("", [*UWSGI, "--master", "--processes", "1", "--lazy-apps"], False),
    "tornado": ("tornado", [PYTHON, "hosts.py", "tornado_host"], True),
    "gevent-pywsgi": ("gevent", [PYTHON, "hosts.py", "pywsgi_host"], False),
    "embedded": ("", [PYTHON, "hosts.py", "embedded_host"], True),
    "uvicorn-a2wsgi": ("a2wsgi", [*UVICORN, "bridges:a2wsgi"], True),
    "uvicorn-asgiref": ("asgiref", [*UVICORN, "bridges:asgiref"], True),
}


@pytest.mark.parametrize("name", SERVERS)
def test_the_same_is_seen_under_every_host(tmp_path, name):
    needed, command, interrupt = SERVERS[name]
    if needed:
        pytest.importorskip(needed)
    copy_apps(tmp_path)
    shutil.copytree(APPS, tmp_path, dirs_exist_ok=True)
    server = Server(tmp_path, command)
    try:
        assert server.get("/clean").status == 200
        assert server.get("/log", X_API_Key=KEY).status == 200
        assert server.get("/denied", Authorization=f"Bearer {TOKEN}").status == 401
    finally:
        server.stop(interrupt=interrupt)
    assert places(server.findings(), notes=True) == [("raw-token-logged", "shop.py", marked("shop.py", "log"))]
    assert not re.search(r"rasp: \S+ failed with ", server.output)
    records = server.records()
    assert [record["request"]["status"] for record in records] == [200, 200, 401], server.output
    assert [[c["kind"] for c in record["credentials"]] for record in records] == [[], ["api_key"], ["bearer"]]


def test_a_stream_under_uwsgi_ends_with_its_last_part(tmp_path):
    """uWSGI calls what is no Flask app from C: ``rasp.Middleware`` is its door, until ``close()``."""
    shutil.copytree(APPS, tmp_path, dirs_exist_ok=True)
    command = [part.replace("shop:app", "wrapped:app") for part in UWSGI]
    files = {"RASP_FINDINGS": str(tmp_path / "findings.jsonl"), "RASP_EVENTS": str(tmp_path / "events.jsonl")}
    server = Server(tmp_path, command, mode=None, FRAMEWORK="plain_app", RASP_MODE="observe", **files)
    try:
        for kind in ("clean", "leaking", "clean"):
            assert server.get(f"/stream/{kind}", X_API_Key=KEY).body == b"0\n1\n2\nend\n"
    finally:
        server.stop()
    ((rule, file, _),) = places(server.findings(), notes=True)
    assert (rule, file) == ("raw-token-logged", "plain_app.py")
    # The record of the last request is written behind it, and may be lost with a process that is told to end.
    assert [record["request"]["status"] for record in server.records()] in ([200, 200], [200, 200, 200])
    assert server.findings()[0]["request"]["id"] == server.records()[1]["request"]["id"]
