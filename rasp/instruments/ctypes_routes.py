"""Re-routes calls of foreign functions: the types that ctypes makes them of get a ``__call__`` of ours.

That reaches every function object there is, cached or not, of whatever library, and leaves it real. A function that
turns out to have no role is moved to a twin of its type that has ctypes' own ``__call__`` back, and costs nothing from
then on.
"""

from __future__ import annotations

import ctypes
import weakref
from _ctypes import CFuncPtr
from collections.abc import Callable, Iterator
from typing import Any

CACHE = "_rasp_role"
"""Where a function object keeps its role, once that is known."""
_PYTHON_API = 4
"""Flag of functions that are called with the interpreter's lock held, ctypes' own ``cast`` among them."""

base_call: Callable[..., Any] = CFuncPtr.__call__

Handler = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]
"""Takes role, function, arguments; calls through and returns what the app gets."""


class Routes:
    """Which types are re-routed. ``find`` tells the role of a function by its address.

    ``beside`` gives a function without one a role all the same, where it must stay in sight.
    """

    def __init__(self, find: Callable[[int], Any], beside: Callable[[Any], Any], handle: Handler) -> None:
        self._find = find
        self._beside = beside
        self._handle = handle
        self._routed: dict[type, type | None] = {}
        self._looked_at: dict[int, weakref.ref[Any]] = {}
        self.active = False

    def start(self) -> None:
        """Re-routes the types that exist; ``add`` takes those that come later."""
        self.active = True
        for kind in tuple(_function_types()):
            self.add(kind)

    def add(self, kind: type, *, always: bool = False) -> None:
        """Re-routes one type.

        A type with a ``__call__`` of somebody else is left alone, and unless it is ``always`` wanted Python's own C
        interface too.
        """
        if not self.active or kind in self._routed or "__call__" in kind.__dict__:
            return
        flags = getattr(kind, "_flags_", _PYTHON_API)
        if flags & _PYTHON_API and not always:
            return
        self._routed[kind] = None
        kind.__call__ = self._call()  # type: ignore[method-assign]

    def _call(self) -> Callable[..., Any]:
        handle, resolve = self._handle, self._resolve

        def call(function: Any, /, *args: Any, **kwargs: Any) -> Any:
            try:
                role = function.__dict__[CACHE]
            except KeyError:
                role = resolve(function)
            if role is None:
                return base_call(function, *args, **kwargs)
            return handle(role, function, args, kwargs)

        return call

    def _resolve(self, function: Any) -> Any:
        address = ctypes.c_void_p.from_address(ctypes.addressof(function)).value
        role = self._find(address or 0)
        if role is None:
            role = self._beside(function)
        kind = type(function)
        if role is None and kind in self._routed:
            twin = self._routed[kind]
            if twin is None:
                twin = self._routed[kind] = _twin(kind)
            self._remember(function)
            function.__class__ = twin
        else:
            self._remember(function)
            function.__dict__[CACHE] = role
        return role

    def _remember(self, function: Any) -> None:
        """Function objects are not hashable: they are told by their address while they live."""
        key, table = id(function), self._looked_at
        table[key] = weakref.ref(function, lambda _: table.pop(key, None))

    def again(self) -> None:
        """Roles have changed: every function is looked at anew."""
        twins = {twin: kind for kind, twin in self._routed.items() if twin is not None}
        # Not found through gc.get_objects(): what other threads are just building must not be held (SystemError there).
        for entry in [reference() for reference in tuple(self._looked_at.values())]:
            kind = type(entry)
            if kind in twins:
                entry.__class__ = twins[kind]
            elif kind in self._routed:
                entry.__dict__.pop(CACHE, None)

    def stop(self) -> None:
        """Takes every ``__call__`` back, and leaves all function objects as they were."""
        self.active = False
        self.again()
        for kind in self._routed:
            if "__call__" in kind.__dict__:
                del kind.__call__
        self._routed.clear()


def _twin(kind: Any) -> type:
    """A type like a re-routed one, of the same layout, whose objects are called as ctypes calls them."""
    body = {"_flags_": kind._flags_, "__call__": base_call, "__module__": kind.__module__}
    # Read off the body of each class alone: a twin without them would pass every argument as it is.
    body |= {name: getattr(kind, name) for name in ("_restype_", "_argtypes_") if hasattr(kind, name)}
    made: type = type(kind)(kind.__name__, (kind,), body)
    return made


def _function_types(kind: type = CFuncPtr) -> Iterator[type]:
    below: type
    for below in kind.__subclasses__():
        yield below
        yield from _function_types(below)


class TypeCache(dict[Any, Any]):
    """ctypes' own cache of prototypes, told of each new one however ``CFUNCTYPE`` was imported."""

    def __init__(self, before: dict[Any, Any], made: Callable[[type], None]) -> None:
        super().__init__(before)
        self._made = made

    def __setitem__(self, key: Any, kind: Any) -> None:
        super().__setitem__(key, kind)
        self._made(kind)
