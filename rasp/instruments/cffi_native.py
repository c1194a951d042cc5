"""cffi: functions of a library that a configuration declares, in-line and out-of-line, in ABI and API mode.

In ABI mode a wrapper takes the function's place in ``lib.__dict__``. In API mode, whose ``lib`` refuses attributes, it
takes its place in the live dict of functions behind it, which also serves ``from module import lib``. A handle is told
by its pointer object, weakly referenced, else by its address. Functions nobody declared are not touched.

Not seen, since the ``FFI`` of out-of-line modules is a C type that cannot be changed: its ``gc``, ``release``, ``new``,
``from_buffer`` and ``dlopen`` (destructors that it calls are seen; declare a library it opened with
``rasp.native_library``). A declared function is a Python function while rasp is installed: ``ffi.typeof(lib.f)``,
``ffi.addressof(lib, "f")`` of in-line libraries, and ``lib.f`` as a C callback do not take it.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any

from rasp.declarations import NativeDeclaration
from rasp.instruments.kit import Kit
from rasp.instruments.native_calls import Given, NativeCalls, Role
from rasp.instruments.native_identity import Identities
from rasp.instruments.rebinding import rebind
from rasp.ledger.native_handles import Handle, NativeHandle, epoch_of
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like

UNREACHABLE = (
    "ffi.gc, release, new, from_buffer and dlopen of out-of-line modules: their FFI is a C type",
    "ffi.typeof(lib.f), ffi.addressof(lib, 'f') and lib.f as a callback, of declared functions: not cdata under rasp",
    "functions taken off a lib before rasp was installed, and kept elsewhere than in a module's globals",
)
_MASK = 0xFFFF_FFFF_FFFF_FFFF


class CffiHandles:
    """Pointers, and numbers that hold an address."""

    def __init__(self, identities: Identities, carriers: set[type]) -> None:
        backend = _backend()
        self._identities = identities
        self._carriers = carriers
        self._cdata: type = backend._CDataBase
        self._typeof: Callable[[Any], Any] = backend.typeof
        self._cast: Callable[[Any, Any], Any] = backend.cast
        self._word = backend.new_primitive_type("uintptr_t")

    def given(self, arguments: Iterable[object]) -> Iterable[Given]:
        """Pointers and numbers; of the address of a pointer also what that points to."""
        for argument in arguments:
            if isinstance(argument, int):
                if not isinstance(argument, bool):
                    yield Given(int(argument) & _MASK, epoch_of(argument), argument)
            elif isinstance(argument, self._cdata):
                yield from self._pointers(argument)

    def _pointers(self, argument: Any) -> Iterable[Given]:
        kind = self._typeof(argument)
        if kind.kind == "primitive":
            number = _whole(argument)
            if number is not None:
                yield Given(number & _MASK, None, argument)
        elif kind.kind in ("pointer", "array"):
            address = int(self._cast(self._word, argument))
            inner = kind.item.kind == "pointer"
            yield Given(address, self._identities.of(argument), argument, loose=inner or kind.kind == "array")
            if inner and address and (kind.kind == "pointer" or len(argument)):
                held = argument[0]
                yield Given(int(self._cast(self._word, held)), None, held)

    def made(self, arguments: Sequence[object], result: object) -> Given | None:
        """A pointer that was returned, else one that was written where an argument points to, else a number."""
        if isinstance(result, self._cdata):
            address = self.address(result)
            return Given(address, None, result) if address else None
        for argument in arguments:
            if isinstance(argument, self._cdata):
                found = [given for given in self._pointers(argument) if given.value is not argument]
                if found:
                    return found[0] if found[0].address else None
        if isinstance(result, int) and not isinstance(result, bool) and result:
            return Given(int(result) & _MASK, None, result)
        return None

    def address(self, value: Any) -> int:
        """The address a pointer holds; 0 for what is none."""
        kind = self._typeof(value).kind
        if kind in ("pointer", "array", "function"):
            return int(self._cast(self._word, value))
        return (_whole(value) or 0) & _MASK

    def bound(self, given: Given, handle: Handle) -> Any:
        """A pointer is remembered; a number is handed on as one that carries its epoch."""
        if type(given.value) is int:
            return NativeHandle.of(given.value, handle)
        if isinstance(given.value, self._cdata):
            self._identities.bind(given.value, handle)
            self._carriers.add(type(given.value))
        return None

    def released(self, given: Given) -> None:
        """Pointers take weak references: nothing is kept."""


def _backend() -> Any:
    """cffi's C module, which has no types for mypy."""
    return importlib.import_module("_cffi_backend")


