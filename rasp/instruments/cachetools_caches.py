"""cachetools: every cache class, for what it has of its own, and so ``@cached`` and ``@cachedmethod`` over one of them.

A name is the key, or for the decorators the tuple of arguments. Eviction, expiry and ``clear()`` end an entry without a
release, and so does ``popitem()``. Not seen: a decorator over a plain ``dict``.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.kit import Kit, obey
from rasp.instruments.stores import Numbers, Stores
from rasp.ledger.events import Holder
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import Make, PatchPoint, named_like

CLASSES = (
    "Cache", "FIFOCache", "LFUCache", "LRUCache", "MRUCache", "RRCache", "_TimedCache", "TTLCache", "TLRUCache",
)  # fmt: skip
_ABSENT = object()


class CachetoolsHooks:
    """What was stored in a cache, looked up and deleted."""

    def __init__(self, kit: Kit) -> None:
        self._numbers = Numbers()
        self.stores = Stores(kit, self._holder)

    def _holder(self, cache: Any) -> Holder:
        own = next(cls.__name__ for cls in type(cache).__mro__ if cls.__module__ == "cachetools")
        return Holder(f"cachetools.{own.removesuffix('Cache').lower() or 'cache'}", self._numbers.of(cache))

    def stored(self, cache: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``cache[key] = value``."""
        return self.stores.stored(cache, args[0])

    def read(self, cache: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``cache[key]``, which would have raised for lack of it."""
        return self.stores.read(cache, ((args[0], True),))

    def missed(self, cache: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``cache[key]`` raised."""
        return self.stores.read(cache, ((args[0], False),))

    def has(self, cache: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``key in cache``."""
        return self.stores.read(cache, ((args[0], bool(result)),))

    def deleted(self, cache: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``del cache[key]``, or a ``pop`` that found it."""
        return self.stores.removed(cache, ((args[0], True),))

    def absent(self, cache: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``del cache[key]`` or ``pop(key)`` raised for lack of it."""
        return self.stores.removed(cache, ((args[0], False),), KeyError)

    def looked(self, cache: Any, key: Any, there: bool) -> Verdict | None:
        """``get(key)``, or a ``setdefault`` that found it."""
        return self.stores.read(cache, ((key, there),))

    def defaulted(self, cache: Any, key: Any, there: bool) -> Verdict | None:
        """``setdefault(key, value)``."""
        return self.looked(cache, key, True) if there else self.stores.stored(cache, key)

    def popped(self, cache: Any, key: Any, there: bool) -> Verdict | None:
        """``pop(key, default)``."""
        return self.stores.removed(cache, ((key, there),))

    def cleared(self, cache: Any, args: Any, kwargs: Any, result: Any) -> None:
        """``clear()``."""
        self.stores.cleared(cache)


class Wrappers:
    """The wrappers of a cache's methods by their names."""

    def __init__(self, kit: Kit) -> None:
        hooks = CachetoolsHooks(kit)
        self._depth = hooks.stores.depth
        wrap = hooks.stores.wrap
        read, remove = kit.hook("cachetools.read", hooks.read), kit.hook("cachetools.remove", hooks.deleted)
        absent, missed = kit.hook("cachetools.absent", hooks.absent), kit.hook("cachetools.miss", hooks.missed)
        pop = kit.hook("cachetools.pop", hooks.popped)
        self.makes: dict[str, Make] = {
            "__setitem__": wrap(kit.hook("cachetools.store", hooks.stored)),
            "__getitem__": wrap(read, KeyError, missed),
            "__contains__": wrap(kit.hook("cachetools.has", hooks.has)),
            "__delitem__": wrap(remove, KeyError, absent),
            "get": self._default(kit.hook("cachetools.get", hooks.looked)),
            "pop": self._default(pop, wrap(remove, KeyError, absent)),
            "setdefault": self._setdefault(kit.hook("cachetools.setdefault", hooks.defaulted)),
            "popitem": wrap(None),
            "clear": wrap(kit.hook("cachetools.clear", hooks.cleared)),
        }

    def _default(self, after: Any, without: Make | None = None) -> Make:
        """``get`` and ``pop``: a default of ours tells whether the entry was there; ``without`` one, it raises."""
        inside, enter, leave = self._depth.inside, self._depth.enter, self._depth.leave

        def make(original: Any) -> Any:
            raising = original if without is None else without(original)

            def method(cache: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
                if inside():
                    return original(cache, key, *args, **kwargs)
                if len(args) + len(kwargs) > 1 or (kwargs and "default" not in kwargs):
                    return original(cache, key, *args, **kwargs)  # it refuses them
                if without is not None and not args and not kwargs:
                    return raising(cache, key)
                token = enter(True)
                try:
                    result = original(cache, key, _ABSENT)
                finally:
                    leave(token)
                obey(after(cache, key, result is not _ABSENT))
                if result is _ABSENT:
                    return args[0] if args else kwargs.get("default")
                return result

            return named_like(original, method)

        return make

    def _setdefault(self, after: Any) -> Make:
        inside, enter, leave = self._depth.inside, self._depth.enter, self._depth.leave

        def make(original: Any) -> Any:
            def setdefault(cache: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
                if inside():
                    return original(cache, key, *args, **kwargs)
                token = enter(True)
                try:
                    result = original(cache, key, *args, **kwargs)
                finally:
                    leave(token)
                # What it answers is what was there, or else the very object that it was given.
                given = args[0] if args else kwargs.get("default")
                obey(after(cache, key, result is not given))
                return result

            return named_like(original, setdefault)

        return make


def instrument(kit: Kit) -> Instrument:
    """The instrument of cachetools."""
    makes = Wrappers(kit).makes
    points = tuple(
        PatchPoint("cachetools", f"{name}.{method}", make, optional=name != "Cache", own_only=name != "Cache")
        for name in CLASSES
        for method, make in makes.items()
    )
    return Instrument(
        name="cachetools",
        library="cachetools",
        supported=">=4.2",
        points=points,
        unreachable=("@cached over a plain dict", "keys that are neither text nor tuples of it"),
    )
