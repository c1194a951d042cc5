"""One epoch of a native handle, the number that carries it, and the table of them all.

An address is not an identity: the library hands it out again. Every acquire opens a new epoch of its address, and what
carries its own epoch (a ``NativeHandle``, a tagged pointer object) can be told from the new owner of its address.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rasp.ledger.scopes import Occurrence, RequestMark
from rasp.ledger.value import LiveValue

BOUND = 100_000
"""Open handles remembered."""
TAG = "_rasp_epoch"
"""The attribute of a pointer object that carries its epoch."""


@dataclass(slots=True, eq=False)
class Call:
    """A native call that was given a handle and has not returned: by which request, on which thread."""

    handle: Handle
    request: RequestMark | None
    ident: int
    entered: Occurrence


@dataclass(slots=True, eq=False)
class Handle:
    """One epoch of an address. ``references`` counts acquires and retains of it; at 0 it is released.

    ``thread_safe`` is the library's declaration. ``finished``: the native release has returned ``result``.
    ``attended``: it needs no release of the app's own code, since a destructor or the end of its object is one.
    """

    library: str
    address: int
    generation: int
    live: LiveValue | None
    acquired: Occurrence
    thread_safe: bool | None = None
    references: int = 1
    released: Occurrence | None = None
    releaser: int = 0
    result: object = None
    finished: bool = False
    waited: threading.Event | None = None
    calls: list[Call] = field(default_factory=list)
    attended: bool = False


@dataclass(slots=True, eq=False)
class Release:
    """A release that was entered before its call. ``ended``: it ended the epoch; else a reference is left."""

    handle: Handle
    ended: bool


class NativeHandle(int):
    """A handle that carries its epoch; in all else, and to pickle, the integer it is."""

    _rasp_epoch: Handle

    @classmethod
    def of(cls, value: int, epoch: Handle) -> NativeHandle:
        """The number as a handle of that epoch."""
        made = cls(value)
        made._rasp_epoch = epoch
        return made

    def __reduce__(self) -> Any:
        return (int, (int(self),))


def epoch_of(value: object) -> Handle | None:
    """The epoch that a number or pointer object carries, if any. Asks no object of the app for an attribute."""
    if type(value) is NativeHandle:
        return value._rasp_epoch
    try:
        found = object.__getattribute__(value, "__dict__").get(TAG)
    except AttributeError:
        return None
    return found if isinstance(found, Handle) else None


class HandleTable:
    """Who owns an address now, and whom it belonged to last. Its user holds a lock.

    Attributes:
        dropped: open handles given up because there were too many.
    """

    def __init__(self, remembered: int) -> None:
        self._remembered = remembered
        self._current: OrderedDict[tuple[str, int], Handle] = OrderedDict()
        self._released: OrderedDict[int, Handle] = OrderedDict()
        self.generation = 0
        self.dropped = 0

    def get(self, library: str, address: int) -> Handle | None:
        """The last epoch of an address that is known: open or released."""
        return self._current.get((library, address))

    def open(self, handle: Handle) -> None:
        """A new epoch of its address."""
        key = (handle.library, handle.address)
        self._current[key] = handle
        self._current.move_to_end(key)
        if len(self._current) > BOUND + self._remembered:
            _, oldest = self._current.popitem(last=False)
            self.dropped += oldest.released is None

    def release(self, handle: Handle) -> None:
        """An epoch has ended; of the oldest released ones, only what carries them knows any more."""
        self._released[handle.generation] = handle
        if len(self._released) > self._remembered:
            self.forget(self._released[next(iter(self._released))])

    def reopen(self, handle: Handle) -> None:
        """An epoch has not ended after all."""
        self._released.pop(handle.generation, None)
        self._current.setdefault((handle.library, handle.address), handle)

    def forget(self, handle: Handle) -> None:
        """The address of a released handle is no longer known as one."""
        self._released.pop(handle.generation, None)
        key = (handle.library, handle.address)
        if self._current.get(key) is handle:
            del self._current[key]

    def opened(self) -> Iterator[Handle]:
        """The open handles, the oldest first."""
        return (handle for handle in tuple(self._current.values()) if handle.released is None)
