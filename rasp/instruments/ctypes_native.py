"""ctypes: functions that a configuration declares to acquire, retain, use or release a native handle.

Calls are re-routed by the types of function objects (``ctypes_routes``) and told apart by the function's address,
however it was reached: attributes, aliases, prototypes, ``lib["f"]``, another library's object. Without a declaration
nothing is re-routed. With one, libc's ``malloc``, ``calloc``, ``realloc``, ``strdup`` and ``free`` are followed too. A
number that is a handle comes back as an ``int`` that carries its epoch. Not seen: C calling C.
"""

from __future__ import annotations

import gc
import os
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rasp.declarations import NativeDeclaration
from rasp.instruments.kit import Kit
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like

if TYPE_CHECKING:
    from rasp.instruments.ctypes_libraries import NativeLibraries


class NativeHooks:
    """The way to the declared libraries of ctypes; what they need is imported with the first of them."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._libraries: NativeLibraries | None = None

    @property
    def problems(self) -> list[str]:
        """What is wrong with the declarations of native libraries, each in a sentence."""
        if self._libraries is not None:
            return self._libraries.problems()
        return [
            f"{entry.library}: declared in [[native]]; this process has not imported ctypes"
            for entry in self._kit.config.native
        ]

    def started(self) -> NativeLibraries:
        """The followed libraries; re-routes from now on."""
        if self._libraries is None:
            from rasp.instruments.ctypes_libraries import NativeLibraries

            self._libraries = NativeLibraries(self._kit)
            self._libraries.start()
        return self._libraries

    def found(self, module: ModuleType) -> None:
        """ctypes is there: with a declaration, what it has loaded is followed."""
        if self._kit.config.native:
            libraries = self.started()
            for entry in gc.get_objects():
                if issubclass(type(entry), module.CDLL):  # not isinstance: a lazy object's __class__ is app code
                    libraries.loaded(entry)

    def loaded(self, library: Any) -> None:
        """A library was loaded."""
        if self._libraries is not None:
            self._libraries.loaded(library)

    def made(self, kind: type) -> None:
        """A prototype was made."""
        if self._libraries is not None:
            self._libraries.routes.add(kind)

    def declare(self, library: Any, declaration: NativeDeclaration) -> None:
        """``rasp.native_library``: gives the functions of a loaded library their roles."""
        self.started().declare(library, declaration)

    def flush(self) -> None:
        """The process ends: the releases that were put off are made, but for mere memory."""
        if self._libraries is not None:
            self._libraries.flush()

    def remove(self) -> None:
        """Leaves all types and functions of ctypes as they were."""
        libraries, self._libraries = self._libraries, None
        if libraries is not None:
            libraries.stop()


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
    made = kit.hook("ctypes.prototype", hooks.made)

    def init(original: Any) -> Any:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            loaded(self)

        return named_like(original, __init__)

    def cache(original: Any) -> Any:
        from rasp.instruments.ctypes_routes import TypeCache

        return TypeCache(original, made)

    instrument = Instrument(
        name="ctypes",
        library="python",
        supported=">=3.11",
        points=(
            PatchPoint("ctypes", "CDLL.__init__", init),
            PatchPoint("ctypes", "_c_functype_cache", cache, optional=True),
        ),
        unreachable=("C code that calls C code",),
        on_install=hooks.found,
        on_uninstall=hooks.remove,
    )
    return instrument, hooks
