"""The epochs of cache slots: judged per request, shared between requests."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType

from rasp.ledger.desk import Desk
from rasp.ledger.events import CacheCleared, CacheRead, CacheRemoved, CacheStored, Holder
from rasp.ledger.facts import Evidence, Fact, RawKey, ReleasedUnacquired, Reuse, SecondRelease
from rasp.ledger.places import CallPath, same_path
from rasp.ledger.scopes import LOST, PRESENTED, Occurrence, RequestScope
from rasp.ledger.slots import SlotMatch
from rasp.ledger.value import LiveValue
from rasp.model import Action

BOUND = 5_000
_ACQUIRE = Action.ACQUIRE
_HALF = BOUND // 2
SESSION_LIBRARIES = frozenset({"flask_session", "flask_kvsession", "beaker", "django", "secure_cookie"})
_FRAMES = 24


@dataclass(slots=True, eq=False)
class Slot:
    """What the process knows of a slot: the last store, and which requests in flight stored in it."""

    acquired: Occurrence
    owners: dict[RequestScope, Occurrence] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Share:
    """What one request did to a slot: its own epoch's acquire and first release."""

    acquired: Occurrence | None
    released: Occurrence | None = None


class CacheBook:
    """Judges cache operations. Slots are told apart by their back end and name; raw names are never kept."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._current = desk.scopes.current
        self._slots: OrderedDict[int, Slot] = OrderedDict()
        self.dropped = 0

    def stored(self, event: CacheStored) -> Sequence[Fact]:
        """A store opens a new epoch, adds an owner, and is judged for its name."""
        scope = self._current.get()
        if scope is not None and scope.ended:
            scope = None
        match = event.match or self.match(event.name, scope)
        if match is None:
            return ()
        key = hash((event.holder.identity, event.name))
        lean = scope is not None and not scope.recorded and scope.made & PRESENTED and match.live in scope.presented
        occur = self._desk.made if lean else self._desk.occur  # of another value, it may be where that was seen first
        holder = event.holder
        acquired = occur(_ACQUIRE, holder.name, match, event.path, match.live, scope, holder.identity)
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = Slot(acquired)
            if len(self._slots) > BOUND:
                self._slots.popitem(last=False)
                self.dropped += 1
        else:
            slot.acquired = acquired
            if len(self._slots) > _HALF:  # only then it matters who goes first
                self._slots.pop(key, None)  # no move_to_end: another thread may have given it up
                self._slots[key] = slot
        if scope is not None:
            scope.slots[key] = Share(acquired)
            if scope.made & LOST:
                scope.lost.pop(key, None)
            slot.owners[scope] = acquired
        if match.by == "value":
            return (self._raw_key(match, acquired, scope, event),)
        return ()

    def _raw_key(
        self, match: SlotMatch, acquired: Occurrence, scope: RequestScope | None, event: CacheStored
    ) -> RawKey:
        return RawKey(
            live=match.live,
            trail=(acquired,),
            scope=scope,
            session_store=is_session_store(event.frame),
            short=match.short,
        )

    def leave(self, scope: RequestScope) -> None:
        """A request ended: it owns no entry any more."""
        for key in tuple(scope.slots):
            slot = self._slots.get(key)
            if slot is not None:
                slot.owners.pop(scope, None)

    def read(self, event: CacheRead) -> Sequence[Fact]:
        """A hit under a digest shows that the credential is known; a read of a lost entry is concurrent reuse."""
        scope = self._desk.scopes.here()
        match = event.match or self.match(event.name, scope, hit=event.hit)
        if match is None:
            return ()
        used = self._occur(Action.USE, event.holder, match, event.path, scope)
        if event.hit and match.by != "value":
            self._desk.establish(scope, match.live)
        if scope is None or not scope.made & LOST:
            return ()
        return self._lost(hash((event.holder.identity, event.name)), scope, used)

    def removed(self, event: CacheRemoved) -> Sequence[Fact]:
        """A release: the first of its epoch, a second one, or one of what another request has taken away."""
        scope = self._desk.scopes.here()
        match = event.match or self.match(event.name, scope, hit=bool(event.removed))
        if match is None:
            return ()
        key = hash((event.holder.identity, event.name))
        slot = self._slots.get(key)
        again = self._occur(Action.RELEASE, event.holder, match, event.path, scope)
        lost = self._lost(key, scope, again)
        share: Share | None = scope.slots.get(key) if scope is not None else None
        gone = share is not None and share.released is not None
        taken = self._take(key, slot, scope, again, removed=event.removed or (event.removed is None and not gone))
        if lost:
            return (*lost, *taken)
        if event.removed is not True and share is not None and share.released is not None:
            return (self._second(event, share, again, match.live, scope),)
        if event.removed is False and slot is None and (share is None or share.acquired is None):
            if scope is not None:
                scope.slots[key] = Share(None)
            return (ReleasedUnacquired(live=match.live, trail=(again,), scope=scope),)
        if event.removed is not False:
            self._first(key, slot, share, scope, again)
        return taken

    def _first(
        self, key: int, slot: Slot | None, share: Share | None, scope: RequestScope | None, again: Occurrence
    ) -> None:
        """The release that ends the epoch."""
        if scope is None:
            return
        if share is None or share.acquired is None:
            share = scope.slots[key] = Share(slot.acquired if slot is not None else None)
        share.released = again

    def _second(
        self,
        event: CacheRemoved,
        share: Share,
        again: Occurrence,
        live: LiveValue,
        scope: RequestScope | None,
    ) -> SecondRelease:
        first = share.released
        assert first is not None
        trail = (first, again) if share.acquired is None else (share.acquired, first, again)
        certain = event.raised and not event.guarded
        return SecondRelease(
            live=live,
            trail=trail,
            scope=scope,
            evidence=Evidence.CERTAIN if certain else Evidence.IDEMPOTENT,
            same_path=same_path(first.path, again.path),
        )

    def _take(
        self, key: int, slot: Slot | None, scope: RequestScope | None, again: Occurrence, *, removed: bool
    ) -> Sequence[Fact]:
        """A removal takes the entry from every other request in flight that stored it."""
        if slot is None or not removed:
            return ()
        facts: list[Fact] = []
        for owner, acquired in tuple(slot.owners.items()):
            mine = slot.owners.pop(owner, None) is not None  # else another thread that removes it was faster
            if mine and owner is not scope and owner.in_flight:
                owner.lost[key] = again
                facts.append(Reuse(live=again.live, trail=(acquired, again), scope=scope, how="slot_taken"))
        return facts[:1]

    def _lost(self, key: int, scope: RequestScope | None, now: Occurrence) -> Sequence[Fact]:
        if scope is None or not scope.made & LOST:
            return ()
        taken = scope.lost.pop(key, None)
        if taken is None:
            return ()
        share = scope.slots.get(key)
        trail = (taken, now) if share is None or share.acquired is None else (share.acquired, taken, now)
        return (Reuse(live=now.live, trail=trail, scope=scope, how="slot_lost"),)

    def cleared(self, event: CacheCleared) -> Sequence[Fact]:
        """All epochs of a cache end implicitly; a delete after that is no second release."""
        scope = self._desk.scopes.here()
        for key, slot in tuple(self._slots.items()):
            if slot.acquired.tag == event.holder.identity:
                for owner in tuple(slot.owners):
                    owner.slots.pop(key, None)
                slot.owners.clear()
                if scope is not None:
                    scope.slots.pop(key, None)
        return ()

    def match(self, name: str, scope: RequestScope | None, *, hit: bool = False) -> SlotMatch | None:
        """The credential that a slot's name shows; ``hit``: the look-up found something, which speaks for it."""
        match = self._desk.slots.match(name, scope)
        if match is None and hit and scope is not None and scope.has("candidates"):
            text = self._desk.slots.candidate_digest(name, scope.candidates)
            if text is not None and self._desk.promote(scope, scope.candidates[text]) is not None:
                match = self._desk.slots.match(name, scope)
        return match

    def _occur(
        self, action: Action, holder: Holder, match: SlotMatch, path: CallPath, scope: RequestScope | None
    ) -> Occurrence:
        return self._desk.occur(action, holder.name, match, path, match.live, scope, holder.identity)

    def clear(self) -> None:
        """Forgets all slots, as between tests."""
        self._slots.clear()


def is_session_store(frame: FrameType | None) -> bool:
    """Whether a session library makes this call: it names its entries by the session cookie, as it must."""
    for _ in range(_FRAMES):
        if frame is None:
            return False
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in SESSION_LIBRARIES:
            return True
        frame = frame.f_back
    return False
