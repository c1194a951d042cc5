"""Deep mode, for tests: credentials that enter C functions which nobody instrumented (Python 3.12 and newer).

``sys.monitoring`` tells of the calls in the app's own code, and of no other. A function in C that is given a credential
as its first argument is listed. An original of a declared function, called through an alias that no patch reaches, is
judged like the function itself; a second release through it is stopped before it reaches C, by an exception, since a
call cannot be skipped. Not seen: arguments after the first, a credential inside a container, calls from libraries.
"""

from __future__ import annotations

import atexit
import functools
import os
import platform
import sys
import sysconfig
import threading
import weakref
from collections.abc import Callable
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from rasp.errors import RaspError
from rasp.instruments.kit import Kit
from rasp.instruments.native_calls import Handles, NativeCalls, Releasing, Role
from rasp.ledger.value import LiveValue
from rasp.model import Action
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint
from rasp.reporters.native_calls import HOLDER, NativeCall, merged, render_native_calls

BOUND = 1_000
"""Calls listed, by function and place."""
LONGEST = 8_192
_TOOLS = (4, 3)
"""Tool ids that Python gives no meaning."""
_LIBRARIES = tuple(
    os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def missing() -> str | None:
    """What this Python lacks for deep mode; ``None`` if nothing."""
    if hasattr(sys, "monitoring"):
        return None
    return (
        f"deep mode needs sys.monitoring, which Python {platform.python_version()} does not have: use Python 3.12 or"
        " newer. Native calls that nobody declared are not listed; all else works"
    )


class _Pending(threading.local):
    """Releases through an alias whose call has not returned."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, Handles, Releasing]] = []


class DeepMode:
    """Listens to calls in the app's own code.

    Attributes:
        problems: why it does not work here, if so.
    """

    def __init__(self, kit: Kit, calls: NativeCalls) -> None:
        self._kit = kit
        self._calls = calls
        self._declared = frozenset(name for entry in kit.config.native for name in entry.roles)
        self._seen: dict[tuple[str, CodeType, int], int] = {}
        self._codes: weakref.WeakSet[CodeType] = weakref.WeakSet()
        self._pending = _Pending()
        self._tool: int | None = None
        self.problems: list[str] = [] if missing() is None else [str(missing())]

    # Installing

    def start(self, module: ModuleType) -> None:
        """Takes a tool id and listens, in the frames that run already too."""
        monitoring = self._monitoring
        self._tool = next((tool for tool in _TOOLS if monitoring.get_tool(tool) is None), None)
        if self._tool is None:
            names = ", ".join(str(monitoring.get_tool(tool)) for tool in _TOOLS)
            self.problems.append(f"deep mode found no free tool id of sys.monitoring: {names} have them")
            return
        monitoring.use_tool_id(self._tool, "rasp")
        events = monitoring.events
        for event, callback in self._callbacks(events):
            monitoring.register_callback(self._tool, event, callback)
        monitoring.set_events(self._tool, events.PY_START)
        for frame in sys._current_frames().values():
            running: Any = frame
            while running is not None:
                self._listen(running.f_code)
                running = running.f_back
        atexit.register(self.stop)

    def _callbacks(self, events: Any) -> list[tuple[int, Callable[..., Any]]]:
        return [
            (events.PY_START, self._started),
            (events.CALL, self._caller()),
            (events.C_RETURN, self._returned),
            (events.C_RAISE, self._raised),
        ]

    @property
    def _monitoring(self) -> Any:
        return sys.monitoring  # type: ignore[attr-defined,unused-ignore]

    def stop(self) -> None:
        """Gives the tool id back, leaves no event set, and tells what was listed; at the end of the process too."""
        atexit.unregister(self.stop)
        if self._tool is None:
            return
        monitoring, tool, self._tool = self._monitoring, self._tool, None
        monitoring.set_events(tool, 0)
        for code in tuple(self._codes):
            monitoring.set_local_events(tool, code, 0)
        for event, _ in self._callbacks(monitoring.events):
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)
        self.tell()

    def tell(self) -> None:
        """What was listed stands on standard error, where reports do."""
        if self._kit.config.report and self._seen:
            os.write(2, ("\n" + render_native_calls(merged(self.listed()))).encode("utf-8", "backslashreplace"))

    def listed(self) -> list[NativeCall]:
        """The calls so far, by function and place."""
        places = self._kit.ledger.places
        found = []
        for (name, code, offset), count in tuple(self._seen.items()):
            location = places.locate(((code, offset),))
            if location is not None:
                found.append(NativeCall(name, location, count))
        return found

    # The callbacks

    def _started(self, code: CodeType, offset: int) -> object:
        """Some code runs for the first time: the app's own is listened to from now on."""
        if self._listen(code) or code.co_filename.startswith(("<", *_LIBRARIES)):
            return self._monitoring.DISABLE
        return None  # it may turn out to be the app's when the app is made

    def _listen(self, code: CodeType) -> bool:
        if not self._kit.ledger.places.is_app(code.co_filename):
            return False
        if self._tool is not None:
            self._codes.add(code)
            self._monitoring.set_local_events(self._tool, code, self._monitoring.events.CALL)
        return True

    def _caller(self) -> Callable[..., None]:
        """The callback of a call: hot, so it looks at nothing but the type of the first argument at first."""
        originals, get = self._calls.originals, self._kit.ledger.values.get
        received, aliased = self._kit.hook("deep.call", self._received), self._kit.hook("deep.alias", self._aliased)

        def called(code: CodeType, offset: int, function: Any, first: Any) -> None:
            kind = type(first)
            if kind is str or kind is bytes or kind is bytearray:
                if 8 <= len(first) <= LONGEST:
                    live = get(first if kind is str else bytes(first).decode("utf-8", "surrogateescape"))
                    if live is not None:
                        received(code, offset, function, live)
            elif originals:
                target = function.func if type(function) is functools.partial and not function.args else function
                known = originals.get(id(target))
                if known is not None and known[0] is target:
                    stop = aliased(function, known[1], known[2], first)
                    if stop is not None:
                        raise stop

        return called

    def _received(self, code: CodeType, offset: int, function: Any, live: LiveValue) -> None:
        """A function was given a credential: listed, if it is one in C that nobody follows."""
        name = native_name(function)
        if name is None or name.rpartition(".")[2] in self._declared or id(function) in self._calls.originals:
            return
        key = (name, code, offset)
        if key in self._seen or len(self._seen) < BOUND:
            self._seen[key] = self._seen.get(key, 0) + 1
        scope = self._kit.ledger.scopes.here()
        if scope is not None:
            self._kit.ledger.desk.occur(Action.USE, HOLDER + name, None, ((code, offset),), live, scope)

    def _aliased(self, function: object, role: Role, handles: Handles, first: object) -> Exception | None:
        """A declared function was reached past its wrapper; what comes back stops the call."""
        if role.name == "use":
            entered = self._calls.use(role, handles, (first,))
            if entered is None:
                return None
            self._calls.leave(entered[1])
            return None if entered[0] is None else entered[0].exception
        if role.name != "release":
            return None
        begun = self._calls.release(role, handles, (first,), raisable=True)
        if begun is None:
            return None
        if begun.verdict is not None and begun.verdict.exception is not None:
            if begun.entered is not None:
                self._calls.native.roll_back(begun.entered)
            return begun.verdict.exception
        if begun.skip:
            return RaspError(f"double-release: {role.library}.{role.function}, called through an alias, was stopped")
        if begun.entered is not None:
            self._pending.calls.append((function, handles, begun))
        return None

    def _returned(self, code: CodeType, offset: int, function: object, first: object) -> None:
        calls = self._pending.calls
        if calls and calls[-1][0] is function:
            _, handles, begun = calls.pop()
            if begun.entered is not None and begun.given is not None:
                self._calls.finish(begun.entered, None, handles, begun.given)

    def _raised(self, code: CodeType, offset: int, function: object, first: object) -> None:
        calls = self._pending.calls
        if calls and calls[-1][0] is function:
            _, _, begun = calls.pop()
            if begun.entered is not None:
                self._calls.native.roll_back(begun.entered)


def native_name(function: Any) -> str | None:
    """The name of a function in C; ``None`` for one in Python, and for Python's own types and built-in functions."""
    kind = type(function)
    if kind in (FunctionType, MethodType, functools.partial) or hasattr(function, "__wrapped__"):
        return None
    if isinstance(function, type):
        made = (vars(base).get(name) for base in function.__mro__ for name in ("__init__", "__new__"))
        if any(isinstance(entry, (FunctionType, staticmethod)) for entry in made):
            return None
        owner = function.__module__
    elif kind.__name__ == "_FuncPtr" or kind.__module__ == "_ctypes":
        owner = "ctypes"
    elif kind.__module__ == "_cffi_backend":
        return f"cffi {function!r}".partition(" 0x")[0].replace("<cdata ", "")
    elif isinstance(getattr(kind, "__call__", None), FunctionType):  # noqa: B004 - what runs, not whether any does
        return None
    else:
        owner = _owner(function)
    if owner in ("builtins", "rasp") or owner.startswith("rasp."):
        return None
    return f"{owner}.{getattr(function, '__qualname__', kind.__name__)}"


def _owner(function: Any) -> str:
    """The module of a function, or of the class that a method belongs to."""
    own = getattr(function, "__objclass__", None)
    bound = getattr(function, "__self__", None)
    if own is None and bound is not None and not isinstance(bound, ModuleType):
        own = bound if isinstance(bound, type) else type(bound)
    return str(own.__module__ if own is not None else getattr(function, "__module__", None) or "builtins")


def instrument(kit: Kit, calls: NativeCalls) -> tuple[Instrument, DeepMode]:
    """The instrument of deep mode, where it is on."""
    deep = DeepMode(kit, calls)
    lacking = missing()
    if lacking is not None:
        os.write(2, f"rasp: {lacking}\n".encode())

    def unchanged(original: Any) -> Any:
        return original

    return Instrument(
        name="deep_mode",
        library="python",
        supported=">=3.12",
        points=(PatchPoint("sys", "monitoring", unchanged),),
        unreachable=("arguments after the first, credentials inside containers, calls made by libraries",),
        on_install=deep.start,
        on_uninstall=deep.stop,
    ), deep
