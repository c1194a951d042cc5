"""Names that a module imported before its function was replaced: ``from ext import free`` keeps the original.

Best effort: module globals only. What a tuple, a partial, a closure, a default argument or a class attribute holds is
not found; deep mode sees those calls. To look through all modules takes milliseconds, so it is done once for all that
is installed or removed together, and not at all where a library has just been imported: nobody but its own package can
have its names yet.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType

Pairs = list[tuple[object, object]]
_TOGETHER: ContextVar[Pairs | None] = ContextVar("rasp.rebinding", default=None)


@contextmanager
def together() -> Iterator[None]:
    """What is bound anew in this block is looked for once, at its end."""
    pairs: Pairs = []
    token = _TOGETHER.set(pairs)
    try:
        yield
    finally:
        _TOGETHER.reset(token)
        rebind(pairs)


def rebind(pairs: Iterable[tuple[object, object]], imported: ModuleType | None = None) -> None:
    """Replaces each first object by its second in the globals of all modules.

    Args:
        pairs: what replaces what.
        imported: the module whose import brought them; while that goes on, only its own package is looked through.
    """
    waiting = _TOGETHER.get()
    if waiting is not None:
        waiting += pairs
        return
    by_id = _in_turn(pairs)
    if not by_id:
        return
    for module in _modules(imported):
        names: dict[str, object] = vars(module)
        if by_id.keys().isdisjoint(map(id, tuple(names.values()))):
            continue
        for name, value in tuple(names.items()):
            pair = by_id.get(id(value))
            if pair is not None and value is pair[0]:
                names[name] = pair[1]


def _in_turn(pairs: Iterable[tuple[object, object]]) -> dict[int, tuple[object, object]]:
    """What each object becomes once all pairs have been applied one after the other, by its id."""
    by_id: dict[int, tuple[object, object]] = {}
    for old, new in pairs:
        for known, (first, before) in tuple(by_id.items()):
            if before is old:
                by_id[known] = (first, new)
        by_id[id(old)] = (old, new)
    return {known: (first, last) for known, (first, last) in by_id.items() if first is not last}


def _modules(imported: ModuleType | None) -> Iterator[ModuleType]:
    own = ""
    if imported is not None and getattr(getattr(imported, "__spec__", None), "_initializing", False):
        own = imported.__name__.partition(".")[0]
    for name, module in tuple(sys.modules.items()):
        if own and name != own and not name.startswith(own + "."):
            continue
        if issubclass(type(module), ModuleType):  # anything can stand there, and say it were a module
            yield module
