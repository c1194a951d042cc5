"""What a native function is declared to do, and what is wrong with a declaration."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from dataclasses import dataclass, field
from typing import Any

from rasp.declarations import NativeDeclaration
from rasp.instruments.ctypes_native import stems

ALLOCATOR = NativeDeclaration(
    "libc", acquire=("malloc", "calloc", "strdup", "strndup", "aligned_alloc"), release=("free",)
)
"""libc's own, followed wherever any native library is."""
REALLOC = "realloc"


@dataclass(frozen=True, slots=True, eq=False)
class Role:
    """One function's role. ``does``: acquire, retain, use, release, realloc. ``memory``: it is of libc's allocator."""

    library: str
    function: str
    does: str
    thread_safe: bool | None = None
    quarantine: bool = False
    memory: bool = False


@dataclass(slots=True, eq=False)
class Roles:
    """The roles of functions, by their addresses.

    Attributes:
        problems: what is wrong with declarations, each in a sentence.
        libraries: names of the declared libraries of which one was loaded.
    """

    by_address: dict[int, Role] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    libraries: set[str] = field(default_factory=set)

    def declare(self, library: Any, declaration: NativeDeclaration) -> list[str]:
        """Gives the functions of a loaded library their roles; returns what is wrong, if anything."""
        wrong = []
        name = declaration.library
        self.libraries.add(name)
        seen: set[str] = set()
        for function, does in declared_roles(declaration):
            if function in seen:
                wrong.append(f"{name}: {function} has two roles; give it one of acquire, retain, use, release")
                continue
            seen.add(function)
            address = address_of_function(library, function)
            if address is None:
                wrong.append(f"{name} has no function {function}: check its name in [[native]]")
                continue
            self.by_address[address] = self._role(declaration, function, does, address)
        self.problems += [text for text in wrong if text not in self.problems]
        return wrong

    def _role(self, declaration: NativeDeclaration, function: str, does: str, address: int) -> Role:
        known = self.by_address.get(address)
        memory = (known is not None and known.memory) or (declaration.library == "libc" and function in _MEMORY)
        if function == REALLOC and memory:
            does = REALLOC
        held = declaration.quarantine or memory
        library = known.library if known is not None and known.memory else declaration.library
        return Role(library, function, does, declaration.thread_safe, held, memory)

    def add_allocator(self) -> None:
        """libc's own functions, where no declaration gives them another role."""
        process = ctypes.CDLL(None)
        for function, does in (*declared_roles(ALLOCATOR), (REALLOC, REALLOC)):
            address = address_of_function(process, function)
            if address is not None:
                self.by_address.setdefault(address, Role("libc", function, does, quarantine=True, memory=True))

    def never_loaded(self, declared: tuple[NativeDeclaration, ...]) -> list[str]:
        """Declared libraries that this process has not loaded."""
        return [
            f"{entry.library}: declared in [[native]], and not loaded in this process;"
            " `library` is the file's name without folder and .so, or the name of a module"
            for entry in declared
            if entry.library not in self.libraries and not is_module(entry.library)
        ]


_MEMORY = frozenset((*ALLOCATOR.acquire, *ALLOCATOR.release, REALLOC))


def is_module(name: str) -> bool:
    """Whether a name is that of a module: other instruments follow those."""
    try:
        return name in sys.modules or importlib.util.find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def declared_roles(declaration: NativeDeclaration) -> list[tuple[str, str]]:
    """(function, role) in order, a function as often as it was named."""
    named = {
        "acquire": declaration.acquire,
        "retain": declaration.retain,
        "use": declaration.use,
        "release": declaration.release,
    }
    return [(function, role) for role, functions in named.items() for function in functions]


def address_of_function(library: Any, name: str) -> int | None:
    """Where a library has a function; ``None`` if it has none of that name."""
    try:
        function = library[name]
    except (AttributeError, ValueError):
        return None
    return ctypes.c_void_p.from_address(ctypes.addressof(function)).value


__all__ = ["ALLOCATOR", "REALLOC", "Role", "Roles", "address_of_function", "declared_roles", "stems"]
