"""Programs of the system that some tests need: installed where that can be done, else the test says what it lacks."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

FOLDERS = ("/usr/sbin", "/usr/bin", "/usr/local/bin")
PATIENCE = 600


def needed(program: str, package: str, pattern: str = "") -> str:
    """The path of a program, of a Debian package that is installed if it is missing and this is root's machine.

    Args:
        program: its name.
        package: the Debian package that brings it.
        pattern: where it lies, if that is not on the path; a pattern below ``/``.
    """
    found = _found(program, pattern)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        # One worker at a time, and those who waited look again.
        with (Path(tempfile.gettempdir()) / "rasp-tests-apt.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = _found(program, pattern) or _installed(program, package, pattern)
    if found is None:
        pytest.skip(f"{program} is not installed: apt-get install {package}")
    return found


def _found(program: str, pattern: str) -> str | None:
    if pattern:
        places = sorted(Path("/").glob(pattern.lstrip("/")))
        return str(places[-1]) if places else None
    return shutil.which(program) or shutil.which(program, path=os.pathsep.join(FOLDERS))


def _installed(program: str, package: str, pattern: str) -> str | None:
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package],
    ):
        subprocess.run(
            command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False
        )
    return _found(program, pattern)
