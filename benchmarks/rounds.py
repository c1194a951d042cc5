"""Processes that are measured in turn: each variant is one of its own, and while one works the others are stopped.

A benchmark starts itself again as ``--worker VARIANT``; the worker answers questions on its standard input, one JSON
object a line, through a ``Channel``. All workers of a comparison share one core, so that none is favoured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

Answer = dict[str, Any]
PAGE = os.sysconf("SC_PAGE_SIZE")
CUT = ("PYTEST_", "RASP_", "_RASP_", "PYTHON", "VIRTUAL_ENV", "OTEL_", "FLASK_", "DD_", "AIKIDO_", "SENTRY_")
"""Variables, by how they begin, that change what is measured."""


class WorkerError(Exception):
    """A variant did not start, or ended before its time; the text is its last words."""


def environment() -> dict[str, str]:
    """The variables of this process, less those that change what is measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith(CUT)}


class Worker:
    """One variant in a process of its own, stopped except while it answers."""

    def __init__(
        self,
        script: str,
        variant: str,
        *arguments: str,
        python: str = sys.executable,
        cores: Sequence[int] = (),
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.variant = variant
        # Not a pipe: some agents write more than one holds.
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in close()
        self._process = subprocess.Popen(
            [python, script, "--worker", variant, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment() | dict(variables or {}),
            start_new_session=True,
        )
        os.sched_setaffinity(self._process.pid, cores or os.sched_getaffinity(0))
        try:
            self.ready = self._read()
        except BaseException:
            self.close()
            raise

    def ask(self, **question: Any) -> Answer:
        """Lets it work on one question; its answer."""
        assert self._process.stdin is not None
        self._signal(signal.SIGCONT)
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # what it left on standard error says why
        return self._read()

    def _read(self) -> Answer:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"{self.variant}: {self._last_words()}")
        self._signal(signal.SIGSTOP)
        answer: Answer = json.loads(line)
        return answer

    def _last_words(self) -> str:
        status = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1][:160] if lines else f"ended with status {status}"

    def _signal(self, number: int) -> None:
        """To all processes of its session: some agents bring one of their own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def close(self) -> None:
        """Ends it."""
        self._signal(signal.SIGKILL)
        self._process.communicate()
        self._errors.close()


@contextlib.contextmanager
def workers(
    script: str, variants: Sequence[str], *arguments: str, cores: Sequence[int] = ()
) -> Iterator[dict[str, Worker]]:
    """One worker for each variant, of this interpreter."""
    found: dict[str, Worker] = {}
    try:
        for variant in variants:
            found[variant] = Worker(script, variant, *arguments, cores=cores)
        yield found
    finally:
        for worker in found.values():
            worker.close()


class Channel:
    """In a worker: its way to whoever asks. From its making on, what others print goes to standard error."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def answer(self, work: Callable[..., Answer], ready: Answer | None = None) -> None:
        """Says that it is ready, then answers until its standard input ends."""
        print(json.dumps(ready or {}), file=self._out, flush=True)
        for line in sys.stdin:
            print(json.dumps(work(**json.loads(line))), file=self._out, flush=True)


def resident() -> float:
    """MB that this process has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


def peak() -> float:
    """The most MB that this process had in memory since ``reset_peak``."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def reset_peak() -> None:
    """Lets ``peak`` begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def progress(text: str) -> None:
    """Says on standard error how far it is; on a terminal in one line."""
    end = "\r" if sys.stderr.isatty() else "\n"
    print(text.ljust(70) if end == "\r" else text, end=end, file=sys.stderr, flush=True)


def turned(names: list[str], number: int) -> list[str]:
    """Another order every round, so that none always follows the same other."""
    at = number % len(names)
    return names[at:] + names[:at]


def default_core() -> int:
    """Where the measured processes run unless one is named: the last one that there is."""
    return max(os.sched_getaffinity(0))


def end_tidily() -> None:
    """Lets a terminated program end its workers, which would stay stopped for good."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))


def main_of(parser: argparse.ArgumentParser, worker: Callable[..., None]) -> argparse.Namespace:
    """Parses the command line; a worker never comes back from here."""
    if sys.argv[1:2] == ["--worker"]:
        worker(*sys.argv[2:])
        sys.exit(0)
    end_tidily()
    return parser.parse_args()
