"""Django's caches, where a Django app is wrapped: every back end for what it has of its own, and the base class.

An entry's name is the key as Django makes it of prefix, version and key. Deletes tell the truth. What redis or
memcached do for a back end is part of it; values in files and in the database are judged here, others where they are
sent.
``get_or_set`` is not wrapped, since it runs the app's code: what it does with ``get`` and ``add`` is seen.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from rasp.instruments.keyed_stores import Keyed
from rasp.instruments.kit import Kit
from rasp.instruments.stores import Numbers, address
from rasp.ledger.events import Holder
from rasp.patching.installer import Instrument
from rasp.patching.patches import Make, PatchPoint

BACKENDS = {
    "base": ("BaseCache",),
    "locmem": ("LocMemCache",),
    "filebased": ("FileBasedCache",),
    "db": ("DatabaseCache",),
    "redis": ("RedisCache",),
    "memcached": ("BaseMemcachedCache", "PyLibMCCache", "PyMemcacheCache"),
}
METHODS = {
    **dict.fromkeys(("set", "add", "incr", "decr"), "store"),
    "set_many": "store_many",
    **dict.fromkeys(("get", "has_key", "touch"), "read"),
    "get_many": "read_many",
    "delete": "remove",
    "delete_many": "remove_many",
    "clear": "clear",
}
_ON_DISK = ("filebased", "db")
_WORDS = {"filebased": "file"}


class Holders:
    """Tells Django's caches apart: objects of one back end, one for each thread, are one."""

    def __init__(self, kit: Kit) -> None:
        self._numbers = Numbers()

    def of(self, cache: Any) -> Holder:
        """The holder of a cache."""
        modules = (cls.__module__ for cls in type(cache).__mro__)
        module = next((name for name in modules if name.startswith("django.core.cache.backends.")), "")
        word = module.rpartition(".")[2]
        return Holder(f"django.{_WORDS.get(word, word) or 'cache'}", (self._identity(word, cache), cache.key_prefix))

    def _identity(self, word: str, cache: Any) -> object:
        if word == "locmem":
            return ("locmem", id(cache._cache))  # Django keeps these for good
        if word == "filebased":
            return os.path.realpath(cache._dir)
        if word == "db":
            return ("table", cache._table)
        servers = getattr(cache, "_servers", None)
        if isinstance(servers, list) and servers:
            return tuple(_server(str(server)) for server in servers)
        return self._numbers.of(cache)


def _server(url: str) -> object:
    """Host, port and database of a server, without the password that its URL may hold."""
    parts = urlsplit(url if "//" in url else f"//{url}")
    return (*address(parts.hostname, parts.port), parts.path)


def named(cache: Any, key: Any, kwargs: Any) -> Any:
    """The key that is stored under; an odd key is refused by Django itself."""
    return cache.make_key(key, version=kwargs.get("version"))


def instrument(kit: Kit) -> Instrument:
    """The instrument of Django's caches."""
    keyed = Keyed(kit, "django.cache", kit.shared(Holders).of, named=named)
    makes = {work: keyed.wrap(work) for work in set(METHODS.values())}

    def make(module: str, method: str) -> Make:
        made = makes[METHODS[method]]
        return keyed.valuing(made) if module in _ON_DISK and METHODS[method].startswith("store") else made

    points = tuple(
        PatchPoint(
            f"django.core.cache.backends.{module}", f"{name}.{method}", make(module, method), True, own_only=True
        )
        for module, names in BACKENDS.items()
        for name in names
        for method in METHODS
    )
    return Instrument(
        name="django.cache",
        library="django",
        supported=">=4.2",
        points=points,
        unreachable=("caches of other packages, unless redis or pymemcache is below them",),
    )
