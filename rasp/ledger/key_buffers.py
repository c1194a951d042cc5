"""Mutable buffers that hold a credential, as far as native calls show it: ``bytearray``, ctypes buffers.

A buffer has a request as its owner from the call that was given it with a credential in it, until that request ends. A
second request that is given it meanwhile shares it by accident. A buffer that held a credential, and is all zeros when
it is given to a function that uses it, was wiped before.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from rasp.ledger.desk import Desk
from rasp.ledger.facts import Fact, Reuse, UsedAfterRelease
from rasp.ledger.places import CallPath
from rasp.ledger.scopes import Occurrence, RequestMark, RequestScope
from rasp.ledger.value import LiveValue
from rasp.model import Action

BOUND = 256
LENGTH = 4096
"""Buffers longer than this are not looked at."""


@dataclass(slots=True, eq=False)
class _Buffer:
    """One buffer: a weak reference where its type has one, else the buffer, until it is pushed out."""

    root: Callable[[], object]
    live: LiveValue
    acquired: Occurrence
    owners: dict[RequestMark, tuple[RequestScope, Occurrence]] = field(default_factory=dict)
    wiped: Occurrence | None = None


class BufferBook:
    """Which buffers hold a credential, and for which requests."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lock = threading.RLock()
        self.known: OrderedDict[int, _Buffer] = OrderedDict()

    def given(
        self,
        args: Sequence[object],
        library: str,
        function: str,
        walk: Callable[[FrameType], CallPath],
        frame: FrameType,
    ) -> Sequence[Fact]:
        """A native function is about to be given these arguments; what is wrong with the buffers among them."""
        facts: list[Fact] = []
        for argument in args:
            if isinstance(argument, (int, bytes, str, type(None))):
                continue
            for root, content in _buffers(argument):
                facts += self._one(root, content, library, function, lambda: walk(frame))
        return facts

    def _one(
        self, root: object, content: bytes, library: str, function: str, path: Callable[[], CallPath]
    ) -> Sequence[Fact]:
        known = self._known(root)
        empty = not content.strip(b"\0")
        live = None if empty else self._desk.values.get(_decoded(content))
        if known is None and live is None:
            return ()
        scope = self._desk.scopes.here()
        holder, slot = f"native.{library}", f"{function}(buffer)"
        if known is not None and empty:
            used = self._desk.occur(Action.USE, holder, slot, path(), known.live, scope, function)
            trail = (known.acquired, used)
            return (UsedAfterRelease(live=known.live, trail=trail, scope=scope, wiped=True),)
        if live is None:
            return ()
        occurrence = self._desk.occur(Action.ACQUIRE, holder, slot, path(), live, scope, function)
        if known is None:
            known = self._remember(root, live, occurrence)
        known.live = live
        return self._own(known, occurrence, scope)

    def _own(self, buffer: _Buffer, occurrence: Occurrence, scope: RequestScope | None) -> Sequence[Fact]:
        if scope is None:
            return ()
        with self._lock:
            others = [entry for mark, entry in buffer.owners.items() if mark is not scope.mark]
            buffer.owners.setdefault(scope.mark, (scope, occurrence))
        for other, first in others:
            if other.in_flight:
                trail = (first, occurrence)
                return (Reuse(live=buffer.live, trail=trail, scope=scope, how="native_buffer"),)
        return ()

    def _known(self, root: object) -> _Buffer | None:
        with self._lock:
            buffer = self.known.get(id(root))
            return buffer if buffer is not None and buffer.root() is root else None

    def _remember(self, root: object, live: LiveValue, acquired: Occurrence) -> _Buffer:
        buffer = _Buffer(_reference(root), live, acquired)
        with self._lock:
            self.known[id(root)] = buffer
            if len(self.known) > BOUND:
                self.known.popitem(last=False)
        return buffer

    def ended(self, scope: RequestScope) -> None:
        """A request is over: it owns no buffer any more, and those that only it had are let go."""
        if not self.known:
            return
        with self._lock:
            for key, buffer in tuple(self.known.items()):
                buffer.owners.pop(scope.mark, None)
                if buffer.root() is None or (not buffer.owners and buffer.acquired.request is scope.mark):
                    del self.known[key]

    def after_fork(self) -> None:
        """In the child: no lock is held."""
        self._lock = threading.RLock()


def _buffers(argument: object) -> Iterator[tuple[object, bytes]]:
    """The buffer an argument is, with its content: what stands behind it, and is the same in every call."""
    target = getattr(argument, "_obj", argument) if type(argument).__name__ == "CArgObject" else argument
    if type(target) is bytearray:
        if len(target) <= LENGTH:
            yield target, bytes(target)
        return
    if not hasattr(type(target), "_length_") or len(target) > LENGTH:  # type: ignore[arg-type]
        return
    content = getattr(target, "raw", None)
    if isinstance(content, bytes):
        yield root_of(target), content


def root_of(array: Any) -> object:
    """What owns the memory of a ctypes array: the array it is a part of, or the ``bytearray`` it was made over."""
    while array._b_base_ is not None:
        array = array._b_base_
    kept = array._objects
    for entry in kept.values() if isinstance(kept, dict) else ():
        if isinstance(entry, memoryview):
            return entry.obj
    return array


def text_of(argument: object) -> str | None:
    """The text that a native call is given by an argument: also inside a ctypes buffer. Follows no pointer."""
    if isinstance(argument, str):
        return argument
    if hasattr(type(argument), "_b_base_"):
        kept = getattr(argument, "_objects", None)
        argument = kept if isinstance(kept, bytes) else getattr(argument, "raw", None)
    return _decoded(argument) if isinstance(argument, (bytes, bytearray)) else None


def _decoded(content: bytes | bytearray) -> str:
    return bytes(content).partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _reference(root: object) -> Callable[[], object]:
    try:
        return weakref.ref(root)
    except TypeError:
        return lambda: root
