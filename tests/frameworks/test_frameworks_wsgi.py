"""Apps of other frameworks: the same is seen in each, at the app's own line, and a clean page stays silent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from e2e.serving import Server, gunicorn, places

APPS = Path(__file__).resolve().parent / "apps"
KEY = "rk_9VbnQ2xTz7LmWs4KfYp83HdJcA6r"
FRAMEWORKS = ("bottle", "django", "falcon", "plain", "pyramid", "werkzeug")


def marked(file, mark):
    """The line of an app that ends in ``# here: <mark>``."""
    lines = (APPS / file).read_text().splitlines()
    (found,) = [number for number, line in enumerate(lines, 1) if line.endswith(f"# here: {mark}")]
    return found


def start(folder, framework, way):
    shutil.copytree(APPS, folder, dirs_exist_ok=True)
    if way == "run":
        return Server(folder, gunicorn(f"{framework}_app:app"))
    files = {"RASP_FINDINGS": str(folder / "findings.jsonl"), "RASP_EVENTS": str(folder / "events.jsonl")}
    variables = {"FRAMEWORK": f"{framework}_app", "RASP_MODE": "observe", **files}
    return Server(folder, gunicorn("wrapped:app"), mode=None, **variables)


@pytest.mark.parametrize("way", ["run", "middleware"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_defects_are_found_and_clean_pages_are_not(tmp_path, framework, way):
    server = start(tmp_path, framework, way)
    try:
        replies = [
            server.get(path, X_API_Key=KEY)
            for path in ("/clean", "/stream/clean", "/log", "/stream/leaking", "/denied")
        ]
    finally:
        server.stop()
    assert [reply.status for reply in replies] == [200, 200, 200, 200, 401], server.output
    assert [reply.body for reply in replies[1:4:2]] == [b"0\n1\n2\nend\n"] * 2
    file = f"{framework}_app.py"
    assert places(server.findings(), notes=True) == sorted(
        ("raw-token-logged", file, marked(file, mark)) for mark in ("log", "stream")
    ), server.output
    records = server.records()
    assert [record["request"]["status"] for record in records] == [200, 200, 200, 200, 401]
    assert {c["kind"] for record in records for c in record["credentials"]} == {"api_key"}
    by_request = {found["request"]["id"] for found in server.findings()}
    assert by_request == {records[2]["request"]["id"], records[3]["request"]["id"]}
    assert KEY[3:19] not in json.dumps([server.findings(), records])
    assert " failed with " not in server.output
