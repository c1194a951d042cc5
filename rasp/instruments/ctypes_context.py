"""Where a call of a foreign function stands: in a callback, a finaliser, before an ``errcheck``, amid rasp's work."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from rasp.instruments.ctypes_routes import base_call
from rasp.instruments.kit import Kit
from rasp.ledger.facts import Fact, SecondRelease
from rasp.model import Mode, Verdict

_FINALIZE = weakref.finalize.__call__.__code__
_DEPTH = 64


class _Thread(threading.local):
    """``depth``: how many calls of functions with a role this thread is in. ``see`` wants the next raw result."""

    depth = 0
    see: Callable[[Any], Any] | None = None


class Errcheck:
    """Stands before an ``errcheck`` of the app's, which may turn a handle into anything."""

    def __init__(self, check: Callable[..., Any], thread: _Thread) -> None:
        self.check = check
        self._thread = thread

    def __call__(self, result: Any, function: Any, args: Any) -> Any:
        see, self._thread.see = self._thread.see, None
        return self.check(result if see is None else see(result), function, args)


class Context:
    """Calls through, runs hooks and has facts judged, wherever that is."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._book = kit.ledger.native
        self._thread = _Thread()

    def through(self, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """The call itself."""
        thread = self._thread
        thread.depth += 1
        try:
            return base_call(function, *args, **kwargs)
        finally:
            thread.depth -= 1

    def checked(self, function: Any, args: Any, kwargs: Any, see: Callable[[Any], Any]) -> Any:
        """The call itself; ``see`` gets the raw result, and may replace it, before the function's ``errcheck`` does."""
        thread = self._thread
        if type(function.errcheck) is not Errcheck:
            function.errcheck = Errcheck(function.errcheck, thread)
        before, thread.see = thread.see, see
        try:
            return self.through(function, args, kwargs)
        finally:
            thread.see = before

    def hooked(self, hook: Callable[..., Any], *args: Any) -> Any:
        """Runs a hook also where rasp is at work on this thread, and tells it: a finaliser can run anywhere."""
        busy = self._kit.guard.busy
        late = busy.now
        busy.now = False
        try:
            return hook(*args, late)
        finally:
            busy.now = late

    def judged(self, facts: Sequence[Fact], frame: FrameType, *, late: bool) -> Verdict | None:
        """What is to happen now. Callbacks and finalisers raise nothing; amid rasp's own work nothing is reported."""
        if not late:
            waiting = self._book.deferred()
            if waiting:
                self._kit.pipeline.respond(waiting)
        if not facts:
            return None
        if late:
            self._book.defer(facts)
            twice = any(isinstance(fact, SecondRelease) for fact in facts)
            return Verdict(skip=True) if twice and self.blocks() else None
        if self._thread.depth or in_finaliser(frame):
            for fact in facts:
                fact.raisable = False
        return self._kit.pipeline.respond(facts)

    def blocks(self) -> bool:
        """Whether a second release is withheld from the library."""
        config = self._kit.config
        mode = config.mode_of("double-release")
        return mode in (Mode.PROTECT, Mode.STRICT) or (mode is Mode.OBSERVE and config.block_native_double_release)


def refused(error: Exception, function: Any) -> bool:
    """Whether ctypes refused the arguments: a ``restype`` that is a function of the app's may raise too, afterwards."""
    if isinstance(error, ctypes.ArgumentError):
        return True
    return function.restype is None or isinstance(function.restype, type)


def in_finaliser(frame: FrameType | None) -> bool:
    """Whether code runs in a finaliser, out of which no exception comes."""
    for _ in range(_DEPTH):
        if frame is None:
            return False
        if frame.f_code.co_name == "__del__":
            return True
        if frame.f_code is _FINALIZE and frame.f_locals.get("_") is not None:
            return True
        frame = frame.f_back
    return False
