"""Patch points as data; installed all or nothing, removed exactly.

Where it is hot a wrapper is a plain closure (0.1 us a call). Elsewhere it is a ``wrapt.FunctionWrapper`` (1.3 us),
which keeps signature, ``__class__`` and binding. wrapt is imported when the first library that needs it is there: it
takes as long to import as all of rasp's start-up may.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

Around = Callable[..., Any]
"""A wrapper in wrapt's shape: ``(wrapped, instance, args, kwargs) -> result``."""

Make = Callable[[Any], Any]
"""Takes the original, returns its replacement."""

_MISSING = object()


class PatchPoint(NamedTuple):
    """What is wrapped, and how.

    Attributes:
        module: the module whose import makes the point available.
        path: dotted path of the attribute inside it, such as ``"AppContext.__init__"``.
        make: takes the original and returns the replacement.
        optional: whether versions of the library without it are fine.
        own_only: leave it alone where a class merely inherits it.
    """

    module: str
    path: str
    make: Make
    optional: bool = False
    own_only: bool = False


def around(wrapper: Around) -> Make:
    """A replacement by ``wrapt.FunctionWrapper``."""

    def make(original: Any) -> Any:
        import wrapt

        return wrapt.FunctionWrapper(original, wrapper)

    return make


def named_like(original: Any, replacement: Any) -> Any:
    """A closure that looks like its original."""
    return functools.wraps(original)(replacement)


@dataclass(slots=True, eq=False)
class Patch:
    """One installed replacement: where it is, what was there, and whether that was inherited."""

    parent: Any
    attribute: str
    original: Any
    inherited: bool
    replacement: Any

    def undo(self) -> None:
        """Puts the original back if the replacement is outermost; under another tool's wrapper it stays, inert."""
        if _own(self.parent).get(self.attribute, _MISSING) is not self.replacement:
            return
        if self.inherited:
            delattr(self.parent, self.attribute)
        else:
            setattr(self.parent, self.attribute, self.original)


class MissingPoint(Exception):  # noqa: N818 - what it says
    """A library lacks a patch point: a version too old or too new."""


def apply(module: ModuleType, points: list[PatchPoint]) -> list[Patch]:
    """Installs all points of a module, or none.

    Raises:
        MissingPoint: one that is not optional does not exist; nothing is patched then.
    """
    patches: list[Patch] = []
    try:
        for point in points:
            patch = _apply_one(module, point)
            if patch is not None:
                patches.append(patch)
    except BaseException:
        undo(patches)
        raise
    return patches


def _apply_one(module: ModuleType, point: PatchPoint) -> Patch | None:
    *parents, attribute = point.path.split(".")
    parent: Any = module
    for name in parents:
        parent = getattr(parent, name, None)
    found = _own(parent).get(attribute, _MISSING) if parent is not None else _MISSING
    inherited = found is _MISSING
    if inherited and parent is not None and not point.own_only:
        found = _inherited(parent, attribute)
    if found is _MISSING:
        if point.optional or (point.own_only and parent is not None):
            return None
        raise MissingPoint(f"{point.module}.{point.path}")
    raw = found.__func__ if isinstance(found, (staticmethod, classmethod)) else found
    replacement = point.make(raw)
    if isinstance(found, (staticmethod, classmethod)):
        replacement = type(found)(replacement)
    setattr(parent, attribute, replacement)
    return Patch(parent, attribute, found, inherited, replacement)


def _own(parent: Any) -> Any:
    return parent.__dict__ if hasattr(parent, "__dict__") else {}


def _inherited(parent: Any, attribute: str) -> Any:
    for base in getattr(parent, "__mro__", ())[1:]:
        if attribute in base.__dict__ and base is not object:
            return base.__dict__[attribute]
    return _MISSING


def undo(patches: list[Patch]) -> None:
    """Removes patches, the newest first."""
    for patch in reversed(patches):
        patch.undo()


def loaded(name: str) -> ModuleType | None:
    """A module the app has imported; rasp itself imports no library for its patches."""
    return sys.modules.get(name)
