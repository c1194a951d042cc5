"""Builds the records of requests behind the request's path, on one thread of its own."""

from __future__ import annotations

import atexit
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rasp.ledger.scopes import Occurrence, RequestScope
from rasp.ledger.value import LiveValue
from rasp.model import Finding, RecordedEvent, RequestInfo, RequestRecord
from rasp.patching.guard import Guard
from rasp.responses.assembly import Assembly, request_info

WAITING = 10_000
"""Requests that may wait for the thread; more are dropped and counted."""
KEPT = 1_000
"""Records that ``rasp.testing`` can look back on."""
PATIENCE = 5.0
"""Seconds that the end of the process waits for the thread."""


class _Ended(NamedTuple):
    """What is taken off a request's scope before that is let go."""

    request: RequestInfo
    started_ns: int
    ended_ns: int
    thread: str
    credentials: tuple[LiveValue, ...]
    events: tuple[Occurrence, ...]
    dropped: int
    parent: tuple[str, str] | None
    traceparent: str | None
    findings: tuple[Finding, ...]
    overhead: float


class Recorder:
    """Takes ended requests; ``wanted`` tells whether anybody wants their records.

    Attributes:
        dropped: requests whose record was given up because too many waited.
    """

    def __init__(
        self,
        assembly: Assembly,
        guard: Guard,
        deliver: Callable[[RequestRecord, tuple[Finding, ...], float], None],
        wanted: Callable[[], bool],
        keeping: Callable[[bool], None],
    ) -> None:
        self._assembly = assembly
        self._guard = guard
        self._deliver = deliver
        self._wanted = wanted
        self._record = guard.protect("record", self._write)
        self._keep = False
        self._keeping = keeping
        self.dropped = 0
        self._exit_registered = False
        self.after_fork()

    @property
    def keep(self) -> bool:
        """Whether the records of requests are kept, for ``rasp.testing``."""
        return self._keep

    @keep.setter
    def keep(self, value: bool) -> None:
        self._keep = value
        self._keeping(value)

    def after_fork(self) -> None:
        """In the child there is no thread, and what waited belongs to the parent."""
        self._waiting: queue.SimpleQueue[_Ended | None] | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._kept: deque[_Ended] = deque(maxlen=KEPT)

    def ended(self, scope: RequestScope, findings: tuple[Finding, ...]) -> None:
        """A request is over; its scope is let go right after this."""
        wanted = self._wanted()
        if not (wanted or self._keep):
            return
        ended = self._taken(scope, findings)
        if self._keep:
            self._kept.append(ended)
        if not wanted:
            return
        waiting = self._waiting
        if waiting is None or self._thread is None:
            waiting = self._start()
        if waiting.qsize() >= WAITING:
            self.dropped += 1
            return
        waiting.put(ended)
        if self._thread is None:
            self._empty(waiting)

    def _taken(self, scope: RequestScope, findings: tuple[Finding, ...]) -> _Ended:
        return _Ended(
            request_info(scope),
            time.time_ns() - int((time.perf_counter() - scope.mark.started) * 1e9),
            time.time_ns(),
            scope.thread,
            tuple(scope.own()),
            tuple(scope.events) if scope.has("events") else (),
            scope.dropped,
            scope.parent_span,
            scope.traceparent,
            findings,
            self._guard.spent(),
        )

    def _start(self) -> queue.SimpleQueue[_Ended | None]:
        """Starts the thread, and has it drained before the exit handlers of what it writes to.

        Queue and thread are made together, and late: gunicorn patches for gevent after rasp was installed, and a
        greenlet that waits on a queue made for real threads stops every other greenlet of its process.
        """
        with self._lock:
            waiting = self._waiting
            if waiting is not None and self._thread is not None:
                return waiting
            waiting = self._waiting = waiting or queue.SimpleQueue()
            self._thread = threading.Thread(target=self._run, args=(waiting,), name="rasp-records", daemon=True)
            if not self._exit_registered:
                self._exit_registered = True
                atexit.register(self.drain)
            # With gevent, to start is to let other greenlets run; what they do is not rasp's own work.
            busy = self._guard.busy
            before, busy.now = busy.now, False
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is shutting down
                self._thread = None
            finally:
                busy.now = before
            return waiting

    def _run(self, waiting: queue.SimpleQueue[_Ended | None]) -> None:
        while True:
            ended = waiting.get()
            if ended is None:
                return
            self._record(ended)

    def _empty(self, waiting: queue.SimpleQueue[_Ended | None]) -> None:
        while not waiting.empty():
            ended = waiting.get()
            if ended is not None:
                self._record(ended)

    def _write(self, ended: _Ended) -> None:
        self._deliver(self._built(ended), ended.findings, ended.overhead)

    def _built(self, ended: _Ended) -> RequestRecord:
        credentials = dict.fromkeys(live.credential for live in ended.credentials)
        return RequestRecord(
            request=ended.request,
            started=ended.started_ns,
            ended=ended.ended_ns,
            thread=ended.thread,
            process=os.getpid(),
            credentials=tuple(credentials),
            events=tuple(
                RecordedEvent(
                    self._assembly.step(occurrence),
                    None if occurrence.live is None else occurrence.live.credential,
                )
                for occurrence in ended.events
            ),
            dropped=ended.dropped,
            parent=ended.parent,
            traceparent=ended.traceparent,
        )

    def records(self, in_flight: Iterable[RequestScope] = ()) -> list[RequestRecord]:
        """The records kept for tests, oldest first, and those of requests in flight so far."""
        current = [self._taken(scope, tuple(scope.findings)) for scope in in_flight]
        return [self._built(ended) for ended in (*self._kept, *current)]

    def forget(self) -> None:
        """Drops the kept records."""
        self._kept.clear()

    def drain(self) -> None:
        """Writes what waits, and ends the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
            # The next thread gets a queue of its own: what made this one may have been patched since.
            waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        if thread is not None and thread.is_alive():
            waiting.put(None)
            thread.join(PATIENCE)
        self._empty(waiting)