def _whole(value: Any) -> int | None:
    """The whole number in a primitive cdata, ``None`` for a float or a character."""
    try:
        return int(value)
    except TypeError:
        return None


class CffiLibraries:
    """Puts wrappers into libraries, and takes them out again."""

    def __init__(self, kit: Kit, calls: NativeCalls, identities: Identities) -> None:
        self._kit = kit
        self._calls = calls
        self._identities = identities
        self._made: CffiHandles | None = None
        self._replaced: list[tuple[dict[str, Any], str, Any, Any]] = []

    @property
    def handles(self) -> CffiHandles:
        """Made when the first library is there: cffi is imported by then."""
        if self._made is None:
            self._made = CffiHandles(self._identities, self._kit.ledger.native.carriers)
        return self._made

    def loaded(self, lib: Any, name: object) -> None:
        """A library was opened: if it is declared, its functions get their roles."""
        names = file_names(name)
        for declaration in self._kit.config.native:
            if declaration.library in names:
                self.declare(lib, declaration)

    def imported(self, module: ModuleType) -> None:
        """An out-of-line module was imported, in API mode with its functions in ``lib``."""
        lib = getattr(module, "lib", None)
        if is_cffi_library(lib):
            for declaration in self._kit.config.native:
                if declaration.library == module.__name__:
                    self.declare(lib, declaration)

    def declare(self, lib: Any, declaration: NativeDeclaration) -> None:
        """Gives the functions of a library their roles; what is wrong becomes a problem."""
        pairs = []
        self._calls.libraries.add(declaration.library)
        for role in self._calls.roles(declaration):
            pair = self._declare(lib, role)
            if pair is not None:
                pairs.append(pair)
        rebind(pairs)

    def _declare(self, lib: Any, role: Role) -> tuple[Any, Any] | None:
        try:
            original = getattr(lib, role.function)
        except AttributeError:
            self._calls.problem(f"{role.library} has no function {role.function}: check its name and the cdef")
            return None
        if original in self._calls.quiet or getattr(original, "__wrapped__", None) is not None:
            return None
        wrong = self._mistake(original, role)
        table = _functions_of(lib, role.function)
        if wrong is None and table is None:
            wrong = "is kept where it cannot be replaced"
        if wrong is not None:
            self._calls.problem(f"{role.library}: {role.function} {wrong}")
            return None
        assert table is not None
        wrapper = self._calls.wrapper(original, role, self.handles)
        table[role.function] = wrapper
        self._replaced.append((table, role.function, original, wrapper))
        return original, wrapper

    def _mistake(self, original: Any, role: Role) -> str | None:
        """Why a function cannot have its role."""
        if not callable(original):
            return "is no function"
        signature = _signature(original)
        if signature is None:
            return None
        takes = any(kind.kind == "pointer" or _is_word(kind) for kind in signature.args)
        gives = signature.result.kind == "pointer" or _is_word(signature.result)
        out = any(kind.kind == "pointer" and kind.item.kind == "pointer" for kind in signature.args)
        if role.name in ("use", "release") and not takes and not signature.ellipsis:
            return f"takes no handle, so it can be no {role.name} function"
        if role.name == "acquire" and not gives and not out:
            return "gives out no handle, so it can be no acquire function"
        return None

    def remove(self) -> None:
        """Puts every function back, also where a module imported its wrapper by name."""
        for table, name, original, wrapper in reversed(self._replaced):
            if table.get(name) is wrapper:
                table[name] = original
        rebind((wrapper, original) for _, _, original, wrapper in self._replaced)
        self._replaced.clear()


