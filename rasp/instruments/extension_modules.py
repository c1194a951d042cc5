"""Modules in C, Cython, C++ (pybind11) or Rust (PyO3): functions and methods that a configuration declares.

Functions are replaced in their module when that is imported, ``Class.method`` on its class, ``Class`` stands for its
constructor. A handle is told by its epoch as a number, by the pointer in a capsule, else by the object itself. Names
that modules imported earlier are bound anew in their globals.

Not seen: methods of static types and of Cython's ``cdef class`` (their type refuses attributes), C code that calls C
code, ``cpdef`` functions called inside Cython, an original that a tuple, partial or closure kept: deep mode sees those.
"""

from __future__ import annotations

import atexit
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

from rasp.declarations import NativeDeclaration
from rasp.instruments.cffi_native import is_cffi_library
from rasp.instruments.kit import Kit
from rasp.instruments.native_calls import Given, NativeCalls, Role
from rasp.instruments.native_identity import OPEN_BOUND, Identities
from rasp.instruments.rebinding import rebind
from rasp.ledger.native_handles import Handle, NativeHandle, epoch_of
from rasp.patching.installer import Instrument
from rasp.patching.patches import MissingPoint, Patch, PatchPoint, apply, undo

UNREACHABLE = (
    "methods of static types and of Cython's cdef classes: the type refuses attributes",
    "C code that calls C code, and cpdef functions called inside Cython: Python is not involved",
    "functions imported by name before rasp was installed, and kept elsewhere than in a module's globals",
)
_NEVER = (str, bytes, bytearray, memoryview, float, complex, bool, type(None), type, ModuleType, tuple, list, dict, set)
_MASK = 0xFFFF_FFFF_FFFF_FFFF


class Capsules:
    """Reads the pointer in a capsule."""

    def __init__(self) -> None:
        self._functions: tuple[Any, Any, Any] | None = None

    def pointer(self, capsule: object) -> int:
        """The pointer, 0 where the capsule was emptied."""
        name, pointer, _ = self._api()
        try:
            return pointer(capsule, name(capsule)) or 0
        except ValueError:
            return 0

    def owns(self, capsule: object) -> bool:
        """Whether it has a destructor: then its end is its handle's, too."""
        try:
            return bool(self._api()[2](capsule))
        except ValueError:
            return False

    def _api(self) -> tuple[Any, Any, Any]:
        if self._functions is None:
            import ctypes

            api, any_object = ctypes.pythonapi, ctypes.py_object
            self._functions = (
                ctypes.PYFUNCTYPE(ctypes.c_char_p, any_object)(("PyCapsule_GetName", api)),
                ctypes.PYFUNCTYPE(ctypes.c_void_p, any_object, ctypes.c_char_p)(("PyCapsule_GetPointer", api)),
                ctypes.PYFUNCTYPE(ctypes.c_void_p, any_object)(("PyCapsule_GetDestructor", api)),
            )
        return self._functions


class ObjectHandles:
    """Numbers, capsules, and opaque objects."""

    def __init__(self, identities: Identities, native: Any) -> None:
        self._identities = identities
        self._native = native
        self._capsules = Capsules()
        self._owned: OrderedDict[int, Handle] = OrderedDict()
        """Handles of capsules with a destructor, by their pointer."""

    def given(self, arguments: Iterable[object]) -> Iterable[Given]:
        """Every argument that can be a handle; an object that was never acquired only if there is nothing better."""
        for argument in arguments:
            if type(argument) is NativeHandle or (isinstance(argument, int) and not isinstance(argument, bool)):
                yield Given(int(argument) & _MASK, epoch_of(argument), argument)
            elif not isinstance(argument, _NEVER):
                epoch = self._identities.of(argument)
                if _is_capsule(argument):
                    address = self._capsules.pointer(argument)
                    if epoch is not None and address in (0, epoch.address):
                        yield Given(epoch.address, epoch, argument)
                    else:
                        yield Given(address, None, argument)
                elif epoch is not None:
                    yield Given(epoch.address, epoch, argument)
                else:
                    yield Given(self._identities.serial(), None, argument, loose=True)

    def made(self, arguments: Sequence[object], result: object) -> Given | None:
        """The result, or the first handle in a tuple of them."""
        if isinstance(result, tuple):
            return next((made for made in (self.made((), part) for part in result) if made is not None), None)
        if isinstance(result, _NEVER):
            return None
        if isinstance(result, int):
            return Given(int(result) & _MASK, None, result) if result else None
        if _is_capsule(result):
            address = self._capsules.pointer(result)
            before = self._owned.pop(address, None)
            if before is not None:  # its capsule is gone, and has freed it: nobody else hands out the pointer
                self._native.ended(before)
            return Given(address, None, result) if address else None
        return Given(self._identities.serial(), None, result)

    def bound(self, given: Given, handle: Handle) -> Any:
        """A number is handed on as one that carries its epoch; other objects are remembered."""
        if type(given.value) is int:
            return NativeHandle.of(given.value, handle)
        if not isinstance(given.value, int):
            self._identities.bind(given.value, handle)
            owned = _is_capsule(given.value) and self._capsules.owns(given.value)
            handle.attended = owned or not _is_capsule(given.value)
            if owned:
                self._owned[given.address] = handle
                if len(self._owned) > OPEN_BOUND:
                    self._owned.popitem(last=False)
        return None

    def released(self, given: Given) -> None:
        """What takes no weak reference is kept for a while, so that it stays this object."""
        self._owned.pop(given.address, None)
        self._identities.keep(given.value)


