"""What all cache instruments share: one logical event per call, from the outermost of the layered libraries."""

from __future__ import annotations

import itertools
import os
import weakref
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from sys import _getframe
from types import MethodType
from typing import Any

from rasp.instruments.kit import Kit, as_text, caller, obey
from rasp.ledger.events import CacheCleared, CacheRead, CacheRemoved, CacheStored, Holder
from rasp.ledger.scopes import LOST, VERIFIED
from rasp.patching.patches import Make, named_like

_new = tuple.__new__


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


class Depth:
    """Whether the running code is inside a cache library: one logical event per call, from the outermost.

    A context variable holds it, so that threads and greenlets each have their own.
    """

    def __init__(self, kit: Kit) -> None:
        self._inside: ContextVar[bool] = ContextVar("rasp.cache", default=False)
        self.inside = self._inside.get
        self.enter = self._inside.set
        self.leave = self._inside.reset


def cache_depth(kit: Kit) -> Depth:
    """Shared by all cache instruments: ``kit.shared(cache_depth)``."""
    return Depth(kit)


class CacheHooks:
    """Turns cache calls into events. ``holder`` tells a cache object's back end."""

    def __init__(self, kit: Kit, name: str, holder: Callable[[Any], Holder]) -> None:
        self._kit = kit
        self._here, self._current = kit.ledger.scopes.here, kit.ledger.scopes.current
        self._known = kit.ledger.desk.slots.known
        self._establish = kit.ledger.desk.establish
        self._innermost = kit.ledger.places.innermost
        self._book = kit.ledger.cache
        self._holder = holder
        self._depth = kit.shared(cache_depth)
        self._after = {
            method: kit.guard.light(f"{name}.{work}", MethodType(after, self))
            for method, (work, after) in _AFTER.items()
        }
        self._looked = kit.hook(f"{name}.look", self.looked)

    def stored(self, cache: Any, names: Iterable[Any]) -> Any:
        """Entries were stored; the first verdict that raises counts."""
        for name in names:
            verdict = self.stored_one(cache, name)
            if verdict is not None:
                return verdict
        return None

    def stored_one(self, cache: Any, name: Any) -> Any:
        """An entry was stored. A cache that keeps nothing stores nothing."""
        text = name if type(name) is str else as_text(name)
        if text is None:
            return None
        match = self._known(text)
        if match is None:
            match = self._book.match(text, self._here())
            if match is None:
                return None
        holder = self._holder(cache)
        if holder.name == "cachelib.null":
            return None
        frame = _getframe(4)
        event = _new(CacheStored, (holder, text, self._innermost(frame), frame, match))
        facts = self._book.stored(event)
        return self._kit.pipeline.respond(facts, event) if facts else None

    def read(self, cache: Any, found: Iterable[tuple[Any, bool]]) -> Any:
        """Entries were looked up."""
        for name, hit in found:
            verdict = self.read_one(cache, name, hit)
            if verdict is not None:
                return verdict
        return None

    def read_one(self, cache: Any, name: Any, hit: bool) -> Any:
        """An entry was looked up."""
        text = name if type(name) is str else as_text(name)
        if text is None:
            return None
        match = self._known(text)
        if match is None:
            match = self._book.match(text, self._here(), hit=hit)
            if match is None:
                return None
        scope: Any = self._current.get()
        quiet = scope is not None and not (scope.recorded or scope.made & LOST or scope.ended)
        if quiet and hit and match.by != "value":  # it shows that the credential is known, and nothing else
            if not (scope.made & VERIFIED and match.live in scope.verified):
                self._establish(scope, match.live)
            return None
        event = _new(CacheRead, (self._holder(cache), text, hit, self._innermost(_getframe(4)), match))
        facts = self._book.read(event)
        return self._kit.pipeline.respond(facts, event) if facts else None

    def removed(self, cache: Any, outcome: Iterable[tuple[Any, bool | None]]) -> Any:
        """Entries were deleted."""
        scope = self._here()
        for name, removed in outcome:
            text = name if type(name) is str else as_text(name)
            match = self._book.match(text, scope, hit=bool(removed)) if text is not None else None
            if match is None:
                continue
            path = self._kit.path(caller(3))
            event = _new(CacheRemoved, (self._holder(cache), text, removed, False, False, path, match))
            verdict = self._kit.pipeline.handle(event)
            if verdict is not None:
                return verdict
        return None

    def cleared(self, cache: Any) -> Any:
        """The whole cache was emptied."""
        return self._kit.pipeline.handle(CacheCleared(self._holder(cache)))

    def looked(self, cache: Any, names: Iterable[Any]) -> dict[Any, bool]:
        """Which entries are there, where a delete does not report it truly."""
        return {name: bool(cache.has(name)) for name in names}

    def leaf(self, name: str) -> Make:
        """The wrapper of a method with nothing below it that is wrapped too: ``method`` without its precautions."""
        after, inside = self._after[name], self._depth.inside

        def make(original: Any) -> Any:
            def wrapper(cache: Any, *args: Any, **kwargs: Any) -> Any:
                if not kwargs and len(args) == 1:  # as most calls are; `*args` costs more than the rest
                    result = original(cache, args[0])
                else:
                    result = original(cache, *args, **kwargs)
                if inside():
                    return result
                verdict = after(cache, args or given(args, kwargs), result, None)
                if verdict is not None:
                    obey(verdict)
                return result

            return named_like(original, wrapper)

        return make

    def method(self, name: str, *, look_first: Callable[[Any], bool] = lambda cache: False) -> Make:
        """The wrapper of a method by its name in cachelib's interface."""
        after, inside, enter, leave = self._after[name], self._depth.inside, self._depth.enter, self._depth.leave
        looks = name in ("delete", "delete_many", "unlink")

        def make(original: Any) -> Any:
            def wrapper(cache: Any, *args: Any, **kwargs: Any) -> Any:
                if inside():
                    return original(cache, *args, **kwargs)
                token = enter(True)
                try:
                    there = None
                    if looks and (name == "delete_many" or look_first(cache)):
                        there = self._looked(cache, given(args, kwargs)[: 1 if name == "delete" else None])
                    if len(args) == 1 and not kwargs:  # as most calls are; `*args` costs more than the rest
                        result = original(cache, args[0])
                    else:
                        result = original(cache, *args, **kwargs)
                finally:
                    leave(token)
                verdict = after(cache, args or given(args, kwargs), result, there)
                if verdict is not None:
                    obey(verdict)
                return result

            return named_like(original, wrapper)

        return make

    def _after_set(self, cache: Any, args: Any, result: Any, _: Any) -> Any:
        return self.stored_one(cache, args[0]) if result is not False and args else None

    def _after_set_many(self, cache: Any, args: Any, result: Any, _: Any) -> Any:
        names = result if isinstance(result, list) else list(args[0])
        return self.stored(cache, names)

    def _after_get(self, cache: Any, args: Any, result: Any, _: Any) -> Any:
        return self.read_one(cache, args[0], result is not None and result is not False)

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
