"""Which epoch an object stands for, where the object itself can carry nothing: cdata, capsules, objects of C types.

``id(obj)`` names an object only while that lives. So: an object that takes weak references is followed by one. One that
takes none (a capsule, most C types) is kept alive from its release on, among the last ones released: a second release
is then certainly of that very object. Before its release it is not kept, for its destructor belongs to the app.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from rasp.ledger.native_handles import Handle

OPEN_BOUND = 10_000
"""Objects remembered that take no weak reference and are not released."""


@dataclass(slots=True, eq=False)
class _Entry:
    """``kept`` is the object itself, from its release on, where it takes no weak reference."""

    handle: Handle
    kind: type
    weak: weakref.ref[object] | None
    kept: object = None
    ended: bool = False


class Identities:
    """Objects that stand for a native handle. ``gone`` is told of a handle whose object died."""

    def __init__(self, gone: Callable[[Handle], None], remembered: int) -> None:
        self._gone = gone
        self._remembered = remembered
        self._lock = threading.RLock()
        self._entries: dict[int, _Entry] = {}
        self._bare: OrderedDict[int, None] = OrderedDict()
        self._kept: OrderedDict[int, None] = OrderedDict()
        self._serials = itertools.count(1)

    def __len__(self) -> int:
        return len(self._entries)

    def serial(self) -> int:
        """A number that no other object had: the slot of an object without an address."""
        return next(self._serials)

    def bind(self, value: object, handle: Handle) -> None:
        """From now on this object stands for that handle."""
        key = id(value)
        try:
            weak = weakref.ref(value, lambda ref: self._died(key, ref))
        except TypeError:
            weak = None
        with self._lock:
            before = self._entries.pop(key, None)
            self._bare.pop(key, None)
            self._kept.pop(key, None)
            self._entries[key] = _Entry(handle, type(value), weak)
            if weak is None:
                self._bare[key] = None
                if len(self._bare) > OPEN_BOUND:
                    self._entries.pop(self._bare.popitem(last=False)[0], None)
        if before is not None and before.weak is None and before.handle is not handle:
            self._gone(before.handle)

    def of(self, value: object) -> Handle | None:
        """The epoch that this very object stands for."""
        entry = self._entry(value)
        return None if entry is None else entry.handle

    def _entry(self, value: object) -> _Entry | None:
        entry = self._entries.get(id(value))
        if entry is None:
            return None
        if entry.weak is not None:
            return entry if entry.weak() is value else None
        if entry.kept is not None:
            return entry if entry.kept is value else None
        return entry if entry.kind is type(value) else None

    def keep(self, value: object) -> None:
        """This object was released: what takes no weak reference is kept, so that no other one gets its ``id``."""
        entry = self._entry(value)
        if entry is None or entry.weak is not None:
            return
        evicted = None
        with self._lock:
            entry.kept = value
            self._bare.pop(id(value), None)
            self._kept[id(value)] = None
            if len(self._kept) > self._remembered:
                evicted = self._entries.pop(self._kept.popitem(last=False)[0], None)
        del evicted  # outside the lock: this may run the object's destructor

    def end(self, value: object) -> bool:
        """Notes that the object's own library has let go of it; whether it had before."""
        entry = self._entry(value)
        if entry is None:
            return False
        before, entry.ended = entry.ended, True
        return before

    def unfollowed(self) -> list[Handle]:
        """Handles of objects that take no weak reference: nobody can tell whether those still live."""
        with self._lock:
            return [self._entries[key].handle for key in self._bare if key in self._entries]

    def clear(self) -> None:
        """Lets go of everything."""
        with self._lock:
            self._bare.clear()
            self._kept.clear()
            entries, self._entries = self._entries, {}
        entries.clear()

    def after_fork(self) -> None:
        """In the child the lock is held by nobody."""
        self._lock = threading.RLock()

    def _died(self, key: int, ref: object) -> None:
        """Runs whenever the collector likes, also inside any method of this class."""
        entry = self._entries.get(key)
        if entry is not None and entry.weak is ref:
            self._entries.pop(key, None)
            self._gone(entry.handle)
