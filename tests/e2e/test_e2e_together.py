"""Sentry and rasp in one process, in both orders; see ``benchmarks/together.py`` for OpenTelemetry and Zen."""

from __future__ import annotations

import json
import subprocess

import pytest
from e2e.serving import HERE, PATIENCE, PYTHON, clean_environ

BESIDE = {"raw-token-in-telemetry", "long-lived-token", "unvalidated-credential"}
"""What Sentry sends of the log line, and notes about the app's tokens."""
OURS = [["double-release", "warning", "drop", 1], ["raw-token-logged", "error", "leak", 1]]


def run(order, *options):
    command = [PYTHON, "together.py", order, *options]
    done = subprocess.run(
        command, cwd=HERE / "apps", env=clean_environ(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "RecursionError" not in done.stderr
    assert " failed with " not in done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("options", [(), ("early",)], ids=["before-flask", "after-flask"])
@pytest.mark.parametrize("order", ["sentry,rasp", "rasp,sentry"])
def test_one_finding_a_defect_and_everything_taken_back(order, options):
    plain = run("", *options)
    found = run(order, *options)
    assert found["answers"] == plain["answers"]
    assert found["again"]
    # What was logged goes to Sentry too, as a breadcrumb of a report: that is a finding of its own.
    assert [entry for entry in found["found"] if entry[0] not in BESIDE] == OURS
    assert found["sent"] > 0
    if order.endswith("rasp"):
        assert found["moved"] == []
    else:  # what Sentry wraps around rasp's wrapper stays around it
        assert set(found["moved"]) <= {"flask.app.Flask.__call__"}
