"""A pytest plugin that writes down how each test ended and what was warned, for ``upstream.py``.

It runs inside the virtual environments of other projects, so it imports nothing but pytest.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

import pytest

OUTPUT = "UPSTREAM_RECORD"


class Recorded:
    """What one run of a suite came to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._outcomes: dict[str, str] = {}
        self._warnings: list[str] = []
        self._contained: dict[str, int] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test counts as failed if any of its phases did."""
        outcome = "xfailed" if report.skipped and hasattr(report, "wasxfail") else report.outcome
        if (report.when == "call" or outcome != "passed") and self._outcomes.get(report.nodeid) != "failed":
            self._outcomes[report.nodeid] = outcome

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that cannot be collected is a failure under its own name."""
        if report.failed:
            self._outcomes[report.nodeid] = "failed"

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, nodeid: str) -> None:
        """Every warning that pytest would show, with the test it came from."""
        self._warnings.append(f"{nodeid} {warning_message.category.__name__}")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """What broke inside rasp without reaching the app is a defect too."""
        process = sys.modules.get("rasp.runtime")
        runtime = None if process is None else process.active()
        self._contained = {} if runtime is None else dict(runtime.guard.failures)

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """At the very end: other plugins may still warn when the session finishes."""
        record = {"outcomes": self._outcomes, "warnings": self._warnings, "contained": self._contained}
        self._path.write_text(json.dumps(record), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Records where ``upstream.py`` said so."""
    config.pluginmanager.register(Recorded(Path(os.environ[OUTPUT])), "upstream-recorded")
