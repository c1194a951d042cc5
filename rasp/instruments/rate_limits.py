"""limits, and Flask-Limiter over it: the keys under which callers are counted.

Each strategy's ``hit`` stores; ``test``, ``get_window_stats`` and ``clear`` use. What the storage does for it (memory,
redis, memcached) is part of it. Flask-Limiter asks the app's key function for the key and counts while no code of the
app is on the stack: what it stores is located at that function. Not seen: ``limits.aio``, and a storage that the app
calls by itself.
"""

from __future__ import annotations

from types import CodeType, FrameType
from typing import Any

from rasp.instruments.kit import Kit
from rasp.instruments.redis_clients import BackEnds
from rasp.instruments.stores import Numbers, Stores, address
from rasp.ledger.events import Holder
from rasp.ledger.places import CallPath, code_of, definition_line
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint

STRATEGIES = (
    "RateLimiter", "FixedWindowRateLimiter", "FixedWindowElasticExpiryRateLimiter", "MovingWindowRateLimiter",
    "SlidingWindowCounterRateLimiter",
)  # fmt: skip
_FRAMES = 24
_BOUND = 1_000


class Counters(Stores):
    """Rate limiters as stores."""

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit, self._of)
        self._back_ends = kit.shared(BackEnds)
        self._numbers = Numbers()
        self._functions: dict[CodeType, CodeType] = {}

    def _of(self, limiter: Any) -> Holder:
        storage = limiter.storage
        kind = storage.__class__.__name__.removesuffix("Storage").lower()
        client = getattr(storage, "storage", None)
        hosts = getattr(storage, "hosts", None)
        if hasattr(client, "connection_pool") or hasattr(client, "nodes_manager"):
            identity = self._back_ends.of(client)
        elif isinstance(hosts, list):
            identity = tuple(address(*host) if isinstance(host, tuple) else host for host in hosts)
        else:
            identity = self._numbers.of(storage)
        return Holder(f"limits.{kind}", identity)

    def where(self, frame: FrameType) -> CallPath:
        """The innermost app frame; without one, the key function that Flask-Limiter called."""
        return super().where(frame) or self._key_function(frame)

    def _key_function(self, frame: FrameType | None) -> CallPath:
        for _ in range(_FRAMES):
            if frame is None:
                break
            if _package(frame.f_globals.get("__name__")) == "flask_limiter":
                for value in tuple(frame.f_locals.values()):
                    if _package(type(value).__module__) == "flask_limiter":
                        code = code_of(getattr(value, "key_func", None))
                        if code is not None and self._kit.ledger.places.is_app(code.co_filename):
                            return ((self._at_its_def(code), 0),)
            frame = frame.f_back
        return ()

    def _at_its_def(self, code: CodeType) -> CodeType:
        """A function's code whose first instruction stands on the line of ``def``, below its decorators."""
        known = self._functions.get(code)
        if known is None:
            if len(self._functions) >= _BOUND:
                self._functions.clear()
            known = self._functions[code] = code.replace(co_firstlineno=definition_line(code))
        return known

    def hit(self, limiter: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """A caller was counted, whether or not the limit is reached."""
        name = self._named(args)
        return None if name is None else self.stored(limiter, name)

    def asked(self, limiter: Any, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """A count was looked at, or set back; that a caller was counted before establishes nothing."""
        name = self._named(args)
        return None if name is None else self.read(limiter, ((name, False),))

    def _named(self, args: Any) -> str | None:
        """The name of a counter, as limits makes it, if one of its identifiers shows a credential."""
        if not any(self.shows(identifier) for identifier in args[1:]):
            return None
        return str(args[0].key_for(*args[1:]))


def _package(module: object) -> str:
    return str(module).partition(".")[0]


def instrument(kit: Kit) -> Instrument:
    """The instrument of limits."""
    counters = Counters(kit)
    hit = counters.wrap(kit.hook("limits.hit", counters.hit))
    asked = counters.wrap(kit.hook("limits.asked", counters.asked))
    points = tuple(
        PatchPoint("limits.strategies", f"{name}.{method}", hit if method == "hit" else asked, True, own_only=True)
        for name in STRATEGIES
        for method in ("hit", "test", "get_window_stats", "clear")
    )
    return Instrument(
        name="limits",
        library="limits",
        supported=">=3",
        points=points,
        unreachable=("limits.aio: made for ASGI, which is not followed", "a storage that the app calls by itself"),
    )
