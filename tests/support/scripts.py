"""Runs scripts in processes of their own, plainly or under ``python -m rasp run``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 60


@dataclass(frozen=True)
class Ran:
    """How a script ended and what it left."""

    returncode: int
    stdout: str
    stderr: str
    findings: list[dict[str, Any]]

    def judged(self) -> list[tuple[str, int]]:
        """(rule, line) of every warning and error."""
        return [(found["rule"], found["location"]["line"]) for found in self.findings if found["severity"] != "note"]


class Scripts:
    """Writes scripts into a folder and runs them there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _run(self, command: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("RASP_", "_RASP_"))}
        return subprocess.run(
            command,
            cwd=self.folder,
            env=environ | variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def plain(self, source: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a script without rasp started for it."""
        return self._run([sys.executable, *options, str(self._write(source))], variables)

    def under_rasp(self, source: str, *options: str, **variables: str) -> Ran:
        """Runs a script under ``python -m rasp run``."""
        findings = self.folder / "findings.jsonl"
        findings.unlink(missing_ok=True)
        command = [sys.executable, "-m", "rasp", "run", "--findings", str(findings), *options, "--", sys.executable]
        done = self._run([*command, str(self._write(source))], variables)
        lines = findings.read_text().splitlines() if findings.exists() else []
        return Ran(done.returncode, done.stdout, done.stderr, [json.loads(line) for line in lines])

    def _write(self, source: str) -> Path:
        path = self.folder / "app.py"
        path.write_text(source)
        return path
