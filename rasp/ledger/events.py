"""What instruments report: one small tuple a happening. They hold raw values, live for one call, and print none."""

from __future__ import annotations

from collections.abc import Sequence
from types import FrameType
from typing import Any, NamedTuple

from rasp.ledger.hits import Hit
from rasp.ledger.native_handles import Handle
from rasp.ledger.places import CallPath
from rasp.ledger.scopes import RequestScope
from rasp.ledger.slots import SlotMatch
from rasp.model import Kind, Location


class Holder(NamedTuple):
    """A place that keeps credentials: its name in reports, and what tells its back end from another one."""

    name: str
    identity: object

    def __repr__(self) -> str:
        return f"Holder({self.name})"


class Silent:
    """Keeps raw values out of ``repr``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class _GStored(NamedTuple):
    table: dict[str, Any]
    name: str
    value: object
    path: CallPath


class GStored(Silent, _GStored):
    """``flask.g``: a value was stored under a name. ``table`` are the epochs of that ``g``."""

    __slots__ = ()


class _GRemoved(NamedTuple):
    table: dict[str, Any]
    name: str
    existed: bool
    raised: bool
    guarded: bool
    path: CallPath


class GRemoved(Silent, _GRemoved):
    """``flask.g``: ``del`` or ``pop``. ``raised``: it failed for lack of the entry; ``guarded``: in a ``try``."""

    __slots__ = ()


class _GFound(NamedTuple):
    table: dict[str, Any]
    scope: RequestScope


class GFound(Silent, _GFound):
    """A request begins on a ``g`` that was there before."""

    __slots__ = ()


class _CacheStored(NamedTuple):
    holder: Holder
    name: str
    path: CallPath
    frame: FrameType | None = None
    match: SlotMatch | None = None


class CacheStored(Silent, _CacheStored):
    """A cache entry was stored, of whatever value. ``frame`` is where the stack of the call begins.

    ``match``, here and below: the credential that the name shows, where the instrument has looked already.
    """

    __slots__ = ()


class _CacheRead(NamedTuple):
    holder: Holder
    name: str
    hit: bool
    path: CallPath
    match: SlotMatch | None = None


class CacheRead(Silent, _CacheRead):
    """A cache entry was looked up."""

    __slots__ = ()


class _CacheRemoved(NamedTuple):
    holder: Holder
    name: str
    removed: bool | None
    raised: bool
    guarded: bool
    path: CallPath
    match: SlotMatch | None = None


class CacheRemoved(Silent, _CacheRemoved):
    """A cache entry was deleted. ``removed``: whether the library says that there was one, else ``None``."""

    __slots__ = ()


class CacheCleared(NamedTuple):
    """All entries of a cache ended, without a release."""

    holder: Holder


class _Held(NamedTuple):
    value: str
    slot: str
    path: CallPath


class Held(Silent, _Held):
    """``rasp.hold``."""

    __slots__ = ()


class _HoldUsed(NamedTuple):
    value: str
    slot: str
    path: CallPath


class HoldUsed(Silent, _HoldUsed):
    """A use through the object that ``rasp.hold`` returned."""

    __slots__ = ()


class _HoldReleased(NamedTuple):
    value: str
    slot: str
    path: CallPath


class HoldReleased(Silent, _HoldReleased):
    """``rasp.release``."""

    __slots__ = ()


class _Exposed(NamedTuple):
    sink: str
    text: str
    hits: Sequence[Hit]
    path: CallPath
    holder: str
    slot: str | None = None
    place: Location | None = None
    lowered: bool = False
    replaceable: bool = False
    raisable: bool = True
    scope: RequestScope | None = None
    noted: bool = False


class Exposed(Silent, _Exposed):
    """Live values stand in a text that leaves the app.

    ``sink`` is log, access_log, telemetry, report, redirect, outbound_url, response, stored or argv.

    ``place`` is where the text was put in, if not at ``path``; ``lowered``: the evidence is one step weaker;
    ``replaceable`` and ``raisable`` say what the instrument can still do about it; ``noted``: it is hardly avoidable.
    """

    __slots__ = ()


class _Verified(NamedTuple):
    token: str
    holder: str
    success: bool
    attempted: bool
    jti: str | None
    path: CallPath


class Verified(Silent, _Verified):
    """A verifier saw a token. ``attempted``: with its signature checked; ``success``: and it held."""

    __slots__ = ()


class _Issued(NamedTuple):
    token: str
    holder: str
    path: CallPath
    source: str
    kind: Kind | None = None


class Issued(Silent, _Issued):
    """The app made a token, or named one in its response."""

    __slots__ = ()


class _NativeAcquired(NamedTuple):
    library: str
    function: str
    handle: int
    arguments: Sequence[object]
    path: CallPath
    thread_safe: bool | None = None
    counted: bool = True


class NativeAcquired(Silent, _NativeAcquired):
    """A native function gave out a handle. ``arguments`` are searched for the credential it was given.

    ``thread_safe`` is the library's declaration: ``None`` where there is none. ``counted``: a live address that is
    given out again has one more owner; of memory, its release was not seen.
    """

    __slots__ = ()


class NativeUsed(NamedTuple):
    """A native function is about to be given a handle. ``epoch``: the one that the handle itself carries, if any.

    ``raisable``: an exception would reach the app's code, which it would not from a destructor or a C callback.
    """

    library: str
    function: str
    handle: int
    epoch: Handle | None
    path: CallPath
    raisable: bool = True


class NativeReleasing(NamedTuple):
    """A native function is about to release a handle.

    ``declared``: it is no libc function that also serves others. ``raisable``: an exception would reach the app's
    code, which it would not from a destructor or a C callback.
    """

    library: str
    function: str
    handle: int
    epoch: Handle | None
    declared: bool
    path: CallPath
    raisable: bool = True


Event = (
    GStored
    | GRemoved
    | GFound
    | CacheStored
    | CacheRead
    | CacheRemoved
    | CacheCleared
    | Held
    | HoldUsed
    | HoldReleased
    | Exposed
    | Verified
    | Issued
    | NativeAcquired
    | NativeUsed
    | NativeReleasing
)
