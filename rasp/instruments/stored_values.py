"""Credentials of callers that are written, as values, into a cache on disk or across the network (RASP207).

Judged where a value leaves the process, so that a cache that is layered over redis is judged there, and once. Values
are read as the app gives them: texts, bytes (pickles and JSON hold their texts as they are), and those in containers,
two levels down. Not seen: compressed and encrypted values. The app's own secrets and what the same request issued are
fine, and so are the stores of session libraries and task queues.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rasp.instruments.blobs import blanked
from rasp.instruments.kit import Kit, as_text
from rasp.instruments.stores import SHORTEST, keeps_its_own
from rasp.ledger.events import Exposed, Holder
from rasp.ledger.scopes import RequestScope
from rasp.ledger.value import LiveValue
from rasp.model import Kind, Verdict

LONGEST = 65_536
"""Characters of a value that are looked at."""
_ITEMS = 64
_LEVELS = 2
_CALLERS = frozenset({"header", "cookie", "query", "form", "json", "route"})


class StoredValues:
    """Shared by the instruments: ``kit.shared(StoredValues)``."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._values = kit.ledger.values
        self._scopes = kit.ledger.scopes

    def judge(self, holder: Holder, values: Iterable[object], *, noted: bool = False) -> Verdict | None:
        """Values were stored; ``noted``: what is done with them is not known for sure."""
        if not self._values.foreign:
            return None
        verdict: Verdict | None = None
        for value in values:
            if isinstance(value, (str, bytes)):
                if len(value) >= SHORTEST:
                    text = as_text(value[:LONGEST]) or ""
                    verdict = verdict or self._judge(holder, text, noted)
            elif isinstance(value, (dict, list, tuple, bytearray)):
                for text in texts(value, _LEVELS):
                    verdict = verdict or self._judge(holder, text[:LONGEST], noted)
        return verdict

    def _judge(self, holder: Holder, text: str, noted: bool) -> Verdict | None:
        if len(text) < SHORTEST:
            return None
        scope = self._scopes.here()
        hits = [hit for hit in self._values.find(blanked(text)) if presented(hit.live, scope)]
        if not hits:
            return None
        frame = sys._getframe(1)
        if keeps_its_own(frame, self._kit.ledger.places):
            return None
        event = Exposed("stored", text, hits, self._kit.here(frame), holder.name, noted=noted)
        return self._kit.pipeline.handle(event)


def presented(live: LiveValue, scope: RequestScope | None) -> bool:
    """Whether a caller presented a credential, and this request has not just issued it."""
    if live.kind is Kind.SERVICE:
        return False
    if scope is not None:
        if scope.has("issued") and live in scope.issued:
            return False
        if scope.has("presented") and live in scope.presented:
            return True
    return live.source.partition(":")[0] in _CALLERS


def texts(value: Any, levels: int) -> Iterator[str]:
    """The texts of a value, shallowly."""
    text = as_text(value)
    if text is not None:
        yield text
    elif levels > 0 and isinstance(value, (dict, list, tuple)):
        inner = value.values() if isinstance(value, Mapping) else value
        for item in list(inner)[:_ITEMS]:
            yield from texts(item, levels - 1)
