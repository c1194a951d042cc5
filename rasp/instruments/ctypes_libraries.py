"""The declared libraries of ctypes: which are loaded, which functions of theirs have a role."""

from __future__ import annotations

import gc
import os
from _ctypes import CFuncPtr
from typing import Any

from rasp.declarations import NativeDeclaration
from rasp.instruments.ctypes_arguments import is_pointer, result_address
from rasp.instruments.ctypes_calls import Calls
from rasp.instruments.ctypes_context import Context, Errcheck
from rasp.instruments.ctypes_native import stems
from rasp.instruments.ctypes_quarantine import HeldBack
from rasp.instruments.ctypes_releases import Releases
from rasp.instruments.ctypes_roles import REALLOC, Role, Roles
from rasp.instruments.ctypes_routes import Routes, base_call
from rasp.instruments.kit import Kit

OTHER = "other"
"""The role of a function without one, in a library whose other functions have some."""


class NativeLibraries:
    """Puts roles, routes and calls together.

    Attributes:
        routes: the re-routed types.
    """

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._roles = Roles()
        self._said: set[str] = set()
        book = kit.ledger.native
        self._held = HeldBack(kit.config.quarantine, lambda handle: book.unknown_again(handle.library, handle.address))
        book.on_fork.append(self._held.after_fork)
        context = Context(kit)
        calls = Calls(kit, context)
        releases = Releases(kit, context, calls, self._held, self._say)
        self._by_role = {
            "acquire": calls.acquire,
            "retain": calls.retain,
            "use": calls.use,
            "release": releases.release,
            REALLOC: releases.realloc,
            OTHER: self._beside,
        }
        self._declared: dict[type, str] = {}
        self.routes = Routes(self._roles.by_address.get, self._role_beside, self._run)

    def start(self) -> None:
        """Re-routes what there is, libc's own functions first."""
        self._roles.add_allocator()
        self.routes.start()

    def loaded(self, library: Any) -> None:
        """A library was loaded: if it is declared, its functions get their roles."""
        names = stems(getattr(library, "_name", None))
        self.routes.add(library._FuncPtr)
        for declaration in self._kit.config.native:
            if declaration.library in names:
                for problem in self.declare(library, declaration):
                    self._say(problem)

    def declare(self, library: Any, declaration: NativeDeclaration) -> list[str]:
        """Gives the functions of a library their roles; returns what is wrong with that."""
        wrong = self._roles.declare(library, declaration)
        self._declared[library._FuncPtr] = declaration.library
        self.routes.add(library._FuncPtr, always=True)
        self.routes.again()
        return wrong

    def problems(self) -> list[str]:
        """What is wrong with declarations, each in a sentence."""
        return [*self._roles.problems, *self._roles.never_loaded(self._kit.config.native)]

    def _say(self, problem: str) -> None:
        """Writes a problem to standard error, once."""
        if problem in self._said:
            return
        self._said.add(problem)
        if problem not in self._roles.problems:
            self._roles.problems.append(problem)
        try:
            os.write(2, f"rasp: {problem}\n".encode("utf-8", "replace"))
        except OSError:
            pass  # no standard error: rasp doctor still tells

    def _role_beside(self, function: Any) -> Role | None:
        """A function without a role must stay in sight if it may hand out a handle, or if a release was put off."""
        library = self._declared.get(type(function))
        if library is None or library == "libc":
            return None
        held = any(entry.library == library and entry.quarantine for entry in self._roles.by_address.values())
        if not held and not is_pointer(function.restype, None):
            return None
        return Role(library, "", OTHER, quarantine=held)

    def _run(self, role: Role, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self._by_role[role.does](role, function, args, kwargs)

    def _beside(self, role: Role, function: Any, args: Any, kwargs: Any) -> Any:
        """A function without a role, of a library whose other functions have some."""
        if role.quarantine and role.library in self._held.libraries:
            self._held.flush(role.library)
        result = base_call(function, *args, **kwargs)
        address = result_address(result)
        if address:
            self._kit.ledger.native.unknown_again(role.library, address)
        return result

    def flush(self) -> None:
        """Makes the releases that were put off, but for mere memory."""
        for library in tuple(self._held.libraries - {"libc"}):
            self._held.flush(library)

    def stop(self) -> None:
        """Leaves all types and functions of ctypes as they were."""
        self._held.flush()
        for entry in gc.get_objects():
            if issubclass(type(entry), CFuncPtr) and type(entry.errcheck) is Errcheck:
                entry.errcheck = entry.errcheck.check
        self.routes.stop()
        book = self._kit.ledger.native
        book.on_fork[:] = [renew for renew in book.on_fork if renew != self._held.after_fork]
