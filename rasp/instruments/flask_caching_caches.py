"""Flask-Caching: its own calls are the outermost, the back end behind them tells one cache from another.

``@cached`` and ``@memoize`` reach the back end, which is wrapped with cachelib.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.cachelib_caches import Holders, lies_about_deletes
from rasp.instruments.caches import METHODS, CacheHooks
from rasp.instruments.kit import Kit
from rasp.ledger.events import Holder
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint


def instrument(kit: Kit) -> Instrument:
    """The instrument of Flask-Caching."""
    holders = kit.shared(Holders)

    def holder(cache: Any) -> Holder:
        return holders.of(cache.cache)

    def look_first(cache: Any) -> bool:
        return lies_about_deletes(cache.cache)

    hooks = CacheHooks(kit, "flask_caching", holder)
    points = tuple(
        PatchPoint("flask_caching", f"Cache.{name}", hooks.method(name, look_first=look_first), own_only=True)
        for name in (*METHODS, "unlink")
    )
    return Instrument("flask_caching", "flask-caching", ">=2.0", points)