def _is_capsule(value: object) -> bool:
    return type(value).__name__ == "PyCapsule" and type(value).__module__ == "builtins"


class ExtensionModules:
    """Puts wrappers into modules and classes, and takes them out again."""

    def __init__(self, kit: Kit, calls: NativeCalls, identities: Identities) -> None:
        self._kit = kit
        self._calls = calls
        self._identities = identities
        self.handles = ObjectHandles(identities, kit.ledger.native)
        self._patches: list[Patch] = []
        self._pairs: list[tuple[object, object]] = []

    def imported(self, module: ModuleType) -> None:
        """A declared module was imported."""
        if is_cffi_library(getattr(module, "lib", None)) and hasattr(module, "ffi"):
            return
        for declaration in self._kit.config.native:
            if declaration.library == module.__name__:
                self.declare(module, declaration)

    def declare(self, module: ModuleType, declaration: NativeDeclaration) -> None:
        """Gives the functions of a module their roles; what is wrong becomes a problem."""
        atexit.register(self.forget_unfollowed)
        self._calls.libraries.add(declaration.library)
        pairs: list[tuple[object, object]] = []
        for role in self._calls.roles(declaration):
            made: list[tuple[object, object]] = []
            try:
                patches = self._applied(module, role, made)
            except MissingPoint:
                self._calls.problem(f"{role.library} has no {role.function}: check its name in [[native]]")
            except (TypeError, AttributeError) as error:
                self._calls.problem(f"{role.library}: {role.function} cannot be reached: {_why(error)}")
            else:
                self._patches += patches
                pairs += made
        rebind(pairs)
        self._pairs += pairs

    def _applied(self, module: ModuleType, role: Role, made: list[tuple[object, object]]) -> list[Patch]:
        target: Any = module
        for name in role.function.split("."):
            target = getattr(target, name, None)
        if isinstance(target, type):
            return [self._construction(target, role)]
        return apply(module, [PatchPoint(module.__name__, role.function, self._maker(role, made))])

    def _construction(self, target: type, role: Role) -> Patch:
        """A class: seen in its ``__init__``. A ``__new__`` in C refuses to be called through one in Python."""
        own = "__init__" in vars(target)
        before: Any = target.__init__  # type: ignore[misc]
        original = vars(target)["__init__"] if own else None if before is object.__init__ else before
        replacement = self._constructor(original, role)
        target.__init__ = replacement  # type: ignore[misc]
        return Patch(target, "__init__", original, not own, replacement)

    def _maker(self, role: Role, made: list[tuple[object, object]]) -> Any:
        """What makes the replacement of a function or method."""

        def make(original: Any) -> Any:
            if not callable(original) and not hasattr(original, "__get__"):
                raise TypeError("it is no function")
            if type(original).__name__ == "classmethod_descriptor":
                return classmethod(self._calls.wrapper(_of_class(original), role, self.handles))
            wrapper = self._calls.wrapper(original, role, self.handles)
            made.append((original, wrapper))
            return wrapper

        return make

    def _constructor(self, original: Any, role: Role) -> Any:
        wrapper = self._calls.wrapper(_returning_self(original), role, self.handles)

        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            wrapper(self, *args, **kwargs)

        return __init__

    def forget_unfollowed(self) -> None:
        """At the end of the process: of objects that nobody can follow it is not known whether they are still there."""
        for handle in self._identities.unfollowed():
            gone(self._kit, handle)

    def remove(self) -> None:
        """Puts everything back, also where a module imported a wrapper by name."""
        undo(self._patches)
        rebind((wrapper, original) for original, wrapper in self._pairs)
        self._patches.clear()
        self._pairs.clear()
        self._identities.clear()
        atexit.unregister(self.forget_unfollowed)


def _of_class(original: Any) -> Any:
    def method(cls: type, *args: Any, **kwargs: Any) -> Any:
        return original.__get__(None, cls)(*args, **kwargs)

    return method


def _returning_self(original: Any) -> Any:
    def construct(self: Any, *args: Any, **kwargs: Any) -> Any:
        if original is not None:
            original(self, *args, **kwargs)
        return self

    return construct


def _why(error: Exception) -> str:
    text = str(error)
    if "immutable type" in text or "can't set attributes" in text or "cannot set" in text:
        return "its class is a static type or a cdef class, which refuses attributes; declare a function of the module"
    return text


def gone(kit: Kit, handle: Handle) -> None:
    """The object that was a handle is no more: an implicit end, and no release."""
    kit.ledger.native.ended(handle)


def instrument(kit: Kit, calls: NativeCalls, identities: Identities) -> tuple[Instrument, ExtensionModules]:
    """The instrument of declared extension modules, and its hooks for ``rasp.native_library``."""
    modules = ExtensionModules(kit, calls, identities)
    declared = dict.fromkeys(entry.library for entry in kit.config.native)
    names = [name for name in declared if all(part.isidentifier() for part in name.split("."))]

    def absent(original: Any) -> Any:
        return original

    return Instrument(
        name="extension_modules",
        library="python",
        supported=">=3.11",
        # Points that no module has: they only ask to be told of the import, and sys is there for rasp.native_library.
        points=tuple(PatchPoint(name, "<functions>", absent, optional=True) for name in ("sys", *names)),
        unreachable=UNREACHABLE,
        on_install=modules.imported,
        on_uninstall=modules.remove,
    ), modules
