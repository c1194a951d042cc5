"""Which credentials belong together: those presented, issued or exchanged in one request answered below 400."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from rasp.ledger.value import LiveValue
from rasp.model import Kind

FAN = 8
"""A credential linked to more than this many others links nothing: it is shared."""
BOUND = 5_000


class Links:
    """One step between credentials, by fingerprint; never through a service value. Bounded; the oldest go first."""

    def __init__(self) -> None:
        self._others: OrderedDict[str, set[str]] = OrderedDict()

    def join(self, values: Iterable[LiveValue]) -> None:
        """These credentials took part in one successful request."""
        prints = [live.credential.fingerprint for live in values if live.kind is not Kind.SERVICE]
        if len(prints) < 2:
            return
        for fingerprint in prints:
            others = self._others.setdefault(fingerprint, set())
            self._others.move_to_end(fingerprint)
            if len(others) <= FAN:
                others.update(other for other in prints if other != fingerprint)
        while len(self._others) > BOUND:
            self._others.popitem(last=False)

    def linked(self, live: LiveValue, own: Iterable[LiveValue]) -> bool:
        """Whether a credential is one step from any of a request's own."""
        fingerprint = live.credential.fingerprint
        for other in own:
            if other.kind is Kind.SERVICE:
                continue
            joined = self._others.get(other.credential.fingerprint, ())
            if fingerprint in joined and len(joined) <= FAN:
                return True
        return False

    def clear(self) -> None:
        """Forgets all links."""
        self._others.clear()
