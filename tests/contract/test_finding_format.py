"""What a finding looks like in the file: its members, its place, its key across edits, and its counts."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

KEY = "ff7Jk2Lm9Qw4Er6Ty8Ui3"
APP = """
import io
import logging

from flask import Flask, request

app = Flask(__name__)
logging.basicConfig(level=logging.INFO, stream=io.StringIO())
log = logging.getLogger("api")


@app.post("/api/<int:number>")
def view(number):
    log.info("one %s", request.headers["X-API-Key"])
    log.info("one %s", request.headers["X-API-Key"])
    return {}


for number in range(3):
    reply = app.test_client().post(f"/api/{number}", headers={"X-API-Key": "KEY"})
    assert reply.data
""".replace("KEY", KEY).replace("X-API-" + KEY, "X-API-Key")


def findings(folder: Path, source: str) -> list[dict[str, Any]]:
    """The last line of each warning and error of one run of an app below its project's root."""
    (folder / "pkg").mkdir(exist_ok=True)
    (folder / "pkg" / "service.py").write_text(source, encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RASP_", "_RASP_", "OTEL_"))}
    command = [sys.executable, "-m", "rasp", "run", "--mode", "observe", "--findings", "found.jsonl", "--"]
    command += [sys.executable, "pkg/service.py"]
    subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, timeout=60)
    file = folder / "found.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert KEY not in file.read_text(encoding="utf-8")
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    file.unlink()
    return list({(line["key"], line["instance"]): line for line in lines if line["severity"] != "note"}.values())


def test_a_finding_has_the_members_and_values_of_the_contract(tmp_path: Path) -> None:
    found = findings(tmp_path, APP)[0]
    assert found["schema"] == 1
    assert (found["rule"], found["id"], found["severity"], found["cwe"]) == (
        "raw-token-logged",
        "RASP201",
        "error",
        [532],
    )
    credential = found["credential"]
    assert re.fullmatch(r"[0-9a-f]{16}", credential.pop("fingerprint"))
    assert credential == {"kind": "api_key", "source": "header:x-api-key", "length": 21}
    assert found["location"] == {"file": "pkg/service.py", "line": 14, "function": "view"}
    request = found["request"]
    assert (request["method"], request["route"]) == ("POST", "/api/<int:number>")
    assert [step["action"] for step in found["trail"]] == ["acquire", "expose"]
    assert all(step["request"] == request["id"] for step in found["trail"])
    assert (found["mode"], found["action_taken"]) == ("observe", "none")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["time"])


def test_equal_log_calls_are_two_defects_and_repeats_are_counted(tmp_path: Path) -> None:
    found = findings(tmp_path, APP)
    assert [(line["location"]["line"], line["count"]) for line in found] == [(14, 3), (15, 3)]
    assert len({line["key"] for line in found}) == 2


def test_a_key_outlives_edits_elsewhere_and_another_run(tmp_path: Path) -> None:
    before = findings(tmp_path, APP)
    moved = APP.replace("import io", "import io  # a comment\nimport os").replace(
        "(number):", "(number):\n    os.getpid()\n"
    )
    after = findings(tmp_path, moved)
    assert [line["key"] for line in before] == [line["key"] for line in after]
    assert [line["location"]["line"] for line in after] == [17, 18]
