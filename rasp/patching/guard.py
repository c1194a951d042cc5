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
from threading import get_ident
from time import perf_counter
from types import CodeType
from typing import Any

Hook = Callable[..., Any]
_OWN = str(Path(__file__).resolve().parent.parent) + os.sep


_LIGHT = """
def light({names}):
    if inside and ident() in inside:
        return None
    try:
        return hook({names})
    except Exception as error:
        return guard.failed(name, error)
"""
"""With as many arguments as the hook takes: to pass on ``*args`` costs more than all the rest of it.

What is rarely so is not asked for at each call: ``hook`` is exchanged in the function's namespace when it becomes so.
"""


class Busy:
    """Whether this thread is inside rasp, and how many seconds it has been since ``Guard.spent`` asked last.

    Attributes:
        inside: the threads that are; mostly none, which is the quickest question there is.
    """

    def __init__(self) -> None:
        self.inside: set[int] = set()
        self._seconds = _Seconds()

    @property
    def now(self) -> bool:
        """Whether this thread is inside rasp."""
        return get_ident() in self.inside

    @now.setter
    def now(self, inside: bool) -> None:
        (self.inside.add if inside else self.inside.discard)(get_ident())

    @property
    def spent(self) -> float:
        """Seconds of this thread."""
        return self._seconds.spent

    @spent.setter
    def spent(self, seconds: float) -> None:
        self._seconds.spent = seconds


class _Seconds(threading.local):
    spent = 0.0


class Guard:
    """Wraps every hook.

    Attributes:
        loud: raise what breaks inside rasp, as its own tests want it.
        failures: how often each hook failed.
        measured: whether the time in hooks is added up, for the metric ``rasp.overhead``; see ``measure``.
    """

    def __init__(self, *, loud: bool = False) -> None:
        self.loud = loud
        self.failures: Counter[str] = Counter()
        self.names: list[str] = []
        self.busy = Busy()
        self.measured = False
        self._sabotaged: set[str] = set()
        self._stopped = False
        self._lights: list[tuple[dict[str, Any], Hook, Hook]] = []

    def measure(self) -> None:
        """The time in hooks is added up from now on."""
        self.measured = True
        self._exchange()

    def sabotage(self, *names: str) -> None:
        """These hooks fail from now on, and no others: for the tests of this guard."""
        self._sabotaged = set(names)
        self._exchange()

    def stop(self) -> None:
        """From now on no hook does anything: what other tools hold of ours is inert."""
        self._stopped = True
        self._exchange()

    def after_fork(self) -> None:
        """In the child: threads that are gone are inside nothing."""
        now = self.busy.now
        self.busy.inside.clear()
        self.busy.now = now

    def protect(self, name: str, hook: Hook) -> Hook:
        """A hook that returns ``None`` when it fails, and when it is reached from inside rasp.

        ``Exception`` is contained, ``BaseException`` never is.
        """
        if name not in self.names:
            self.names.append(name)
        busy, inside = self.busy, self.busy.inside

        def protected(*args: Any) -> Any:
            me = get_ident()
            if me in inside or self._stopped:
                return None
            inside.add(me)
            began = perf_counter() if self.measured else 0.0
            try:
                if self._sabotaged and name in self._sabotaged:
                    raise Sabotage
                return hook(*args)
            except Exception as error:  # noqa: BLE001 - the one place that contains what breaks inside rasp
                return self.failed(name, error)
            finally:
                inside.discard(me)
                if began:
                    busy.spent += perf_counter() - began

        return protected

    def light(self, name: str, hook: Hook) -> Hook:
        """Like ``protect``, for a hook that calls nothing which could be observed: it need not mark itself as busy."""
        protected = self.protect(name, hook)
        given = _arity(hook)
        if given is None:
            return protected
        names = {"inside": self.busy.inside, "ident": get_ident, "guard": self, "name": name, "hook": hook}
        exec(_light(given), names)  # noqa: S102 - constant source
        self._lights.append((names, hook, protected))
        self._exchange()
        made: Hook = names["light"]  # type: ignore[assignment]
        return made

    def _exchange(self) -> None:
        """Each light hook goes to the protected one where that has more to do than the hook itself."""
        for names, hook, protected in self._lights:
            more = self.measured or self._stopped or names["name"] in self._sabotaged
            names["hook"] = protected if more else hook

    def spent(self) -> float:
        """Seconds that this thread has been in hooks since it was asked last; 0 while that is not measured."""
        spent, self.busy.spent = self.busy.spent, 0.0
        return spent

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
