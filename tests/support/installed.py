"""Installs a loud runtime for a test, and proves that nothing of it is left afterwards."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rasp import runtime as process
from rasp.config import load
from rasp.model import Finding, RequestRecord, Severity
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint
from rasp.runtime import Runtime

TESTS = Path(__file__).resolve().parents[1]
UNCHECKED = {"unvalidated-credential": "off"}
QUIET = {"report": False, "otel": False, "project_root": str(TESTS), "rules": UNCHECKED}
"""What a test gets unless it says otherwise: no output of its own, and the tests are the app's code.

Most of their apps read a key and check nothing, which is not what they are about: that note is off.
"""

MISSING = object()
PATIENCE = 300
"""Hundredths of a second for a connection to be closed by the other side."""


class Memory:
    """A reporter that keeps everything."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.recounts: list[Finding] = []
        self.records: list[RequestRecord] = []
        self.closed = 0

    def finding(self, finding: Finding) -> None:
        self.findings.append(finding)

    def recount(self, finding: Finding) -> None:
        self.recounts.append(finding)

    def record(self, record: RequestRecord, findings: tuple[Finding, ...]) -> None:
        self.records.append(record)

    def close(self) -> None:
        self.closed += 1


class Installed:
    """A runtime in place, and what it reported."""

    def __init__(self, runtime: Runtime, memory: Memory) -> None:
        self.runtime = runtime
        self.memory = memory

    @property
    def findings(self) -> list[Finding]:
        """Findings, notes included."""
        return self.memory.findings

    @property
    def guard(self) -> Any:
        return self.runtime.guard

    def judged(self) -> list[tuple[str, str, str]]:
        """(rule, severity, function) of every warning and error."""
        return [
            (found.rule, found.severity.word, found.location.function)
            for found in self.findings
            if found.severity >= Severity.WARNING
        ]

    def records(self) -> list[RequestRecord]:
        """The records of all requests that are over; needs ``record=True``."""
        self.runtime.recorder.drain()
        return self.memory.records

    def seen(self, *holders: str) -> list[tuple[str, str]]:
        """(action, holder) of every recorded event of these holders, over all requests in order."""
        return [
            (event.step.action.value, event.step.holder)
            for record in self.records()
            for event in record.events
            if event.step.holder in holders
        ]

    def state(self, instrument: str) -> tuple[str, str]:
        """(state, reason) of an instrument."""
        status = next(status for status in self.runtime.statuses() if status.instrument == instrument)
        return status.state, status.reason


class Process:
    """What of the process an installation touches; taken before, compared after."""

    def __init__(self) -> None:
        self.registered: list[Callable[..., Any]] = []
        self._register, self._unregister = atexit.register, atexit.unregister
        self.meta_path = list(sys.meta_path)
        self.threads = set(threading.enumerate())
        self.files = open_files()
        self.hooks = (sys.excepthook, threading.excepthook, sys.unraisablehook)

    def watch_exits(self) -> None:
        """Follows what rasp registers for the end of the process."""

        def register(function: Any, *args: Any, **kwargs: Any) -> Any:
            if (getattr(function, "__module__", None) or "").startswith("rasp") and not known(function):
                self.registered.append(function)
            return self._register(function, *args, **kwargs)

        def unregister(function: Any) -> None:
            self.registered = [other for other in self.registered if other != function]
            self._unregister(function)

        atexit.register, atexit.unregister = register, unregister

    def check(self) -> None:
        """Fails if anything is left."""
        atexit.register, atexit.unregister = self._register, self._unregister
        left = list(self.registered)
        for function in left:
            atexit.unregister(function)
        assert [finder for finder in sys.meta_path if type(finder).__module__.startswith("rasp")] == []
        assert [finder for finder in self.meta_path if finder not in sys.meta_path] == []
        assert left == [], "registered for the end of the process and not taken back"
        ours = [
            thread for thread in threading.enumerate() if thread.name.startswith("rasp") and thread not in self.threads
        ]
        for thread in ours:
            thread.join(20)
        assert [thread.name for thread in ours if thread.is_alive()] == []
        if left_open(self.files):
            gc.collect()  # a socket in the traceback of an exception that was expected
        assert left_open(self.files) == set(), "files left open"
        assert (sys.excepthook, threading.excepthook, sys.unraisablehook) == self.hooks


def known(function: Any) -> bool:
    """What still stays registered: see ``tests/safety/test_uninstall.py``."""
    return getattr(function, "__qualname__", "") == "Recorder.drain"


def left_open(before: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """What is open beside what was; a test server's thread may still be about to close its last connection."""
    for _ in range(PATIENCE):
        left = open_files() - before
        if not any(target.startswith("socket:") for _, target in left):
            break
        threading.Event().wait(0.01)
    return left


def open_files() -> set[tuple[str, str]]:
    """(descriptor, what it is) of all open files of this process, its own listing aside."""
    found = set()
    for name in set(os.listdir("/proc/self/fd")) - {"0", "1", "2"}:
        try:
            found.add((name, os.readlink(f"/proc/self/fd/{name}")))
        except FileNotFoundError:
            continue  # the descriptor of the listing itself
    return found


def install(
    folder: Path, *, mode: str = "observe", record: bool = False, loud: bool = True, **settings: Any
) -> Installed:
    """Installs a runtime; ``record`` has every request recorded, into a file in ``folder`` too."""
    events = {"events": str(folder / "events.jsonl")} if record else {}
    config = load({**QUIET, **events, "mode": mode, **settings}, environ={}, directory=TESTS)
    memory = Memory()
    assert process._PROCESS.runtime is None, "another test has left rasp installed"
    return Installed(process.install(config, loud=loud, extra=(memory,)), memory)


def instruments_of(config_folder: Path) -> list[Instrument]:
    """All instruments, of a runtime that is never started."""
    runtime = Runtime(load(dict(QUIET), environ={}, directory=config_folder))
    return [planned.load() for planned in runtime.planned]


def at(point: PatchPoint) -> object:
    """What stands at a patch point itself, unbound; ``MISSING`` if nothing does or it is inherited."""
    *parents, attribute = point.path.split(".")
    target: Any = sys.modules.get(point.module)
    for name in parents:
        target = getattr(target, name, None)
    return MISSING if target is None else getattr(target, "__dict__", {}).get(attribute, MISSING)


__all__ = ["MISSING", "QUIET", "TESTS", "Installed", "Memory", "Process", "at", "install", "instruments_of"]
