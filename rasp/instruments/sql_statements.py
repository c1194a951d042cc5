"""Statements on their way to a database: credentials that they write or look up, in parameters and in their text.

Only where a live value stands in one is a statement read for its clauses. What the app hands over as an iterator is
not looked at: it can be gone through only once. A row found under a digest of the caller's credential is a look-up with
a hit; one found under the raw value proves nothing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from rasp.instruments.blobs import blanked
from rasp.instruments.kit import Kit, as_text
from rasp.instruments.sql_clauses import Reading, read
from rasp.instruments.sql_text import Flavor
from rasp.instruments.stored import SHORTEST, Stored, leaves, statement_depth
from rasp.ledger.hits import Hit
from rasp.ledger.needles import SCAN_LIMIT
from rasp.ledger.scopes import RequestScope
from rasp.model import Action, Verdict

ROWS = 200
"""Rows of parameters of one call that are looked at."""

_QUOTES = ("'", '"', "`", "$", "--", "/*", "#")
_DIGESTS = frozenset({16, 20, 32, 64})
_HEX = re.compile(r"[0-9a-fA-F]{32}")
_UNKNOWN = 1 << 63
"""MySQL says so large a number where rows are not counted."""

Place = int | str


class Sought(NamedTuple):
    """A SELECT by the digest of a credential: which value, and by which text."""

    holder: str
    scope: RequestScope
    name: str

    def __repr__(self) -> str:
        return "Sought()"


class Sent(NamedTuple):
    """What is known of a statement before it is executed."""

    verdict: Verdict | None = None
    sought: Sought | None = None


class SqlHooks:
    """Shared by the instruments of database drivers: ``kit.shared(SqlHooks)``."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._stored = kit.shared(Stored)
        self.depth = kit.shared(statement_depth)

    def hook(self, holder: str, flavor: Flavor) -> Callable[..., Sent | None]:
        """A guarded hook: takes the statement, its parameters and whether they are many rows."""

        def sent(statement: object, parameters: object, many: bool) -> Sent | None:
            return self.sent(holder, flavor, statement, parameters, many)

        return self._kit.hook(f"{holder}.execute", sent)

    def sent(
        self,
        holder: str,
        flavor: Flavor,
        statement: object,
        parameters: object,
        many: bool,
        *,
        outermost: bool = False,
    ) -> Sent | None:
        """A statement is about to be executed; a layer above the driver is ``outermost``, and sees no rows."""
        possible, scope = self._stored.possible, self._stored.scope()
        if not possible and (scope is None or not scope.has("candidates")):
            return None
        text = as_text(statement)
        if text is None:
            return None
        texts = _texts(parameters, many)
        sought = None
        if texts and scope is not None and not outermost and not many:
            sought = self._sought(holder, text, texts, scope)
        verdict = None
        if possible and self._stands_in(text, texts) and (outermost or not self.depth.get()):
            verdict = self._exposed(holder, flavor, text, tuple(_given(parameters, many)))
        return None if verdict is None and sought is None else Sent(verdict, sought)

    def _stands_in(self, text: str, texts: list[str]) -> bool:
        """Whether anything live stands in a statement: one search for all of it. No literal is without a quote."""
        if any(mark in text for mark in _QUOTES):
            texts = [*texts, text]
        return bool(texts and self._stored.values.find(blanked("\n".join(texts)[: SCAN_LIMIT + 1])))

    def _exposed(self, holder: str, flavor: Flavor, text: str, given: Iterable[tuple[Place, object]]) -> Verdict | None:
        found = [(place, hit) for place, value in given for hit in self._stored.found(value)]
        literal = self._stored.hits(text)
        if not found and not literal:
            return None
        reading = read(text, flavor) or Reading()
        written = [hit for place, hit in found if reading.writes(place)]
        written += [hit for hit in literal if reading.writes_at(hit.start)]
        lives = {hit.live for hit in written}
        looked_up = [hit for hit in (*literal, *(hit for _, hit in found)) if hit.live not in lives]
        return self._report(holder, written, noted=False) or self._report(holder, looked_up, noted=True)

    def _report(self, holder: str, hits: list[Hit], *, noted: bool) -> Verdict | None:
        verdict: Verdict | None = self._stored.report(holder, hits, noted=noted) if hits else None
        return verdict

    # Look-ups with a hit

    def _sought(self, holder: str, text: str, texts: Iterable[str], scope: RequestScope) -> Sought | None:
        names = [name for name in texts if 32 <= len(name) <= 256 and _HEX.search(name)]
        if not names or not text.lstrip()[:6].upper().startswith(("SELECT", "WITH")):
            return None
        slots = self._kit.ledger.desk.slots
        for name in names:
            match = self._kit.ledger.desk.slots.match(name, scope)
            if match is not None and match.by == "digest":
                return Sought(holder, scope, name)
            if match is None and scope.has("candidates") and slots.candidate_digest(name, scope.candidates):
                return Sought(holder, scope, name)
        return None

    def found(self, sought: Sought) -> None:
        """It returned a row: the credential is known to the app."""
        desk, scope = self._kit.ledger.desk, sought.scope
        match = desk.slots.match(sought.name, scope)
        if match is None and scope.has("candidates"):
            text = desk.slots.candidate_digest(sought.name, scope.candidates)
            if text is not None and desk.promote(scope, scope.candidates[text]) is not None:
                match = desk.slots.match(sought.name, scope)
        if match is not None and match.by == "digest":
            path = self._kit.here(sys._getframe(1))
            desk.occur(Action.USE, sought.holder, match, path, match.live, scope)
            desk.establish(scope, match.live)


def _texts(parameters: object, many: bool) -> list[str]:
    """All texts among the parameters that are long enough; bytes also in hex, as a digest is looked for."""
    found: list[str] = []
    for _, value in _given(parameters, many):
        if type(value) is str:
            if len(value) >= SHORTEST:
                found.append(value)
        elif isinstance(value, bytes) and len(value) in _DIGESTS:
            found += (value.hex(), value.decode("utf-8", "surrogateescape"))
        elif value is not None and not isinstance(value, (int, float)):
            found += leaves(value)
    return found


def _given(parameters: object, many: bool) -> Iterable[tuple[Place, object]]:
    """The values of a statement by their place or name, row after row."""
    if not many:
        yield from _row(parameters)
    elif isinstance(parameters, (list, tuple)):
        for row in parameters[:ROWS]:
            yield from _row(row)


def _row(row: object) -> Iterable[tuple[Place, object]]:
    if isinstance(row, (list, tuple)):
        yield from enumerate(row)
    elif isinstance(row, Mapping):
        # A mapping of the app's own may do anything when it is asked: only real ones are.
        yield from dict.items(row) if isinstance(row, dict) else ()
    elif isinstance(row, (str, bytes, bytearray)):
        yield 0, row


def returned_rows(cursor: Any) -> bool:
    """Whether a driver says that a SELECT returned rows."""
    count = cursor.rowcount
    return isinstance(count, int) and 0 < count < _UNKNOWN