def _is_word(kind: Any) -> bool:
    return kind.kind == "primitive" and not any(word in kind.cname for word in ("float", "double", "_Bool"))


def _signature(original: Any) -> Any:
    """The C type of a function; ``None`` where cffi does not tell."""
    try:
        found = _backend().FFI().typeof(original)
    except TypeError:
        return None
    return found if found.kind == "function" else None


def file_names(name: object) -> set[str]:
    """What the file of a library may be called in a declaration; ``None`` is the process itself."""
    if not isinstance(name, (str, os.PathLike)):
        return {"libc"} if name is None else set()
    base = os.path.basename(os.fspath(name))
    stem = base.partition(".so")[0].removesuffix(".dylib").removesuffix(".dll")
    return {base, stem, stem.removeprefix("lib")}


def is_cffi_library(lib: object) -> bool:
    """Whether an object is what ``ffi.dlopen`` returns, or the ``lib`` of an out-of-line module."""
    kind = type(lib)
    return kind.__module__ in ("cffi.api", "_cffi_backend") and (
        kind.__name__ in ("Lib", "CompiledLib")
        or kind.__qualname__.startswith("_make_ffi_library.")
        or kind.__name__.startswith("FFILibrary")
    )


def _functions_of(lib: Any, name: str) -> dict[str, Any] | None:
    """The live dict that ``lib.name`` is looked up in, once that was looked up."""
    own = getattr(lib, "__dict__", None) if type(lib).__module__ == "cffi.api" else None
    tables = [own] if own is not None else gc.get_referents(lib)
    return next((table for table in tables if isinstance(table, dict) and name in table), None)


def library_name(lib: Any) -> str:
    """The file name that a library was opened with, or the module it belongs to."""
    name = type(lib).__name__
    if name.startswith("FFILibrary_"):
        return name.removeprefix("FFILibrary_")
    return repr(lib).partition(" for '")[2].rstrip("'>")


def find_loaded(libraries: CffiLibraries) -> None:
    """The libraries that were opened before."""
    for entry in gc.get_objects():
        if is_cffi_library(entry):
            libraries.loaded(entry, library_name(entry))


def instrument(kit: Kit, calls: NativeCalls, identities: Identities) -> tuple[Instrument, CffiLibraries]:
    """The instrument of cffi's libraries, and its hooks for ``rasp.native_library``."""
    from rasp.instruments.cffi_memory import MemoryHooks

    libraries = CffiLibraries(kit, calls, identities)
    loaded = kit.hook("cffi.load", libraries.loaded)
    declared = tuple(dict.fromkeys(entry.library for entry in kit.config.native))

    def opening(original: Any) -> Any:
        def dlopen(self: Any, name: Any, *args: Any, **kwargs: Any) -> Any:
            lib = original(self, name, *args, **kwargs)
            loaded(lib, name)
            return lib

        return named_like(original, dlopen)

    def absent(original: Any) -> Any:
        return original

    def installed(module: ModuleType) -> None:
        if module.__name__ == "cffi.api":
            if declared:
                find_loaded(libraries)
        elif "_cffi_backend" in sys.modules:
            libraries.imported(module)

    memory = MemoryHooks(kit, calls, identities, libraries)
    # A point that no module has: it only asks to be told of the import.
    watched = tuple(
        PatchPoint(name, "<functions>", absent, optional=True)
        for name in ("_cffi_backend", *filter(_importable, declared))
    )
    return Instrument(
        name="cffi",
        library="cffi",
        supported=">=1.15,<3",
        points=(PatchPoint("cffi.api", "FFI.dlopen", opening), *memory.points(), *watched),
        unreachable=UNREACHABLE,
        on_install=installed,
        on_uninstall=libraries.remove,
    ), libraries


def _importable(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))
