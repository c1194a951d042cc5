"""The epochs of native handles, for the whole process (DESIGN 3.3; ``FACTS``: ledger of native handles).

An address is not an identity: the library hands it out again. Every acquire opens a new generation of its address, and
a handle that remembers its own generation can be told from the new owner of its address. A release is entered before
the native call, since ctypes lets other threads run during it, and taken back if the call was never made.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from rasp.ledger.desk import Desk
from rasp.ledger.events import NativeAcquired, NativeReleasing, NativeUsed
from rasp.ledger.facts import Evidence, Fact, ReleasedUnacquired, Reuse, SecondRelease, UsedAfterRelease
from rasp.ledger.scopes import Occurrence, RequestMark, RequestScope
from rasp.ledger.value import LiveValue
from rasp.model import Action

BOUND = 100_000
"""Open handles remembered."""
RELEASED_BOUND = 10_000
"""Released handles remembered; the oldest are forgotten first."""


@dataclass(slots=True, eq=False)
class Handle:
    """One generation of an address. ``references`` counts acquires that gave out the same live address."""

    library: str
    address: int
    generation: int
    live: LiveValue | None
    acquired: Occurrence
    references: int = 1
    released: Occurrence | None = None
    result: object = None
    calls: dict[RequestMark | None, int] = field(default_factory=dict)


class NativeBook:
    """Judges native handles. Its lock is re-entrant: a collection inside it may run a finaliser that releases."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.RLock()
        self._current: OrderedDict[tuple[str, int], Handle] = OrderedDict()
        self._released: OrderedDict[tuple[str, int, int], Handle] = OrderedDict()
        self._generation = 0
        self.dropped = 0

    def acquired(self, event: NativeAcquired) -> Handle:
        """Opens a generation, or adds a reference to a live address."""
        scope = self._desk.scopes.here()
        live = self._credential_of(event.arguments)
        occurrence = self._desk.occur(
            Action.ACQUIRE, _name(event.library), _slot(event.function, event.handle), event.path, live, scope
        )
        key = (event.library, event.handle)
        with self._lock:
            open_handle = self._current.get(key)
            if open_handle is not None and open_handle.released is None:
                open_handle.references += 1
                return open_handle
            self._generation += 1
            handle = Handle(event.library, event.handle, self._generation, live, occurrence)
            if open_handle is not None:
                self._keep_released(open_handle)
            self._current[key] = handle
            self._current.move_to_end(key)
            if len(self._current) > BOUND:
                self._current.popitem(last=False)
                self.dropped += 1
            return handle

    def _keep_released(self, handle: Handle) -> None:
        self._released[(handle.library, handle.address, handle.generation)] = handle
        if len(self._released) > RELEASED_BOUND:
            self._released.popitem(last=False)

    def find(self, library: str, address: int, generation: int | None) -> Handle | None:
        """The handle an address stands for: the generation it remembers, else the current one."""
        with self._lock:
            current = self._current.get((library, address))
            if generation is None or (current is not None and current.generation == generation):
                return current
            return self._released.get((library, address, generation), current)

    def used(self, event: NativeUsed) -> Sequence[Fact]:
        """A use is wrong once the handle's generation was released."""
        handle = self.find(event.library, event.handle, event.generation)
        if handle is None:
            return ()
        scope = self._desk.scopes.here()
        slot = _slot(event.function, event.handle)
        used = self._desk.occur(Action.USE, _name(event.library), slot, event.path, handle.live, scope)
        released = handle.released
        if released is None:
            return ()
        trail = (handle.acquired, released, used)
        return (UsedAfterRelease(live=handle.live, trail=trail, scope=scope, native=True),)

    def releasing(self, event: NativeReleasing) -> tuple[Sequence[Fact], Handle | None]:
        """Enters a release before its call; the handle is returned for ``roll_back`` if this one ended its epoch."""
        scope = self._desk.scopes.here()
        handle = self.find(event.library, event.handle, event.generation)
        slot = _slot(event.function, event.handle)
        live = handle.live if handle is not None else None
        again = self._desk.occur(Action.RELEASE, _name(event.library), slot, event.path, live, scope)
        if handle is None:
            return self._unknown(event, again, scope), None
        with self._lock:
            first = handle.released
            if first is None:
                handle.references -= 1
                if handle.references <= 0:
                    handle.released = again
                    return self._busy(handle, again, scope), handle
                return (), None
        fact = SecondRelease(
            live=handle.live,
            trail=(handle.acquired, first, again),
            scope=scope,
            evidence=Evidence.CERTAIN,
            native=True,
            skippable=True,
        )
        return (fact,), handle

    def _busy(self, handle: Handle, again: Occurrence, scope: RequestScope | None) -> Sequence[Fact]:
        """A handle that is in a call of another request must not be released."""
        mine = None if scope is None else scope.mark
        if any(count and request is not mine for request, count in handle.calls.items()):
            return (Reuse(live=handle.live, trail=(handle.acquired, again), scope=scope, how="native"),)
        return ()

    def _unknown(self, event: NativeReleasing, again: Occurrence, scope: RequestScope | None) -> Sequence[Fact]:
        if event.handle == 0:
            return ()
        return (ReleasedUnacquired(live=None, trail=(again,), scope=scope, native=True, declared=event.declared),)

    def roll_back(self, handle: Handle) -> None:
        """The release was not made: the call failed before the native function ran."""
        with self._lock:
            handle.released = None
            handle.references = max(handle.references + 1, 1)

    def _credential_of(self, arguments: Sequence[object]) -> LiveValue | None:
        for argument in arguments:
            value = getattr(argument, "value", argument)
            text = value.decode("latin-1") if isinstance(value, bytes) else value
            if isinstance(text, str):
                live = self._desk.values.get(text)
                if live is not None:
                    return live
        return None

    def renew_lock(self) -> None:
        """After a fork."""
        self._lock = threading.RLock()


def _name(library: str) -> str:
    return f"native.{library}"


def _slot(function: str, handle: int) -> str:
    return f"{function}({handle:#x})"
