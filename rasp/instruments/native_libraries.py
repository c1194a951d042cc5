"""Native libraries of every family behind one door: what ``rasp.native_library`` and ``rasp doctor`` ask."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from rasp.declarations import NativeDeclaration
from rasp.instruments.cffi_native import CffiLibraries, is_cffi_library, library_name
from rasp.instruments.ctypes_native import NativeHooks
from rasp.instruments.extension_modules import ExtensionModules
from rasp.instruments.native_calls import NativeCalls

if TYPE_CHECKING:
    from rasp.instruments.deep_mode import DeepMode


class NativeLibraries:
    """Which family a library belongs to, and what is wrong with declarations.

    Attributes:
        deep: deep mode, where it is on.
    """

    def __init__(self, ctypes: NativeHooks, cffi: CffiLibraries, modules: ExtensionModules, calls: NativeCalls) -> None:
        self._ctypes = ctypes
        self._cffi = cffi
        self._modules = modules
        self._calls = calls
        self.deep: DeepMode | None = None

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong with declarations."""
        return [*self.problems_of("ctypes"), *self._calls.problems]

    def problems_of(self, instrument: str) -> tuple[str, ...]:
        """What ``rasp doctor`` shows at an instrument."""
        if instrument == "deep_mode" and self.deep is not None:
            return tuple(self.deep.problems)
        if instrument == "ctypes":
            ours = tuple(f"{library}: declared in [[native]]" for library in self._calls.libraries)
            return tuple(problem for problem in self._ctypes.problems if not problem.startswith(ours))
        return tuple(self._calls.problems) if instrument == "extension_modules" else ()

    def flush(self) -> None:
        """The process ends: the releases that were put off are made."""
        self._ctypes.flush()

    def declare(self, lib: Any, declaration: NativeDeclaration) -> list[str]:
        """Gives the functions of a loaded library their roles; returns what is wrong with that.

        Raises:
            TypeError: it is no library of ``ctypes`` or cffi, and no module.
        """
        self._calls.latest.clear()
        known = self._ctypes.problems
        if is_cffi_library(lib):  # first, for such a lib says that it is a module
            self._cffi.declare(lib, declaration)
        elif isinstance(lib, ModuleType):
            inner = getattr(lib, "lib", None)
            if hasattr(lib, "ffi") and is_cffi_library(inner):
                self._cffi.declare(inner, declaration)
            else:
                self._modules.declare(lib, declaration)
        elif hasattr(lib, "_FuncPtr"):
            self._ctypes.declare(lib, declaration)
        else:
            raise TypeError(f"a ctypes or cffi library or a module is wanted, not {type(lib).__name__}")
        return [*self._calls.latest, *(problem for problem in self._ctypes.problems if problem not in known)]


def name_of(lib: Any) -> str:
    """What a library is called in reports: its file's name without suffix, or the module's."""
    name: object
    if is_cffi_library(lib):
        name = library_name(lib)
    elif isinstance(lib, ModuleType):
        return lib.__name__
    else:
        name = getattr(lib, "_name", None)
    return str(name or "libc").rpartition("/")[2].partition(".so")[0]
