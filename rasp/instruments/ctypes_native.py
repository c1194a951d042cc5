"""ctypes: functions that a configuration declares to acquire, retain, use or release a native handle.

The ``_FuncPtr`` class of a declared library gets a ``__call__`` of its own, which re-routes every function object of it,
cached or not, and leaves them real; libraries nobody declared are not touched. Functions are told by their address. An
integer handle is returned as an ``int`` that remembers its generation. Not seen: C calling C.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from rasp.declarations import NativeDeclaration
from rasp.instruments.kit import Kit, caller
from rasp.ledger.events import NativeAcquired, NativeReleasing, NativeUsed
from rasp.ledger.native_handles import TAG, NativeHandle, Release, epoch_of
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like


class NativeHooks:
    """Which functions have a role, and what happens when they are called."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._roles: dict[int, tuple[str, str, str]] = {}
        self._types: dict[type, tuple[Any, bool]] = {}
        self.problems: list[str] = []
        self._acquired = kit.hook("ctypes.acquire", self._acquire)
        self._releasing = kit.hook("ctypes.release", self._release)
        self._using = kit.hook("ctypes.use", self._use)
        self._rolled_back = kit.hook("ctypes.roll_back", kit.ledger.native.roll_back)

    def loaded(self, library: Any) -> None:
        """A library was loaded: if it is declared, its functions get their roles."""
        names = stems(getattr(library, "_name", None))
        for declaration in self._kit.config.native:
            if declaration.library in names:
                self.declare(library, declaration)

    def declare(self, library: Any, declaration: NativeDeclaration) -> None:
        """Gives the functions of a loaded library their roles."""
        import ctypes

        for name, role in declaration.roles.items():
            try:
                function = library[name]
            except AttributeError:
                self.problems.append(f"{declaration.library} has no function {name}: check its name in [[native]]")
                continue
            address = ctypes.c_void_p.from_address(ctypes.addressof(function)).value
            if address is not None:
                self._roles[address] = (declaration.library, name, role)
        self._route(library._FuncPtr)

    def _route(self, function_type: type) -> None:
        if function_type in self._types:
            return
        import _ctypes
        import ctypes

        original: Callable[..., Any] = _ctypes.CFuncPtr.__call__  # type: ignore[attr-defined]
        roles, address_at, read = self._roles, ctypes.addressof, ctypes.c_void_p.from_address
        run = {"acquire": self._run_acquire, "retain": self._run_acquire, "use": self._run_use}
        run["release"] = self._run_release

        def __call__(function: Any, *args: Any, **kwargs: Any) -> Any:
            role = roles.get(read(address_at(function)).value or 0)
            if role is None:
                return original(function, *args, **kwargs)
            return run[role[2]](original, function, role, args, kwargs)

        self._types[function_type] = (
            function_type.__dict__.get("__call__"),
            "__call__" in function_type.__dict__,
        )
        function_type.__call__ = __call__  # type: ignore[method-assign]

    def _run_acquire(self, original: Any, function: Any, role: Any, args: Any, kwargs: Any) -> Any:
        result = original(function, *args, **kwargs)
        handle = self._acquired(role, args, result)
        return result if handle is None else handle

    def _acquire(self, role: tuple[str, str, str], args: Sequence[Any], result: Any) -> Any:
        address = address_of(result)
        if not address:
            return None
        event = NativeAcquired(role[0], role[1], address, args, self._kit.here(caller(3)))
        handle = self._kit.ledger.native.acquired(event)
        if type(result) is int:
            return NativeHandle.of(result, handle)
        if not isinstance(result, int):
            setattr(result, TAG, handle)
        return None

    def _run_use(self, original: Any, function: Any, role: Any, args: Any, kwargs: Any) -> Any:
        verdict: Verdict | None = self._using(role, args)
        if verdict is not None and verdict.exception is not None:
            raise verdict.exception
        return original(function, *args, **kwargs)

    def _use(self, role: tuple[str, str, str], args: Sequence[Any]) -> Verdict | None:
        native = self._kit.ledger.native
        for argument in args:
            address = address_of(argument)
            if address and native.find(role[0], address, epoch_of(argument)) is not None:
                event = NativeUsed(role[0], role[1], address, epoch_of(argument), self._kit.here(caller(3)))
                return self._kit.pipeline.handle(event)
        return None

    def _run_release(self, original: Any, function: Any, role: Any, args: Any, kwargs: Any) -> Any:
        import ctypes

        outcome = self._releasing(role, args)
        verdict, handle = outcome if outcome is not None else (None, None)
        if verdict is not None:
            if verdict.exception is not None:
                raise verdict.exception
            if verdict.skip:
                return None
        try:
            result = original(function, *args, **kwargs)
        except ctypes.ArgumentError:
            if handle is not None and verdict is None:
                self._rolled_back(handle)
            raise
        if handle is not None and verdict is None:
            self._kit.ledger.native.released(handle, result)
        return result

    def _release(self, role: tuple[str, str, str], args: Sequence[Any]) -> tuple[Verdict | None, Release | None] | None:
        native = self._kit.ledger.native
        given = [(argument, address_of(argument)) for argument in args]
        pointers = [(argument, address) for argument, address in given if address is not None]
        if not pointers:
            return None
        known = [
            (argument, address)
            for argument, address in pointers
            if address and native.find(role[0], address, epoch_of(argument)) is not None
        ]
        argument, address = (known or pointers)[0]
        path = self._kit.path(caller(3))
        event = NativeReleasing(role[0], role[1], address, epoch_of(argument), True, path)
        facts, handle = native.releasing(event)
        return (self._kit.pipeline.respond(facts) if facts else None), handle

    def remove(self) -> None:
        """Takes ``__call__`` off the library types again."""
        for function_type, (before, own) in self._types.items():
            if own:
                function_type.__call__ = before  # type: ignore[method-assign]
            else:
                del function_type.__call__
        self._types.clear()
        self._roles.clear()


def address_of(value: Any) -> int | None:
    """The address that a handle is, ``None`` for what is no pointer; a null pointer is 0."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return int(value) & 0xFFFF_FFFF_FFFF_FFFF
    if value is None:
        return 0
    import ctypes

    if isinstance(value, (ctypes.c_void_p, ctypes._Pointer)):
        return ctypes.c_void_p.from_address(ctypes.addressof(value)).value or 0
    return None


def stems(name: object) -> set[str]:
    """What a library's file is called without folder, version and ``.so``; also without ``lib``."""
    if not isinstance(name, (str, os.PathLike)):
        return {"libc"} if name is None else set()
    base = os.path.basename(os.fspath(name))
    stem = base.partition(".so")[0].removesuffix(".dylib").removesuffix(".dll")
    return {base, stem, stem.removeprefix("lib")}


def instrument(kit: Kit) -> tuple[Instrument, NativeHooks]:
    """The instrument of ctypes, and its hooks for ``rasp.native_library``."""
    hooks = NativeHooks(kit)
    loaded = kit.hook("ctypes.load", hooks.loaded)

    def init(original: Any) -> Any:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            loaded(self)

        return named_like(original, __init__)

    def find_loaded(module: ModuleType) -> None:
        if kit.config.native:
            for entry in gc.get_objects():
                if type(entry).__module__ == "ctypes" and isinstance(entry, module.CDLL):
                    hooks.loaded(entry)

    made = Instrument(
        name="ctypes",
        library="python",
        supported=">=3.11",
        points=(PatchPoint("ctypes", "CDLL.__init__", init),) if kit.config.native else (),
        unreachable=("C code that calls C code",),
        on_install=find_loaded,
        on_uninstall=hooks.remove,
    )
    return made, hooks
