"""The one fail-open boundary: whatever breaks inside rasp, the app goes on as without it.

Also the re-entry guard: rasp never observes itself.
"""

from __future__ import annotations

import functools
import os
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from types import CodeType
from typing import Any

Hook = Callable[..., Any]
_OWN = str(Path(__file__).resolve().parent.parent) + os.sep


_LIGHT = """
def light({names}):
    if stopped or busy.now:
        return None
    if guard.measured:
        return timed({names})
    try:
        if sabotage and name in sabotage:
            raise Sabotage
        return hook({names})
    except Exception as error:
        return guard.failed(name, error)
"""
"""With as many arguments as the hook takes: to pass on ``*args`` costs more than all the rest of it."""


class Busy(threading.local):
    """Whether this thread is inside rasp, and how many seconds it has been since ``Guard.spent`` asked last."""

    now = False
    spent = 0.0


class Guard:
    """Wraps every hook.

    Attributes:
        loud: raise what breaks inside rasp, as its own tests want it.
        failures: how often each hook failed.
        measured: whether the time in hooks is added up, for the metric ``rasp.overhead``.
        sabotage: hooks by name that are made to fail, for the tests of this guard.
    """

    def __init__(self, *, loud: bool = False) -> None:
        self.loud = loud
        self.failures: Counter[str] = Counter()
        self.names: list[str] = []
        self.sabotage: set[str] = set()
        self.busy = Busy()
        self.measured = False
        self._stopped: list[bool] = []

    def protect(self, name: str, hook: Hook) -> Hook:
        """A hook that returns ``None`` when it fails, and when it is reached from inside rasp.

        ``Exception`` is contained, ``BaseException`` never is.
        """
        if name not in self.names:
            self.names.append(name)
        busy, sabotage, stopped = self.busy, self.sabotage, self._stopped

        def protected(*args: Any) -> Any:
            if busy.now or stopped:
                return None
            busy.now = True
            began = perf_counter() if self.measured else 0.0
            try:
                if sabotage and name in sabotage:
                    raise Sabotage
                return hook(*args)
            except Exception as error:  # noqa: BLE001 - the one place that contains what breaks inside rasp
                return self.failed(name, error)
            finally:
                busy.now = False
                if began:
                    busy.spent += perf_counter() - began

        return protected

    def light(self, name: str, hook: Hook) -> Hook:
        """Like ``protect``, for a hook that calls nothing which could be observed: it need not mark itself as busy."""
        if name not in self.names:
            self.names.append(name)
        busy, sabotage, stopped, timed = self.busy, self.sabotage, self._stopped, self.protect(name, hook)

        given = _arity(hook)
        if given is None:
            return timed
        names = {
            "stopped": stopped, "busy": busy, "guard": self, "timed": timed, "sabotage": sabotage, "name": name,
            "Sabotage": Sabotage, "hook": hook,
        }  # fmt: skip
        exec(_light(given), names)  # noqa: S102 - constant source
        made: Hook = names["light"]  # type: ignore[assignment]
        return made

    def spent(self) -> float:
        """Seconds that this thread has been in hooks since it was asked last; 0 while that is not measured."""
        spent, self.busy.spent = self.busy.spent, 0.0
        return spent

    def stop(self) -> None:
        """From now on no hook does anything: what other tools hold of ours is inert."""
        self._stopped.append(True)

    def failed(self, name: str, error: Exception) -> None:
        """Counts a failure and says so once a hook, without a word of the error's text, which may hold a value."""
        self.failures[name] += 1
        if self.loud and not isinstance(error, Sabotage):
            raise error
        if self.failures[name] == 1:
            self._say(
                f"rasp: {name} failed with {type(error).__name__} at {_place(error)}; the app is not affected, "
                "but what this hook would have seen is missed\n"
            )

    def _say(self, line: str) -> None:
        try:
            os.write(2, line.encode("utf-8", "replace"))
        except OSError:
            pass  # no standard error: the count still tells

    def aside(self) -> _Aside:
        """A context in which nothing is observed: for rasp's own reporting."""
        return _Aside(self.busy)


class _Aside:
    __slots__ = ("_before", "_busy")

    def __init__(self, busy: Busy) -> None:
        self._busy = busy

    def __enter__(self) -> None:
        self._before = self._busy.now
        self._busy.now = True

    def __exit__(self, *exc: object) -> None:
        self._busy.now = self._before


@functools.lru_cache
def _light(arguments: int) -> CodeType:
    """The code that defines a light hook of so many arguments."""
    return compile(_LIGHT.format(names=", ".join(f"a{at}" for at in range(arguments))), __file__, "exec")


def _arity(hook: Hook) -> int | None:
    """How many arguments a hook takes by place; ``None`` if that is not fixed."""
    code = getattr(hook, "__code__", None)
    if code is None or code.co_flags & 0x0C or code.co_kwonlyargcount or getattr(hook, "__defaults__", None):
        return None
    bound = getattr(hook, "__self__", None) is not None
    count: int = code.co_argcount - bound
    return count


class Sabotage(Exception):  # noqa: N818 - what a test of this guard does to a hook
    """Raised in place of a hook's work."""


def _place(error: Exception) -> str:
    """The innermost place in rasp's own code, as module and line."""
    import traceback  # only a failure waits for it

    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(_OWN)]
    if not frames:
        return "an unknown place"
    last = frames[-1]
    return f"rasp/{last.filename[len(_OWN) :]}:{last.lineno}"
