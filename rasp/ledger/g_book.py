"""The epochs of ``flask.g``. They are kept on the ``g`` itself and end with it, without a release."""

from __future__ import annotations

from collections.abc import Sequence

from rasp.ledger.desk import Desk
from rasp.ledger.events import GFound, GRemoved, GStored
from rasp.ledger.facts import Evidence, Fact, Leak, SecondRelease
from rasp.ledger.places import same_path
from rasp.ledger.scopes import Occurrence, RequestScope
from rasp.ledger.value import LiveValue
from rasp.model import Action

HOLDER = "flask.g"
NAMES_PER_G = 64


class Epoch:
    """One ownership of a slot: who acquired it, and who released it first."""

    __slots__ = ("acquired", "live", "released")

    def __init__(self, live: LiveValue, acquired: Occurrence) -> None:
        self.live = live
        self.acquired = acquired
        self.released: Occurrence | None = None


class GBook:
    """Judges what happens to ``flask.g``."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def stored(self, event: GStored) -> Sequence[Fact]:
        """Any store opens a new epoch; only one of a credential is kept."""
        live = self._desk.values.get(event.value) if isinstance(event.value, str) else None
        if live is None:
            event.table.pop(event.name, None)
            return ()
        if len(event.table) >= NAMES_PER_G:
            self._desk.values.dropped += 1
            return ()
        scope = self._desk.scopes.here()
        acquired = self._desk.occur(Action.ACQUIRE, HOLDER, event.name, event.path, live, scope)
        event.table[event.name] = Epoch(live, acquired)
        if scope is not None and not scope.knows(live) and not self._desk.belongs(scope, live):
            return (Leak(live=live, trail=(acquired,), scope=scope, how="g"),)
        return ()

    def removed(self, event: GRemoved) -> Sequence[Fact]:
        """A removal that removed something ends the epoch; one that found nothing may be a second release."""
        epoch: Epoch | None = event.table.get(event.name)
        if epoch is None:
            return ()
        scope = self._desk.scopes.here()
        if not event.existed and epoch.released is None:
            return ()
        again = self._desk.occur(Action.RELEASE, HOLDER, event.name, event.path, epoch.live, scope)
        if epoch.released is None:
            epoch.released = again
            return ()
        if event.existed:
            return ()
        certain = event.raised and not event.guarded
        return (
            SecondRelease(
                live=epoch.live,
                trail=(epoch.acquired, epoch.released, again),
                scope=scope,
                evidence=Evidence.CERTAIN if certain else Evidence.IDEMPOTENT,
                same_path=same_path(epoch.released.path, event.path),
            ),
        )

    def found(self, event: GFound) -> Sequence[Fact]:
        """A request begins on a ``g`` that an earlier one left behind: its credentials are another caller's."""
        return tuple(
            Leak(live=epoch.live, trail=(epoch.acquired,), scope=event.scope, how="g_left")
            for epoch in event.table.values()
            if epoch.released is None and self._left_by_another(epoch, event.scope)
        )

    def _left_by_another(self, epoch: Epoch, scope: RequestScope) -> bool:
        before = epoch.acquired.request
        return before is not None and before is not scope.mark and not self._desk.owns(scope, epoch.live)
