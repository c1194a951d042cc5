"""diskcache: its ``Cache``, on which ``FanoutCache``, ``Index``, ``DjangoCache`` and ``@memoize`` are built.

A shard of a ``FanoutCache`` is a cache of its own folder. Values are written to the disk, and judged for that. Not
seen: the queue of ``push`` and ``pull``, whose keys the library makes.
"""

from __future__ import annotations

import os
from typing import Any

from rasp.instruments.keyed_stores import Keyed
from rasp.instruments.kit import Kit
from rasp.ledger.events import Holder
from rasp.patching.installer import Instrument
from rasp.patching.patches import Make, PatchPoint


def holder(cache: Any) -> Holder:
    """A cache is its folder."""
    return Holder("diskcache", os.path.realpath(cache.directory))


def instrument(kit: Kit) -> Instrument:
    """The instrument of diskcache."""
    keyed = Keyed(kit, "diskcache", holder)
    store = keyed.valuing(keyed.wrap("store"))
    makes: dict[str, Make] = {
        **dict.fromkeys(("set", "__setitem__", "add"), store),
        **dict.fromkeys(("incr", "decr"), keyed.wrap("store")),
        **dict.fromkeys(("get", "touch", "__contains__"), keyed.wrap("read")),
        **dict.fromkeys(("__getitem__", "read"), keyed.wrap("read", "miss")),
        "pop": keyed.wrap("pop"),
        "delete": keyed.wrap("remove"),
        "__delitem__": keyed.wrap("remove", "absent"),
        "clear": keyed.wrap("clear"),
    }
    return Instrument(
        name="diskcache",
        library="diskcache",
        supported=">=5",
        points=tuple(PatchPoint("diskcache.core", f"Cache.{name}", make) for name, make in makes.items()),
        unreachable=("the queue of push() and pull()", "values that are given as files"),
    )
