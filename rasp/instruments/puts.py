"""Where values were put into what may be sent later: a report's tags, breadcrumbs, baggage.

Remembered only for live values, bounded, and only for the request that put them in: what another one left is no help.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Any, NamedTuple

from rasp.allowance import ALLOWED
from rasp.instruments import documents
from rasp.instruments.kit import Kit
from rasp.ledger.events import Exposed
from rasp.ledger.places import CallPath
from rasp.ledger.scopes import RequestMark, RequestScope
from rasp.ledger.value import LiveValue
from rasp.model import Verdict

_REMEMBERED = 256
_PLACES = 8


class Put(NamedTuple):
    """Where a value was put in, in which request, and what was allowed there."""

    path: CallPath
    request: RequestMark | None
    allowed: frozenset[str]


class Puts:
    """The places of one instrument, by value and by the part that it was put into."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._puts: OrderedDict[tuple[LiveValue, str], list[Put]] = OrderedDict()

    def put(self, part: str, arguments: tuple[Any, ...]) -> None:
        """The app puts something in; looked at only while there is a live value."""
        values = self._kit.ledger.values
        if not len(values):
            return
        found = documents.texts({part: arguments}, values)
        if found:
            scope = self._kit.ledger.scopes.here()
            put = Put(self._kit.here(sys._getframe(1)), None if scope is None else scope.mark, ALLOWED.get())
            for live in {hit.live for entry in found for hit in entry.hits}:
                self._remember((live, part), put)

    def _remember(self, key: tuple[LiveValue, str], put: Put) -> None:
        # Each step by itself is safe among threads, and a new list is made so that nobody reads one that changes.
        self._puts[key] = [*self._puts.pop(key, ()), put][-_PLACES:]
        while len(self._puts) > _REMEMBERED:
            self._puts.popitem(last=False)

    def known(self, live: LiveValue, part: str, scope: RequestScope | None) -> list[Put]:
        """Where this request, or no request, put a value into this part; the latest last."""
        mark = None if scope is None else scope.mark
        puts = self._puts.get((live, part), ())
        return [put for put in puts if put.path and (put.request is None or put.request is mark)]

    def latest(self, live: LiveValue, part: str) -> Put | None:
        """The last of them."""
        known = self.known(live, part, self._kit.ledger.scopes.here())
        return known[-1] if known else None

    def handle(self, event: Exposed, put: Put | None) -> Verdict | None:
        """Judges an exposure by what was allowed where the value was put in."""
        token = ALLOWED.set(ALLOWED.get() | (put.allowed if put is not None else frozenset()))
        try:
            verdict: Verdict | None = self._kit.pipeline.handle(event)
        finally:
            ALLOWED.reset(token)
        return verdict
