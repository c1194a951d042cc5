"""The app's own holders: ``rasp.hold`` and ``rasp.release``."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rasp.ledger.desk import Desk
from rasp.ledger.events import Held, HoldReleased, HoldUsed
from rasp.ledger.facts import Evidence, Fact, LeftHeld, ReleasedUnacquired, SecondRelease, UsedAfterRelease
from rasp.ledger.scopes import Occurrence, RequestMark, RequestScope
from rasp.ledger.value import LiveValue
from rasp.model import Action, Kind

HOLDER = "app"
BOUND = 2_000


@dataclass(slots=True, eq=False)
class Hold:
    """One epoch of an explicit slot."""

    live: LiveValue
    acquired: Occurrence
    released: Occurrence | None = None


class HoldBook:
    """Judges explicit holds. A slot is identified by its name and value, and by the request that holds it.

    A release looks for the hold of its own request, then for one taken outside requests, then for the newest of all.
    Raw values are not kept here.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._holds: OrderedDict[tuple[RequestMark | None, int], Hold] = OrderedDict()
        self._newest: OrderedDict[int, Hold] = OrderedDict()
        self.dropped = 0

    def _live(self, value: str, scope: RequestScope | None) -> LiveValue | None:
        live = self._desk.values.get(value)
        if live is not None or scope is None:
            return live or self._desk.values.enter(value, Kind.CUSTOM, "hold")
        return self._desk.adopt(scope, value, Kind.CUSTOM, "hold", issued=False)

    def _find(self, slot: str, value: str, scope: RequestScope | None) -> Hold | None:
        key = hash((slot, value))
        own = self._holds.get((scope.mark, key)) if scope is not None else None
        return own or self._holds.get((None, key)) or self._newest.get(key)

    def held(self, event: Held) -> Sequence[Fact]:
        """Opens an epoch; holding again what is held opens a new one."""
        scope = self._desk.scopes.here()
        live = self._live(event.value, scope)
        if live is None:
            return ()
        key = hash((event.slot, event.value))
        acquired = self._desk.occur(Action.ACQUIRE, HOLDER, event.slot, event.path, live, scope)
        hold = Hold(live, acquired)
        if scope is not None:
            scope.holds.append(hold)
        self._keep(self._holds, (None if scope is None else scope.mark, key), hold)
        self._keep(self._newest, key, hold)
        return ()

    def _keep(self, table: OrderedDict[Any, Hold], key: object, hold: Hold) -> None:
        table[key] = hold
        table.move_to_end(key)
        if len(table) > BOUND:
            table.popitem(last=False)
            self.dropped += 1

    def used(self, event: HoldUsed) -> Sequence[Fact]:
        """A use is wrong once the epoch was released."""
        scope = self._desk.scopes.here()
        hold = self._find(event.slot, event.value, scope)
        if hold is None:
            return ()
        used = self._desk.occur(Action.USE, HOLDER, event.slot, event.path, hold.live, scope)
        if hold.released is None:
            return ()
        return (UsedAfterRelease(live=hold.live, trail=(hold.acquired, hold.released, used), scope=scope),)

    def released(self, event: HoldReleased) -> Sequence[Fact]:
        """Ends the epoch; a second release is certain, one without a hold is not."""
        scope = self._desk.scopes.here()
        hold = self._find(event.slot, event.value, scope)
        live = hold.live if hold is not None else self._desk.values.get(event.value)
        again = self._desk.occur(Action.RELEASE, HOLDER, event.slot, event.path, live, scope)
        if hold is None:
            return (ReleasedUnacquired(live=live, trail=(again,), scope=scope),)
        if hold.released is None:
            hold.released = again
            return ()
        return (
            SecondRelease(
                live=hold.live,
                trail=(hold.acquired, hold.released, again),
                scope=scope,
                evidence=Evidence.CERTAIN,
            ),
        )

    def left(self, scope: RequestScope) -> Sequence[Fact]:
        """What a request that ends acquired and did not release."""
        return tuple(
            LeftHeld(live=hold.live, trail=(hold.acquired,), scope=scope, raisable=False)
            for hold in scope.holds
            if hold.released is None
        )

    def left_at_exit(self) -> Sequence[Fact]:
        """What was acquired outside any request and is held when the process ends."""
        return tuple(
            LeftHeld(live=hold.live, trail=(hold.acquired,), scope=None, raisable=False, at_exit=True)
            for (request, _), hold in self._holds.items()
            if request is None and hold.released is None
        )

    def clear(self) -> None:
        """Forgets all holds, as between tests."""
        self._holds.clear()
        self._newest.clear()
