"""Hooks for caches whose methods take the key, or many of them, first: shared by diskcache, dogpile and Django."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rasp.instruments.key_material import argument
from rasp.instruments.kit import Kit, obey
from rasp.instruments.stored_values import StoredValues
from rasp.instruments.stores import Stores
from rasp.ledger.events import Holder
from rasp.model import Verdict
from rasp.patching.patches import Make, named_like

Named = Callable[[Any, Any, Any], Any]
"""From a cache, a key and the call's keyword arguments to the name of the entry."""

_SEVERAL = (list, tuple, set, frozenset, dict)
"""What may be gone through again after the call; an iterator may not."""


class Keyed:
    """The hooks of one library.

    Args:
        library: its name, for the names of the hooks.
        holder: tells a cache's back end.
        named: the name of an entry, where it is not the key as given.
        missing: what a look-up answers for lack of an entry, besides ``None`` and a default.
    """

    def __init__(
        self,
        kit: Kit,
        library: str,
        holder: Callable[[Any], Holder],
        *,
        named: Named | None = None,
        missing: Callable[[], object] = lambda: None,
    ) -> None:
        self._kit = kit
        self._library = library
        self._holder = holder
        self._named = named
        self._missing = missing
        self._stored_values = kit.shared(StoredValues)
        self.stores = Stores(kit, holder)

    def wrap(self, *works: str) -> Make:
        """The wrapper of a method that does this: a method of this class, and another for where it raised."""
        after, *failed = (self._kit.hook(f"{self._library}.{work}", getattr(self, work)) for work in works)
        return self.stores.wrap(after, KeyError, *failed) if failed else self.stores.wrap(after)

    def valuing(self, make: Make) -> Make:
        """A wrapper around another one, that has the values judged: for what writes them to a disk."""
        judged = self._kit.hook(f"{self._library}.values", self.values)

        def outer(original: Any) -> Any:
            inner = make(original)

            def method(cache: Any, *args: Any, **kwargs: Any) -> Any:
                result = inner(cache, *args, **kwargs)
                obey(judged(cache, args, kwargs, result))
                return result

            return named_like(original, method)

        return outer

    def _name(self, cache: Any, args: Any, kwargs: Any) -> Any:
        return self._entry(cache, argument(args, kwargs, 0, "key"), kwargs)

    def _entry(self, cache: Any, key: Any, kwargs: Any) -> Any:
        if self._named is None:
            return key
        return self._named(cache, key, kwargs) if self.stores.shows(key, hit=True) is not None else None

    def _names(self, cache: Any, args: Any, kwargs: Any) -> list[tuple[Any, Any]]:
        """Keys and names of a call that takes many."""
        keys = args[0] if args else next((kwargs[name] for name in ("keys", "mapping", "data") if name in kwargs), ())
        return [(key, self._entry(cache, key, kwargs)) for key in keys] if isinstance(keys, _SEVERAL) else []

    def values(self, cache: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """Values were written."""
        given = args[0] if args else next((kwargs[name] for name in ("mapping", "data") if name in kwargs), None)
        values: Iterable[Any] = given.values() if isinstance(given, dict) else (argument(args, kwargs, 1, "value"),)
        return self._stored_values.judge(self._holder(cache), values)

    def store(self, cache: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``set``, ``add`` and counters; ``False``: nothing was stored."""
        return None if result is False else self.stores.stored(cache, self._name(cache, args, kwargs))

    def store_many(self, cache: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``set_many``, which may answer the keys that were not stored."""
        failed = result if isinstance(result, list) else ()
        return self.stores.stored(cache, *(name for key, name in self._names(cache, args, kwargs) if key not in failed))

    def read(self, cache: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``get``, ``has_key``, ``touch``."""
        return self.stores.read(cache, ((self._name(cache, args, kwargs), self._found(args, kwargs, result)),))

    def _found(self, args: Any, kwargs: Any, result: Any) -> bool:
        if isinstance(result, tuple) and (kwargs.get("expire_time") or kwargs.get("tag")):
            result = result[0]  # diskcache: with its time and tag
        default = argument(args, kwargs, 1, "default")
        return result is not None and result is not False and result is not default and result is not self._missing()

    def miss(self, cache: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """A look-up raised for lack of the entry."""
        return self.stores.read(cache, ((self._name(cache, args, kwargs), False),))

    def read_many(self, cache: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``get_many``: a dict of what was found, or a list in the order of the keys."""
        named = self._names(cache, args, kwargs)
        if isinstance(result, dict):
            return self.stores.read(cache, [(name, key in result) for key, name in named])
        missing = self._missing()
        found = [value is not None and value is not missing for value in result]
        return self.stores.read(cache, [(name, hit) for (_, name), hit in zip(named, found, strict=False)])

    def remove(self, cache: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``delete``, whose answer counts where it is one."""
        removed = result if isinstance(result, bool) else None
        return self.stores.removed(cache, ((self._name(cache, args, kwargs), removed),))

    def pop(self, cache: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``pop``, which answers a default for lack of the entry."""
        removed = self._found(args, kwargs, result)
        return self.stores.removed(cache, ((self._name(cache, args, kwargs), removed),))

    def absent(self, cache: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``del cache[key]`` raised for lack of it."""
        return self.stores.removed(cache, ((self._name(cache, args, kwargs), False),), KeyError)

    def remove_many(self, cache: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``delete_many`` says nothing of the single keys."""
        return self.stores.removed(cache, [(name, None) for _, name in self._names(cache, args, kwargs)])

    def clear(self, cache: Any, args: Any, kwargs: Any, result: Any) -> None:
        """All entries ended."""
        self.stores.cleared(cache)
