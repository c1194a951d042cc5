"""cachelib: every class with methods of its own is wrapped, and the base class for the others.

``FileSystemCache.delete`` says ``True`` for a missing file, so it is looked first. Servers behind ``RedisCache`` and
the like are told apart by the cache object.
"""

from __future__ import annotations

import weakref
from typing import Any

from rasp.instruments.caches import METHODS, CacheHooks, Identities, directory
from rasp.instruments.kit import Kit
from rasp.ledger.events import Holder
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint

_CLASSES = {
    "cachelib.base": ("BaseCache", "NullCache"),
    "cachelib.simple": ("SimpleCache",),
    "cachelib.file": ("FileSystemCache",),
    "cachelib.redis_base": ("BaseRedisCache",),
    "cachelib.redis": ("RedisCache",),
    "cachelib.memcached": ("MemcachedCache",),
    "cachelib.uwsgi": ("UWSGICache",),
    "cachelib.mongodb": ("MongoDbCache",),
    "cachelib.dynamodb": ("DynamoDbCache",),
}
_NAMES = {"SimpleCache": "cachelib.simple", "FileSystemCache": "cachelib.file", "NullCache": "cachelib.null"}

_LEAVES = frozenset({"get", "set", "delete", "has", "clear"})
"""Methods of ``SimpleCache`` that work on its dict alone."""
REMEMBERED = 1_000


class Holders:
    """Tells cachelib's back ends apart."""

    def __init__(self, kit: Kit) -> None:
        self._identities = Identities()
        self._known: dict[int, tuple[weakref.ref[Any], Holder]] = {}

    def of(self, cache: Any) -> Holder:
        """The holder of a cache object; remembered, since it is asked for at every call."""
        known = self._known.get(id(cache))
        if known is not None and known[0]() is cache:
            return known[1]
        holder = self._worked_out(cache)
        if len(self._known) > REMEMBERED:
            self._known.clear()
        try:
            self._known[id(cache)] = (weakref.ref(cache), holder)
        except TypeError:
            pass  # no weak references: worked out each time
        return holder

    def _worked_out(self, cache: Any) -> Holder:
        name = next((_NAMES[cls.__name__] for cls in type(cache).__mro__ if cls.__name__ in _NAMES), None)
        if name is None:
            name = f"cachelib.{type(cache).__name__.removesuffix('Cache').lower() or 'base'}"
        folder = directory(cache)
        return Holder(name, folder if folder is not None else self._identities.of(cache))


def lies_about_deletes(cache: Any) -> bool:
    """Whether a cache's ``delete`` reports success for what was not there."""
    return any(cls.__name__ == "FileSystemCache" for cls in type(cache).__mro__)


def instrument(kit: Kit) -> Instrument:
    """The instrument of cachelib."""
    hooks = CacheHooks(kit, "cachelib", kit.shared(Holders).of)
    points = tuple(
        PatchPoint(
            module,
            f"{name}.{method}",
            hooks.leaf(method)
            if name == "SimpleCache" and method in _LEAVES
            else hooks.method(method, look_first=lies_about_deletes),
            own_only=name != "BaseCache",
        )
        for module, names in _CLASSES.items()
        for name in names
        for method in METHODS
    )
    return Instrument(
        name="cachelib",
        library="cachelib",
        supported=">=0.9",
        points=points,
        unreachable=("direct access to a cache's internals, such as SimpleCache._cache",),
    )
