"""Native handles that nobody releases.

At the end of a request: a handle that it acquired and stored on its ``g``, and that no other object keeps by then. That
is read off the number or pointer object that stands for the handle: it is kept by the app exactly as long as the app
refers to it. At the end of the process: whatever is open.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rasp.ledger.facts import Fact, LeftHeld
from rasp.ledger.native_handles import Handle, NativeHandle
from rasp.ledger.places import lines_of
from rasp.ledger.scopes import RequestMark, RequestScope

PER_REQUEST = 64
AT_EXIT = 200
_OURS = 3
"""References to a value that are not the app's: the place's, a local variable, and that of ``getrefcount``."""


@dataclass(slots=True, eq=False)
class _Place:
    """A handle on a ``g``: the object that stands for it, and that ``g``'s dict, which are not kept alive.

    A ``NativeHandle`` takes no weak reference, but is a number whose life nobody can notice.
    """

    handle: Handle
    number: NativeHandle | None
    pointer: weakref.ref[object] | None
    table: weakref.ref[object] | None

    def kept(self) -> bool:
        """Whether the app refers to it from elsewhere than from that ``g``."""
        value: object = self.number if self.pointer is None else self.pointer()
        if value is None:
            return False
        ours = _OURS if self.pointer is None else _OURS - 1
        table = None if self.table is None else self.table()
        if isinstance(table, dict):
            ours += sum(entry is value for entry in table.values())
        return sys.getrefcount(value) > ours


class Leaks:
    """Remembers which handles were stored on a request's ``g``.

    Attributes:
        places: of each request in flight, its handles on ``g``.
        since: handles up to this generation are the parent process's.
    """

    def __init__(self) -> None:
        self.places: dict[RequestMark, list[_Place]] = {}
        self.since = 0

    def placed(self, handle: Handle, value: object, table: object, mark: RequestMark) -> None:
        """A handle was stored on the ``g`` of the request that acquired it."""
        places = self.places.setdefault(mark, [])
        if len(places) < PER_REQUEST and all(place.handle is not handle for place in places):
            number = value if isinstance(value, NativeHandle) else None
            places.append(_Place(handle, number, None if number is not None else _weak(value), _weak(table)))

    def left(self, scope: RequestScope) -> Sequence[Fact]:
        """What a request that ends stored on its ``g``, and nobody released or kept."""
        return tuple(
            LeftHeld(live=place.handle.live, trail=(place.handle.acquired,), scope=scope, raisable=False, native=True)
            for place in self.places.pop(scope.mark, ())
            if place.handle.released is None and not place.kept()
        )

    def at_exit(self, opened: Iterable[Handle]) -> Sequence[Fact]:
        """What is open when the process ends, each place that acquired once."""
        seen = set()
        facts: list[Fact] = []
        for handle in opened:
            where = (handle.library, handle.acquired.tag, lines_of(handle.acquired.path[:1]))
            if handle.generation <= self.since or where in seen:
                continue
            seen.add(where)
            trail = (handle.acquired,)
            facts.append(LeftHeld(live=handle.live, trail=trail, scope=None, raisable=False, native=True, at_exit=True))
            if len(facts) >= AT_EXIT:
                break
        return facts


def _weak(value: object) -> weakref.ref[object] | None:
    try:
        return weakref.ref(value)
    except TypeError:
        return None
