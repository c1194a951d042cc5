"""What happens around a call that releases a handle, or moves memory."""

from __future__ import annotations

import ctypes
import sys
from _ctypes import CFuncPtr
from collections.abc import Callable, Sequence
from typing import Any

from rasp.instruments.ctypes_arguments import (
    CELL,
    NULL,
    NUMBER,
    POINTER,
    RECORD,
    TAGGED,
    Given,
    given,
    result_address,
    word_at,
)
from rasp.instruments.ctypes_calls import OUT, Calls, known
from rasp.instruments.ctypes_context import Context, in_finaliser, refused
from rasp.instruments.ctypes_quarantine import HeldBack
from rasp.instruments.ctypes_roles import Role
from rasp.instruments.ctypes_routes import base_call
from rasp.instruments.kit import Kit
from rasp.ledger.events import NativeReleasing
from rasp.ledger.native_handles import NativeHandle, Release
from rasp.model import Verdict

Entered = tuple[Verdict | None, Release | None, Given]


class Releases:
    """Runs releases. ``say`` is told of what is wrong with a declaration."""

    def __init__(self, kit: Kit, context: Context, calls: Calls, held: HeldBack, say: Callable[[str], None]) -> None:
        self._kit = kit
        self._book = kit.ledger.native
        self._context = context
        self._calls = calls
        self._held = held
        self._say = say
        self._usable_size = _usable_size()
        self._releasing = kit.hook("ctypes.release", self._enter)
        self._released = kit.hook("ctypes.released", self._finish)
        self._rolled_back = kit.hook("ctypes.roll_back", self._take_back)
        self._holding = kit.hook("ctypes.quarantine", self._hold)

    def release(self, role: Role, function: Any, args: Any, kwargs: Any) -> Any:
        """Calls a function that releases a handle, unless it must not be called."""
        entered = self._begin(role, function, args, kwargs)
        if entered is None:
            return self._context.through(function, args, kwargs)
        verdict, release, one = entered
        if verdict is not None and verdict.skip:
            return self._first_result(role, function, one)
        if release is None:
            return self._context.through(function, args, kwargs)
        may_wait = release.ended and role.quarantine and can_wait(role, function, args, kwargs, one)
        if may_wait and self._context.hooked(self._holding, role, function, release):
            return None if function.restype is None else 0
        return self._made(release, function, args, kwargs)

    def _begin(self, role: Role, function: Any, args: Any, kwargs: Any) -> Entered | None:
        """Enters a release; raises what is to be raised at the call, which then is none."""
        entered: Entered | None = self._context.hooked(self._releasing, role, function, args, kwargs)
        if entered is not None and entered[0] is not None and entered[0].exception is not None:
            if entered[1] is not None:
                self._context.hooked(self._rolled_back, entered[1])
            raise entered[0].exception
        return entered

    def _enter(self, role: Role, function: Any, args: Any, kwargs: Any, late: bool) -> Entered | None:
        frame = sys._getframe(OUT)
        one = self._which(role, given(args, kwargs, function.argtypes))
        if one is None:
            self._say(
                f"{role.library}: {role.function} is declared as release, and was called without a handle:"
                " check its role in [[native]]"
            )
            return None
        if one.address == 0:
            return None
        library = role.library if one.epoch is None else one.epoch.library
        path = self._kit.path(frame)
        event = NativeReleasing(
            library, role.function, one.address, one.epoch, not role.memory, path, not (late or in_finaliser(frame))
        )
        facts, release = self._book.releasing(event)
        return self._context.judged(facts, frame, late=late), release, one

    def _which(self, role: Role, found: list[Given]) -> Given | None:
        """The argument that a release is about."""
        sure = known(self._book, role, found)
        if sure:
            return max(sure, key=lambda one: one.how == TAGGED)
        for wanted in ((CELL, RECORD), (TAGGED, POINTER), (NUMBER,), (NULL,)):
            for one in found:
                if one.how in wanted and (one.address or NULL in wanted):
                    return one
        return found[0] if found else None

    def _first_result(self, role: Role, function: Any, one: Given) -> Any:
        handle = self._book.find(role.library, one.address, one.epoch)
        if handle is None:
            return None
        return self._book.outcome(handle, wait=function.restype is not None)

    def _made(self, release: Release, function: Any, args: Any, kwargs: Any) -> Any:
        """Makes a release that was entered; one whose call failed before the function ran is taken back."""
        reached: list[Any] = []

        def see(raw: Any) -> Any:
            reached.append(raw)
            return raw

        context = self._context
        try:
            if function.errcheck is None:
                result = context.through(function, args, kwargs)
            else:
                result = context.checked(function, args, kwargs, see)
        except (ctypes.ArgumentError, TypeError, ValueError, NameError, OverflowError) as error:
            if not reached and refused(error, function):
                context.hooked(self._rolled_back, release)
            else:
                context.hooked(self._released, release, None)
            raise
        except BaseException:
            context.hooked(self._released, release, None)
            raise
        context.hooked(self._released, release, result)
        return result

    def _finish(self, release: Release, result: object, late: bool) -> None:
        self._book.released(release, result)

    def _take_back(self, release: Release, late: bool) -> None:
        self._book.roll_back(release)

    def _hold(self, role: Role, function: Any, release: Release, late: bool) -> bool:
        """Puts a release off, where a second one is withheld: else that would be the real one."""
        if not self._context.blocks():
            return False
        really = _RELEASE(word_at(ctypes.addressof(function)))
        address = release.handle.address
        size = 0
        if role.memory:
            size = base_call(self._usable_size, address) if self._usable_size is not None else 4096
        self._book.released(release, None if function.restype is None else 0)
        self._held.put_off(release.handle, lambda where: base_call(really, where), size)
        return True

    def realloc(self, role: Role, function: Any, args: Any, kwargs: Any) -> Any:
        """Memory that moves: its old address is released, unless the call fails or it stays where it is."""
        found = given(args[:1], {}, None)
        if not found or not found[0].address:
            return self._calls.acquire(role, function, args, kwargs)
        verdict, release, _ = self._begin(role, function, args[:1], kwargs) or (None, None, None)
        if verdict is not None and verdict.skip:
            return None
        result = self._context.through(function, args, kwargs)
        if release is None:
            return result
        address = result_address(result)
        if address == release.handle.address or (not address and _asks_for_memory(args)):
            self._context.hooked(self._rolled_back, release)
            return NativeHandle.of(int(result), release.handle) if address and isinstance(result, int) else result
        self._context.hooked(self._released, release, None)
        self._book.unknown_again(role.library, release.handle.address)
        return self._calls.gave(role, function, args, [], result)


def can_wait(role: Role, function: Any, args: Sequence[Any], kwargs: Any, one: Given) -> bool:
    """Whether a release may be put off: where nobody could tell by the call itself."""
    if kwargs or len(args) != 1 or one.how in (CELL, RECORD) or function.errcheck is not None:
        return False
    return role.memory or function.restype is None


_BODY = {"_flags_": 1, "_restype_": None, "_argtypes_": (ctypes.c_void_p,), "__call__": base_call}
_FUNCTION_TYPE: Any = type(CFuncPtr)
_RELEASE: Any = _FUNCTION_TYPE("_Release", (CFuncPtr,), _BODY)
"""A private prototype, to make a release that was put off by its address."""


def _usable_size() -> Any:
    try:
        function = ctypes.CDLL(None).malloc_usable_size
    except (AttributeError, OSError):
        return None
    function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_size_t
    return function


def _asks_for_memory(args: Sequence[Any]) -> bool:
    size = args[1] if len(args) > 1 else 0
    return bool(getattr(size, "value", size))
