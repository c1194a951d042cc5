"""Replacements of what is written in C, which only their identity tells from the original.

A function of C binds to nothing where a class holds it (``opener = open``), as one of Python would. wrapt's wrappers
know that too, but ``open`` and ``os.system`` are there from the start, when wrapt may not be imported yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Builtin:
    """A function around one of C: ``call(original, args, kwargs)``. What it is asked for, the original answers."""

    __slots__ = ("__weakref__", "__wrapped__", "_call")

    def __init__(self, original: Any, call: Callable[[Any, Any, Any], Any]) -> None:
        self.__wrapped__ = original
        self._call = call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(self.__wrapped__, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    def __eq__(self, other: object) -> bool:
        return self is other or other is self.__wrapped__

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __dir__(self) -> list[str]:
        return dir(self.__wrapped__)

    def __reduce__(self) -> Any:
        return self.__wrapped__.__name__

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self.__wrapped__)

    @property
    def __doc__(self) -> Any:  # type: ignore[override]
        return self.__wrapped__.__doc__

    @property
    def __module__(self) -> Any:  # type: ignore[override]
        return self.__wrapped__.__module__


def one_for_all(call: Callable[[Any, Any, Any], Any]) -> Callable[[Any], Any]:
    """Makes replacements: the same one for an original that stands under several names, such as ``open``."""
    made: list[tuple[Any, Builtin]] = []

    def make(original: Any) -> Any:
        found = next((ours for theirs, ours in made if original is theirs or original is ours), None)
        if found is None:
            found = Builtin(original, call)
            made.append((original, found))
        return found

    return make


class Alike(type):
    """The type of a class that is to be taken for its base.

    Such a class bears the dotted name that error messages show, and says the short one.
    """

    __name__ = property(lambda cls: cls.__base__.__name__)

    def __eq__(cls, other: object) -> bool:
        return cls is other or other is cls.__base__

    def __hash__(cls) -> int:
        return hash(cls.__base__)


def alike(base: Any, methods: dict[str, Any]) -> Any:
    """A subclass that is told from its base by its methods only."""
    looks: dict[str, Any] = {
        "__module__": base.__module__,
        "__qualname__": base.__qualname__,
        "__doc__": base.__doc__,
        "__slots__": (),
        "__class__": property(lambda self: base),
    }
    return Alike(f"{base.__module__}.{base.__qualname__}", (base,), looks | methods)
