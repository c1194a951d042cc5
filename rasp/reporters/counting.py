"""One defect, one report: the first occurrence goes out at once, later ones only add to its count."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import methodcaller

from rasp.model import Finding, RequestRecord, Severity
from rasp.reporters.base import EveryOccurrence, Reporter

INTERVAL = 10.0
"""Seconds between two reports of a count that grows."""

LIMIT = 10_000
"""Defects remembered per process."""


@dataclass(slots=True)
class _Entry:
    finding: Finding
    count: int
    reported: int
    reported_at: float


class Counting:
    """Hands findings to every reporter once per defect (``Finding.key``) and process.

    A repeated occurrence bumps a number; the count so far is reported every 10 s while it grows, and by
    ``close``. No lock is held while a reporter writes, since its writing may itself make a finding. A
    reporter that raises is counted, named once on stderr with the error's class, and stops no other.

    Attributes:
        instance: random id of this process's counts; another one after a fork.
        dropped: occurrences of defects that found the table full; they are in no report.
        failures: calls of reporters that raised.
        worst: the highest severity seen, ``None`` before the first finding.
    """

    def __init__(
        self,
        reporters: Sequence[Reporter],
        *,
        clock: Callable[[], float] = time.monotonic,
        interval: float = INTERVAL,
        limit: int = LIMIT,
        background: bool = True,
    ) -> None:
        """``background``: a daemon thread drives ``tick`` while counts grow; without, the caller does."""
        self.reporters = tuple(reporters)
        self._every = tuple(reporter for reporter in reporters if isinstance(reporter, EveryOccurrence))
        self._clock = clock
        self._interval = interval
        self._limit = limit
        self._background = background
        self._closed = False
        self.after_fork()

    def add(self, reporter: Reporter) -> None:
        """From now on this reporter is told too."""
        self.reporters = (*self.reporters, reporter)
        self._every = tuple(entry for entry in self.reporters if isinstance(entry, EveryOccurrence))

    def remove(self, reporter: Reporter) -> None:
        """From now on this reporter is told nothing; it is not closed."""
        self.reporters = tuple(entry for entry in self.reporters if entry is not reporter)
        self._every = tuple(entry for entry in self.reporters if isinstance(entry, EveryOccurrence))

    def after_fork(self) -> None:
        """Starts anew, as a forked child must: another instance, all counts zero, no lock of the parent."""
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._table: dict[str, _Entry] = {}
        self._complained: set[int] = set()
        self.instance = os.urandom(8).hex()
        self.dropped = 0
        self.failures = 0
        self.worst: Severity | None = None

    def finding(self, finding: Finding) -> None:
        """Takes one occurrence; the caller need not fill in ``instance`` and ``count``."""
        first, grown, start = self._count(finding)
        if first is not None:
            self._deliver("finding", methodcaller("finding", first))
        if grown is not None:
            self._deliver("recount", methodcaller("recount", grown))
        for reporter in self._every:
            self._guarded(reporter, "occurrence", partial(reporter.occurrence, finding))
        if start is not None:
            self._start(start)

    def record(self, record: RequestRecord, findings: tuple[Finding, ...]) -> None:
        """Hands a request's record and every occurrence in it to the reporters."""
        self._deliver("record", methodcaller("record", record, findings))

    def tick(self, now: float | None = None) -> bool:
        """Reports the counts that grew and are due; whether any count still waits."""
        now = self._clock() if now is None else now
        with self._lock:
            grown = [entry for entry in self._table.values() if entry.count > entry.reported]
            due = [self._taken(entry, now) for entry in grown if now - entry.reported_at >= self._interval]
        self._recount(due)
        return len(grown) > len(due)

    def close(self) -> None:
        """Reports the counts that grew and closes every reporter; later findings reach none of them."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            grown = [entry for entry in self._table.values() if entry.count > entry.reported]
            due = [self._taken(entry, 0.0) for entry in grown]
        self._wake.set()
        self._recount(due, closing=True)
        for reporter in self.reporters:
            self._guarded(reporter, "close", reporter.close)

    def snapshot(self) -> list[Finding]:
        """The defects of this process in the order in which they were found, with their counts so far."""
        with self._lock:
            entries = [(entry.finding, entry.count) for entry in self._table.values()]
        return [replace(finding, count=count) for finding, count in entries]

    def _count(self, finding: Finding) -> tuple[Finding | None, Finding | None, threading.Thread | None]:
        """Counts an occurrence: the finding to report, the count to report, the thread to start."""
        with self._lock:
            if self.worst is None or finding.severity > self.worst:
                self.worst = finding.severity
            entry = self._table.get(finding.key)
            if entry is None:
                return self._first(finding), None, None
            entry.count += 1
            now = self._clock()
            if now - entry.reported_at >= self._interval:
                return None, self._taken(entry, now), None
            return None, None, self._prepared()

    def _first(self, finding: Finding) -> Finding | None:
        if len(self._table) >= self._limit:
            self.dropped += 1
            return None
        finding = replace(finding, instance=self.instance, count=1)
        self._table[finding.key] = _Entry(finding, 1, 1, self._clock())
        return finding

    def _taken(self, entry: _Entry, now: float) -> Finding:
        """The finding with its count, marked as reported."""
        entry.reported = entry.count
        entry.reported_at = now
        return replace(entry.finding, count=entry.count)

    def _recount(self, due: list[Finding], *, closing: bool = False) -> None:
        for finding in due:
            self._deliver("recount", methodcaller("recount", finding), closing=closing)

    def _deliver(self, what: str, call: Callable[[Reporter], None], *, closing: bool = False) -> None:
        if self._closed and not closing:
            return
        for reporter in self.reporters:
            self._guarded(reporter, what, partial(call, reporter))

    def _guarded(self, reporter: object, what: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - structlog and OpenTelemetry run code of the app
            self.failures += 1
            if id(reporter) not in self._complained:
                self._complained.add(id(reporter))
                _complain(f"rasp: {type(reporter).__name__}.{what} failed: {type(error).__name__}\n")

    def _prepared(self) -> threading.Thread | None:
        """The thread that reports growing counts, if one is needed and none is there."""
        if not self._background or self._closed or self._thread is not None:
            return None
        self._thread = threading.Thread(target=self._run, args=(self._wake,), name="rasp-counts", daemon=True)
        return self._thread

    def _start(self, thread: threading.Thread) -> None:
        try:
            thread.start()
        except RuntimeError:
            self._thread = None  # no thread can be started now: occurrences and close() report the counts

    def _run(self, wake: threading.Event) -> None:
        """Ticks until no count has grown for a whole interval; a later repetition starts another thread."""
        while not wake.wait(self._interval):
            if not self.tick() and self._rests():
                return

    def _rests(self) -> bool:
        with self._lock:
            if any(entry.count > entry.reported for entry in self._table.values()):
                return False
            self._thread = None
            return True


def _complain(text: str) -> None:
    """One line on stderr, where there is one."""
    try:
        sys.stderr.write(text)
    except (OSError, ValueError, AttributeError):
        pass  # closed, full or absent: there is nowhere left to say it
