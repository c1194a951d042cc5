"""What happens around a call that acquires, retains or uses a handle."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from typing import Any

from rasp.instruments.ctypes_arguments import CELL, NUMBER, RECORD, Given, content_of, given, is_pointer, result_address
from rasp.instruments.ctypes_context import Context
from rasp.instruments.ctypes_roles import Role
from rasp.instruments.kit import Kit
from rasp.ledger.events import NativeAcquired, NativeUsed
from rasp.ledger.facts import Fact
from rasp.ledger.native_book import NativeBook
from rasp.ledger.native_handles import TAG, Call, Handle, NativeHandle
from rasp.model import Verdict

OUT = 5
"""Frames of our own between a hook and the app's call, at least: the walk to the app's need not begin before."""
_PLAIN = (bytes, int, str, type(None))
_POINTERS = (ctypes.c_void_p, ctypes._Pointer)


class Calls:
    """Runs acquires, retains and uses."""

    def __init__(self, kit: Kit, context: Context) -> None:
        self._kit = kit
        self._book = kit.ledger.native
        self._context = context
        self._before = kit.hook("ctypes.before", self._cells)
        self._acquired = kit.hook("ctypes.acquire", self._acquire)
        self._retained = kit.hook("ctypes.retain", self._retain)
        self._using = kit.hook("ctypes.use", self._use)
        self._left = kit.hook("ctypes.leave", self._leave)

    def acquire(self, role: Role, function: Any, args: Any, kwargs: Any) -> Any:
        """Calls a function that gives out a handle."""
        simple = not kwargs and all(isinstance(argument, _PLAIN) for argument in args)
        before = [] if simple else self._context.hooked(self._before, function, args, kwargs) or []
        if function.errcheck is not None:
            return self._acquire_checked(role, function, args, kwargs, before)
        return self.gave(role, function, args, before, self._context.through(function, args, kwargs))

    def gave(self, role: Role, function: Any, args: Any, before: list[Given], result: Any) -> Any:
        """A function has given out a handle, by its result or into an argument; returns what the app gets."""
        made = self._context.hooked(self._acquired, role, function, args, (before, result))
        return result if made is None else made

    def _acquire_checked(self, role: Role, function: Any, args: Any, kwargs: Any, before: list[Given]) -> Any:
        """Where ``errcheck`` may make anything of the result, a pointer is seen before that."""
        seen: list[Any] = []

        def see(raw: Any) -> Any:
            seen.append(raw)
            return self.gave(role, function, args, before, raw) if is_pointer(function.restype, raw) else raw

        result = self._context.checked(function, args, kwargs, see)
        if not seen or is_pointer(function.restype, seen[0]):
            return result
        if isinstance(result, (int, *_POINTERS)):
            return self.gave(role, function, args, before, result)
        self._context.hooked(self._acquired, role, function, args, (before, seen[0]))
        return result

    def _cells(self, function: Any, args: Any, kwargs: Any, late: bool) -> list[Given]:
        """What the arguments of an acquire hold before the call; only those that may receive a handle."""
        return [one for one in given(args, kwargs, function.argtypes) if one.how in (CELL, RECORD)]

    def _acquire(self, role: Role, function: Any, args: Any, outcome: tuple[list[Given], Any], late: bool) -> Any:
        before, result = outcome
        frame = sys._getframe(OUT)
        self._context.judged((), frame, late=late)
        path = self._kit.path(frame)
        made = None

        def is_stale(cell: Given) -> bool:
            handle = self._book.find(role.library, cell.address, cell.epoch)
            return handle is not None and handle.released is not None

        for address, carrier in handed_out(function.restype, before, result, is_stale):
            event = NativeAcquired(
                role.library, role.function, address, args, path, role.thread_safe, counted=not role.memory
            )
            handle = self._book.acquired(event)
            if carrier is result and isinstance(result, int):
                made = NativeHandle.of(int(result), handle)
            else:
                self._tag(carrier, handle)
        return made

    def _tag(self, carrier: Any, handle: Handle) -> None:
        try:
            setattr(carrier, TAG, handle)
        except (AttributeError, TypeError):
            return
        self._book.carriers.add(type(carrier))

    def retain(self, role: Role, function: Any, args: Any, kwargs: Any) -> Any:
        """Calls a function that adds an owner to a handle; it is a use too."""
        result = self.use(role, function, args, kwargs)
        made = self._context.hooked(self._retained, role, function, (*args, *kwargs.values()), result)
        return result if made is None else made

    def _retain(self, role: Role, function: Any, args: Any, result: Any, late: bool) -> Any:
        path = self._kit.path(sys._getframe(OUT))
        for one in known(self._book, role, given(args, {}, function.argtypes))[:1]:
            handle = self._book.retained(NativeUsed(role.library, role.function, one.address, one.epoch, path))
            if handle is not None and result_address(result) == handle.address and isinstance(result, int):
                return NativeHandle.of(int(result), handle)
        return None

    def use(self, role: Role, function: Any, args: Any, kwargs: Any) -> Any:
        """Calls a function that uses a handle."""
        entered = self._context.hooked(self._using, role, function, args, kwargs)
        verdict, calls = entered if entered is not None else (None, ())
        try:
            if verdict is not None and verdict.exception is not None:
                raise verdict.exception
            return self._context.through(function, args, kwargs)
        finally:
            if calls:
                self._context.hooked(self._left, calls)

    def _use(
        self, role: Role, function: Any, args: Any, kwargs: Any, late: bool
    ) -> tuple[Verdict | None, Sequence[Call]]:
        frame = sys._getframe(OUT)
        calls: list[Call] = []
        facts: list[Fact] = []
        for one in known(self._book, role, given(args, kwargs, function.argtypes)):
            handle = self._book.find(role.library, one.address, one.epoch)
            wrong = handle is not None and (handle.released is not None or handle.calls)
            path = self._kit.path(frame) if wrong else self._kit.here(frame)
            found, call = self._book.enter(NativeUsed(role.library, role.function, one.address, one.epoch, path))
            facts += found
            if call is not None:
                calls.append(call)
        facts += self._book.buffers.given(args, role.library, role.function, self._kit.path, frame)
        return self._context.judged(facts, frame, late=late), calls

    def _leave(self, calls: Sequence[Call], late: bool) -> None:
        for call in calls:
            self._book.leave(call)


def known(book: NativeBook, role: Role, found: list[Given]) -> list[Given]:
    """The arguments that are known handles: all that carry their epoch or are pointers, else the first number."""
    wanted = [one for one in found if one.address and book.find(role.library, one.address, one.epoch)]
    sure = [one for one in wanted if one.how != NUMBER]
    return sure or wanted[:1]


def handed_out(
    restype: Any, before: list[Given], result: Any, is_stale: Callable[[Given], bool]
) -> list[tuple[int, object]]:
    """The handles that an acquire gave out: its result, else what it put into its arguments.

    A variable that holds what it held before was filled again if that is ``is_stale``, and the call says success.
    """
    address = result_address(result)
    if is_pointer(restype, result):
        return [(address, result)] if address else []
    filled = []
    for cell in before:
        now = content_of(cell.cell) if cell.how == CELL else 0
        if now and (now != cell.address or (not result and is_stale(cell))):
            filled.append((now, cell))
    pointers = [(now, cell.carrier) for now, cell in filled if cell.pointer]
    if pointers:
        return pointers
    record = next((one for one in before if one.how == RECORD and not isinstance(one.carrier, ctypes.Array)), None)
    if address and not (address == 1 and record is not None):
        return [(address, result)]
    if filled:
        return [(now, cell.carrier) for now, cell in filled]
    return [(record.address, record.carrier)] if record is not None else []
