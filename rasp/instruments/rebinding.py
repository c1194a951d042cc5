"""Names that a module imported before its function was replaced: ``from ext import free`` keeps the original.

Best effort: module globals only. What a tuple, a partial, a closure, a default argument or a class attribute holds is
not found; deep mode sees those calls.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import ModuleType


def rebind(pairs: Iterable[tuple[object, object]]) -> int:
    """Replaces each first object by its second in the globals of all modules; returns how many names were changed."""
    by_id = {id(old): (old, new) for old, new in pairs}
    if not by_id:
        return 0
    changed = 0
    modules: tuple[object, ...] = tuple(sys.modules.values())
    for module in modules:
        if not issubclass(type(module), ModuleType):  # anything can stand there, and say it were a module
            continue
        names: dict[str, object] = vars(module)
        for name, value in tuple(names.items()):
            pair = by_id.get(id(value))
            if pair is not None and value is pair[0]:
                names[name] = pair[1]
                changed += 1
    return changed
