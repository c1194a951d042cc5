"""What all cache instruments share: one logical event per call, from the outermost of the layered libraries."""

from __future__ import annotations

import itertools
import os
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from rasp.instruments.kit import Kit, as_text, caller, obey
from rasp.ledger.events import CacheCleared, CacheRead, CacheRemoved, CacheStored, Holder
from rasp.patching.local import Local
from rasp.patching.patches import Make, named_like


class Depth:
    """Whether a thread or greenlet is inside a cache library."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = False


class Identities:
    """Numbers for objects that are back ends by themselves; a number is never given twice, unlike ``id()``."""

    def __init__(self) -> None:
        self._numbers: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._next = itertools.count(1)

    def of(self, target: Any) -> int:
        """The number of an object."""
        try:
            number = self._numbers.get(target)
            if number is None:
                number = self._numbers[target] = next(self._next)
        except TypeError:  # no weak references, or not hashable
            return id(target)
        return number


def cache_depth(kit: Kit) -> Local[Depth]:
    """Shared by all cache instruments: ``kit.shared(cache_depth)``."""
    return Local(Depth)


class CacheHooks:
    """Turns cache calls into events. ``holder`` tells a cache object's back end."""

    def __init__(self, kit: Kit, name: str, holder: Callable[[Any], Holder]) -> None:
        self._kit = kit
        self._holder = holder
        self._depth = kit.shared(cache_depth)
        self._after = {
            method: kit.hook(f"{name}.{work}", partial(after, self)) for method, (work, after) in _AFTER.items()
        }
        self._looked = kit.hook(f"{name}.look", self.looked)

    def stored(self, cache: Any, names: Iterable[Any]) -> Any:
        """Entries were stored; the first verdict that raises counts. A cache that keeps nothing stores nothing."""
        holder, path, frame = self._holder(cache), None, None
        for name in names if holder.name != "cachelib.null" else ():
            text = as_text(name)
            if text is None:
                continue
            if path is None:
                frame = caller(3)
                path = self._kit.here(frame)
            verdict = self._kit.pipeline.handle(CacheStored(holder, text, path, frame))
            if verdict is not None:
                return verdict
        return None

    def read(self, cache: Any, found: Iterable[tuple[Any, bool]]) -> Any:
        """Entries were looked up."""
        holder = self._holder(cache)
        for name, hit in found:
            text = as_text(name)
            if text is None:
                continue
            verdict = self._kit.pipeline.handle(CacheRead(holder, text, hit, self._kit.here(caller(3))))
            if verdict is not None:
                return verdict
        return None

    def removed(self, cache: Any, outcome: Iterable[tuple[Any, bool | None]]) -> Any:
        """Entries were deleted."""
        holder, path = self._holder(cache), self._kit.path(caller(3))
        for name, removed in outcome:
            text = as_text(name)
            if text is None:
                continue
            verdict = self._kit.pipeline.handle(CacheRemoved(holder, text, removed, False, False, path))
            if verdict is not None:
                return verdict
        return None

    def cleared(self, cache: Any) -> Any:
        """The whole cache was emptied."""
        return self._kit.pipeline.handle(CacheCleared(self._holder(cache)))

    def looked(self, cache: Any, names: Iterable[Any]) -> dict[Any, bool]:
        """Which entries are there, where a delete does not report it truly."""
        return {name: bool(cache.has(name)) for name in names}

    def method(self, name: str, *, look_first: Callable[[Any], bool] = lambda cache: False) -> Make:
        """The wrapper of a method by its name in cachelib's interface."""
        after, depth = self._after[name], self._depth
        looks = name in ("delete", "delete_many", "unlink")

        def make(original: Any) -> Any:
            def wrapper(cache: Any, *args: Any, **kwargs: Any) -> Any:
                here = depth.get()
                if here.now:
                    return original(cache, *args, **kwargs)
                here.now = True
                try:
                    there = None
                    if looks and (name == "delete_many" or look_first(cache)):
                        there = self._looked(cache, given(args, kwargs)[: 1 if name == "delete" else None])
                    result = original(cache, *args, **kwargs)
                finally:
                    here.now = False
                obey(after(cache, given(args, kwargs), result, there))
                return result

            return named_like(original, wrapper)

        return make

    def _after_set(self, cache: Any, args: Any, result: Any, _: Any) -> Any:
        return self.stored(cache, args[:1]) if result is not False else None

    def _after_set_many(self, cache: Any, args: Any, result: Any, _: Any) -> Any:
        names = result if isinstance(result, list) else list(args[0])
        return self.stored(cache, names)

    def _after_get(self, cache: Any, args: Any, result: Any, _: Any) -> Any:
        return self.read(cache, ((args[0], result is not None and result is not False),))

    def _after_get_many(self, cache: Any, args: Any, result: Any, _: Any) -> Any:
        return self.read(cache, tuple((name, value is not None) for name, value in zip(args, result, strict=False)))

    def _after_get_dict(self, cache: Any, args: Any, result: Any, _: Any) -> Any:
        return self.read(cache, tuple((name, value is not None) for name, value in result.items()))

    def _after_delete(self, cache: Any, args: Any, result: Any, there: Any) -> Any:
        removed = result if isinstance(result, bool) else None
        if there is not None:
            removed = there.get(args[0], removed) if result is not False else False
        return self.removed(cache, ((args[0], removed),))

    def _after_delete_many(self, cache: Any, args: Any, result: Any, there: Any) -> Any:
        gone = set(result) if isinstance(result, (list, tuple, set)) else None
        if there is not None:
            outcome = [(name, there.get(name)) for name in args]
        else:
            outcome = [(name, None if gone is None else name in gone) for name in args]
        return self.removed(cache, tuple(outcome))

    def _after_clear(self, cache: Any, args: Any, result: Any, _: Any) -> Any:
        return self.cleared(cache)


_AFTER: dict[str, tuple[str, Callable[[CacheHooks, Any, Any, Any, Any], Any]]] = {
    "set": ("store", CacheHooks._after_set),
    "add": ("store", CacheHooks._after_set),
    "inc": ("store", CacheHooks._after_set),
    "dec": ("store", CacheHooks._after_set),
    "set_many": ("store", CacheHooks._after_set_many),
    "get": ("read", CacheHooks._after_get),
    "has": ("read", CacheHooks._after_get),
    "get_many": ("read", CacheHooks._after_get_many),
    "get_dict": ("read", CacheHooks._after_get_dict),
    "delete": ("remove", CacheHooks._after_delete),
    "delete_many": ("remove", CacheHooks._after_delete_many),
    "unlink": ("remove", CacheHooks._after_delete_many),
    "clear": ("clear", CacheHooks._after_clear),
}
METHODS = tuple(name for name in _AFTER if name != "unlink")


def given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments by place, whether the app named the first one or not."""
    return args or tuple(kwargs[name] for name in ("key", "mapping") if name in kwargs)


def directory(cache: Any) -> str | None:
    """The folder of a cache on disk, which is its identity: two objects on one folder are one cache."""
    path = getattr(cache, "_path", None)
    return os.path.realpath(path) if isinstance(path, str) else None
