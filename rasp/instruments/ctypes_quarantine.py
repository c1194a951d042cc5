"""Quarantine: memory and handles whose real release is put off, so that their addresses cannot come back at once.

A stale number that is released again then hits an address that certainly is nobody else's. What is held back is really
released once it is no longer among the last ones, and of a library that is called in another way, before that call.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from rasp.ledger.native_handles import Handle

BYTES = 4_000_000
"""Memory held back at most."""


@dataclass(slots=True, eq=False)
class _Held:
    handle: Handle
    really: Callable[[int], object]
    size: int


class HeldBack:
    """The releases that were put off, the oldest first. ``forget`` is told of each one before it is really made."""

    def __init__(self, count: int, forget: Callable[[Handle], None]) -> None:
        self._count = count
        self._forget = forget
        self._lock = threading.RLock()
        self._waiting: deque[_Held] = deque()
        self._bytes = 0
        self.libraries: set[str] = set()

    def put_off(self, handle: Handle, really: Callable[[int], object], size: int) -> None:
        """Holds a release back, and makes those that have waited long enough."""
        with self._lock:
            self._waiting.append(_Held(handle, really, size))
            self._bytes += size
            self.libraries.add(handle.library)
        while True:
            with self._lock:
                if len(self._waiting) <= self._count and self._bytes <= BYTES:
                    return
                entry = self._waiting.popleft()
                self._bytes -= entry.size
            self._make(entry)

    def flush(self, library: str | None = None) -> None:
        """Makes what waits, of one library or of all."""
        with self._lock:
            wanted = [entry for entry in self._waiting if library in (None, entry.handle.library)]
            if not wanted:
                return
            kept = [entry for entry in self._waiting if library not in (None, entry.handle.library)]
            self._waiting = deque(kept)
            self._bytes = sum(entry.size for entry in kept)
            self.libraries = {entry.handle.library for entry in kept}
        for entry in wanted:
            self._make(entry)

    def _make(self, entry: _Held) -> None:
        self._forget(entry.handle)
        entry.really(entry.handle.address)

    def after_fork(self) -> None:
        """In the child, whose memory is a copy, no lock is held."""
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._waiting)
