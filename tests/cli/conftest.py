"""Starts the real command line in processes of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = f"import sys; sys.path[:1] = [{str(ROOT)!r}]; from rasp.cli.main import main; sys.exit(main())"
"""Starts rasp as its console script does: the working directory is not on its path, nor on its child's."""

PATIENCE = 60
FOREIGN = ("PYTHONPATH", "PYTHONUNBUFFERED", "NO_COLOR")
"""Variables of whoever runs the tests that would change what they see."""


class CommandLine:
    """Runs ``rasp`` with arguments in one working directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = [sys.executable, "-c", LAUNCHER]
        self.environ = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RASP_", "_RASP_")) and name not in FOREIGN
        }

    def __call__(self, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs to the end."""
        return subprocess.run(
            [*self.prefix, *map(str, arguments)],
            cwd=self.folder,
            env=self.environ | variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def python(self, code: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """``rasp run [options] -- python -c code``."""
        return self("run", *options, "--", sys.executable, "-c", code, **variables)

    def answer(self, code: str, *options: str, **variables: str) -> object:
        """What code under ``rasp run`` printed as JSON."""
        done = self.python(code, *options, **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self, *arguments: object, **variables: str) -> subprocess.Popen[str]:
        """Runs beside the test, in a session of its own."""
        return subprocess.Popen(
            [*self.prefix, *map(str, arguments)],
            cwd=self.folder,
            env=self.environ | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


@pytest.fixture
def rasp(tmp_path):
    return CommandLine(tmp_path)


@pytest.fixture
def checkout():
    """The folder from which ``python -m rasp`` works even where rasp is not installed."""
    return ROOT


@pytest.fixture
def started(rasp):
    """``started(*arguments)`` runs beside the test; what still runs at its end is killed with its group."""
    processes = []

    def start(*arguments, **variables):
        processes.append(rasp.start(*arguments, **variables))
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
