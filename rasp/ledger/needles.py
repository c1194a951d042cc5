"""What text is searched for: chunks of every form of every live value, in one dictionary.

Nothing is ever rebuilt: a value's chunks are put in and taken out again, so that a search costs the same whatever the
number of live values. The forms themselves are not kept, which would take ten times the memory of the values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rasp.ledger.budget import LARGE
from rasp.ledger.forms import CHUNK, RUN, RUN_CHARACTERS, Form, chunks_of, forms_of, quoted
from rasp.ledger.hits import Hit, occurrences, without_overlaps
from rasp.ledger.strength import FULL_LENGTH, Strength, secret_span, strength
from rasp.ledger.value import LiveValue

SCAN_LIMIT = 262_144
"""Characters of one text that are searched; what lies behind them is counted as dropped."""
_SHARED_CHUNK = 16
_FOUND = 64
"""Values whose forms are kept, since they were found in a text lately."""
_TO_RUNS = bytes(code if chr(code) in RUN_CHARACTERS else 32 for code in range(256))
_SHAPE = bytes(97 if chr(code) in RUN_CHARACTERS else 32 for code in range(256))
_LONG = b"a" * CHUNK
"""Where a run long enough for a chunk begins, in a text of which only that shape is left."""


class Needles:
    """The index of chunks. Entered and taken out under the lock of the live values; searched without one.

    Attributes:
        dropped: texts that were cut.
        shed: whether no very large text is searched any more in this request, where there is a budget.
    """

    def __init__(self) -> None:
        self._chunks: dict[bytes, LiveValue | tuple[LiveValue, ...]] = {}
        self._found: dict[tuple[LiveValue, int], list[tuple[Form, str, int]]] = {}
        self._shorts: dict[bytes, LiveValue] = {}
        self._odd: dict[str, LiveValue] = {}
        self.dropped = 0
        self.shed: Callable[[], bool] | None = None

    def find(self, text: str, limit: int = SCAN_LIMIT) -> list[Hit]:
        """The live values that stand in a text, in any form; each stretch of the text once, in order."""
        chunks, shorts, odds = self._chunks, self._shorts, self._odd
        if not (chunks or shorts or odds):
            return []
        size = len(text)
        if size >= LARGE or size > limit:
            if size >= LARGE and self.shed is not None and self.shed():
                return []
            if size > limit:
                self.dropped += 1
                text = text[:limit]
        # In bytes: str.translate builds a table at every call, bytes.translate does not.
        raw = text.encode("utf-8", "replace")
        shape = raw.translate(_SHAPE)
        begin = shape.find(_LONG)  # most words are shorter: they are passed over in C
        while begin >= 0:
            end = shape.find(32, begin + CHUNK)
            if end < 0:
                end = len(raw)
            for at in range(begin, end - CHUNK + 1):
                if raw[at : at + CHUNK] in chunks:
                    return self._locate(text)
            begin = shape.find(_LONG, end)
        if shorts and not shorts.keys().isdisjoint(raw.translate(_TO_RUNS).split()):
            return self._locate(text)
        if odds and any(odd in text for odd in tuple(odds)):
            return self._locate(text)
        return []

    def _locate(self, text: str) -> list[Hit]:
        """The slow path, once something is there: every hit with its place."""
        hits: list[Hit] = []
        for match in RUN.finditer(text):
            run, begin = match.group(), match.start()
            raw, chunks, at = run.encode(), self._chunks, 0
            while at <= len(run) - CHUNK:
                hit = self._at(text, begin + at) if raw[at : at + CHUNK] in chunks else None
                if hit is not None:
                    hits.append(hit)
                    at = max(hit.end - begin, at + 1)
                else:
                    at += 1
            short = self._shorts.get(raw)
            if short is not None:
                hits.append(Hit(short, begin, match.end(), True, True))
        for odd, live in tuple(self._odd.items()):
            hits += occurrences(text, odd, live)
        return without_overlaps(hits)

    def _at(self, text: str, at: int) -> Hit | None:
        best: Hit | None = None
        wanted = text[at : at + CHUNK]
        entry = self._chunks.get(wanted.encode(), ())
        for live in entry if isinstance(entry, tuple) else (entry,):
            for form, chunk, chunk_at in self._shapes(live):
                found = form.match(text, chunk_at, at) if chunk == wanted else None
                if found is not None:
                    start, end, whole = found
                    if best is None or (whole, end - start) > (best.whole, best.end - best.start):
                        best = Hit(live, start, end, whole)
        return best

    def _shapes(self, live: LiveValue) -> list[tuple[Form, str, int]]:
        """The forms of a value, each with a chunk of it and its place. Worked out anew for the few that are found.

        To keep them would take ten times the memory of the values.
        """
        key = (live, len(live.exact))
        known = self._found.get(key)
        if known is None:
            known = [
                (form, chunk, at)
                for value in live.exact
                for form in self._forms(live, value)
                for chunk, at in chunks_of(form)
            ]
            for oldest in list(self._found)[: max(0, len(self._found) - _FOUND + 1)]:
                self._found.pop(oldest, None)
            self._found[key] = known
            if not live.text:  # forgotten meanwhile
                self._found.pop(key, None)
        return known

    def _forms(self, live: LiveValue, value: str) -> list[Form]:
        """The forms of one text that a value is; none of a weak one, nor of one with its scheme word."""
        if value is not live.text and (" " in value or strength(value) is Strength.NONE):
            return []
        if strength(value) is not Strength.FULL:
            return []
        return forms_of(value, secret_span(value, signed=live.signed and value is live.text))

    def enter(self, live: LiveValue, value: str) -> None:
        """A text that a live value is whole is searched for from now on."""
        if strength(value) is Strength.SHORT:
            if RUN.fullmatch(value):
                self._shorts.setdefault(value.encode(), live)
            else:
                self._odd.setdefault(value, live)
                live.odd += (value,)
            return
        keys: list[bytes] = []
        for form in self._forms(live, value):
            chunks = chunks_of(form)
            if not chunks:
                self._odd.setdefault(form.text, live)
                live.odd += (form.text,)
            keys += [chunk.encode() for chunk, _ in chunks]
        for key in keys:
            there = self._chunks.get(key)
            if there is None:
                self._chunks[key] = live
            elif there is not live:
                others = there if isinstance(there, tuple) else (there,)
                if len(others) < _SHARED_CHUNK and live not in others:
                    self._chunks[key] = (*others, live)
        live.keys += tuple(keys)

    def forget(self, live: LiveValue) -> None:
        """A value is live no more."""
        for value in live.exact:
            if len(value) < FULL_LENGTH:
                raw = value.encode("utf-8", "replace")
                if self._shorts.get(raw) is live:
                    del self._shorts[raw]
        for odd in live.odd:
            if self._odd.get(odd) is live:
                del self._odd[odd]
        for key in live.keys:
            there = self._chunks.get(key)
            if there is live:
                del self._chunks[key]
            elif isinstance(there, tuple) and live in there:
                left = tuple(other for other in there if other is not live)
                self._chunks[key] = left if len(left) > 1 else left[0]
        for known in range(len(live.exact) + 1):  # it may have been found before it had all its texts
            self._found.pop((live, known), None)

    def find_among(self, text: str, glow: Iterable[tuple[LiveValue, list[str], object]]) -> list[Hit]:
        """Values of a request that has just ended, in its server's access line: as they are, or quoted for a URL."""
        hits = []
        for live, exact, _ in glow:
            for value in exact:
                for shape in quoted(value):
                    at = text.find(shape)
                    if at >= 0:
                        hits.append(Hit(live, at, at + len(shape), True))
        return without_overlaps(hits)
