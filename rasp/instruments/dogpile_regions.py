"""dogpile.cache: its back ends, below which regions and ``cache_on_arguments`` all end, with keys as they are mangled.

Memory, DBM, redis, valkey and memcached back ends; what a client library does for one is part of it. Only of the memory
back end it is known whether a delete removed something. ``region.invalidate()`` deletes nothing, and is no event.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from rasp.instruments.keyed_stores import Keyed
from rasp.instruments.kit import Kit, obey
from rasp.instruments.redis_clients import BackEnds
from rasp.instruments.stores import Numbers
from rasp.ledger.events import Holder
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import Make, PatchPoint, named_like

BACKENDS = {
    "memory": "MemoryBackend",
    "file": "DBMBackend",
    "redis": "RedisBackend",
    "valkey": "ValkeyBackend",
    "memcached": "GenericMemcachedBackend",
}
METHODS = {
    **dict.fromkeys(("get", "get_serialized"), "read"),
    **dict.fromkeys(("get_multi", "get_serialized_multi"), "read_many"),
    **dict.fromkeys(("set", "set_serialized"), "store"),
    **dict.fromkeys(("set_multi", "set_serialized_multi"), "store_many"),
    "delete": "remove",
    "delete_multi": "remove_many",
}


class Holders:
    """Tells dogpile's back ends apart."""

    def __init__(self, kit: Kit) -> None:
        self._numbers = Numbers()
        self._back_ends = kit.shared(BackEnds)

    def of(self, backend: Any) -> Holder:
        """The holder of a back end."""
        word = type(backend).__module__.rpartition(".")[2]
        client = getattr(backend, "writer_client", None)
        if client is not None:
            return Holder(f"dogpile.{word}", self._back_ends.of(client))
        file = getattr(backend, "filename", None)
        if isinstance(file, str):
            return Holder("dogpile.dbm", os.path.realpath(file))
        url = getattr(backend, "url", None)
        return Holder(f"dogpile.{word}", tuple(url) if isinstance(url, list) else self._numbers.of(backend))


class MemoryDeletes:
    """Deletes of the memory back end, where it is looked first whether there is something."""

    def __init__(self, kit: Kit, keyed: Keyed) -> None:
        self._stores = keyed.stores
        self._look = kit.hook("dogpile.look", self.looked)
        self._removed = kit.hook("dogpile.removed", self.removed)

    def looked(self, backend: Any, keys: Any) -> list[tuple[Any, bool | None]]:
        """Which of these are there, where the back end is a plain dict."""
        entries = backend._cache
        plain = type(entries) is dict
        return [(key, key in entries if plain else None) for key in keys]

    def removed(self, backend: Any, outcome: list[tuple[Any, bool | None]]) -> Verdict | None:
        """Entries were deleted."""
        return self._stores.removed(backend, outcome)

    def make(self, original: Any) -> Any:
        """The wrapper of ``delete`` and ``delete_multi``."""
        several = original.__name__ == "delete_multi"
        depth, look, removed = self._stores.depth, self._look, self._removed

        def method(backend: Any, *args: Any, **kwargs: Any) -> Any:
            keys = args[0] if args else kwargs.get("keys" if several else "key")
            if depth.inside() or (several and not isinstance(keys, (list, tuple, set))):
                return original(backend, *args, **kwargs)
            outcome = look(backend, keys if several else (keys,))
            token = depth.enter(True)
            try:
                result = original(backend, *args, **kwargs)
            finally:
                depth.leave(token)
            if outcome:
                obey(removed(backend, outcome))
            return result

        return named_like(original, method)


def no_value() -> object:
    """What a back end answers for lack of an entry."""
    return getattr(sys.modules.get("dogpile.cache.api"), "NO_VALUE", None)


def instrument(kit: Kit) -> Instrument:
    """The instrument of dogpile.cache."""
    keyed = Keyed(kit, "dogpile", kit.shared(Holders).of, missing=no_value)
    makes = {work: keyed.wrap(work) for work in set(METHODS.values())}
    deletes = MemoryDeletes(kit, keyed)

    def make(module: str, method: str) -> Make:
        work = METHODS[method]
        if module == "memory" and work.startswith("remove"):
            return deletes.make
        return keyed.valuing(makes[work]) if module == "file" and work.startswith("store") else makes[work]

    points = tuple(
        PatchPoint(
            f"dogpile.cache.backends.{module}",
            f"{name}.{method}",
            make(module, method),
            optional=module != "memory",
            own_only=True,
        )
        for module, name in BACKENDS.items()
        for method in METHODS
    )
    return Instrument(
        name="dogpile",
        library="dogpile.cache",
        supported=">=1.1",
        points=points,
        unreachable=("back ends that are not dogpile's own",),
    )
