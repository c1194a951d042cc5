"""The live values of the process: the only place that keeps credentials raw, and how text is searched for them.

A value enters when a request presents it and stays while that request is in flight; accepted values stay for the
grace time, service values for good. Nothing is ever rebuilt: a value's chunks are put into one dictionary and taken
out again, so that a search costs the same whatever the number of live values.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable

from rasp.ledger.fingerprints import Fingerprint
from rasp.ledger.forms import CHUNK, RUN, RUN_CHARACTERS, Form, chunks_of, forms_of
from rasp.ledger.hits import Hit, occurrences, without_overlaps
from rasp.ledger.strength import Strength, secret_span, strength
from rasp.ledger.value import LiveValue, Rank
from rasp.model import Kind

SCAN_LIMIT = 262_144
"""Characters of one text that are searched; what lies behind them is counted as dropped."""
_SHARED_CHUNK = 16
_BYTES = 4 * 1024 * 1024
_ALIASES = 8
"""Texts that one value is known by: with its scheme word, as a Basic pair of several users."""
_TO_RUNS = bytes(code if chr(code) in RUN_CHARACTERS else 32 for code in range(256))


class LiveValues:
    """The index of live values. Thread-safe; no lock is held while a text is searched.

    Attributes:
        exact: every text that is a live value, with or without its scheme word; to be read only.
        get: the live value that a text is, exactly.
        lock: to be held while ``in_flight`` of a value changes.
        due: when the first value is past its grace time, by ``clock``; never later than that.
        foreign: how many live values callers presented; service values are not among them.
        dropped: values and texts that some bound has cut.
    """

    def __init__(self, fingerprint: Fingerprint, clock: Callable[[], float], limit: int, grace: float) -> None:
        self._fingerprint = fingerprint
        self.clock = clock
        self.due = float("inf")
        self._limit = limit
        self._grace = grace
        self.lock = threading.RLock()
        self.exact: dict[str, LiveValue] = {}
        self.get: Callable[[str], LiveValue | None] = self.exact.get
        self._chunks: dict[bytes, tuple[tuple[LiveValue, Form, int], ...]] = {}
        self._shorts: dict[bytes, LiveValue] = {}
        self._odd: dict[str, LiveValue] = {}
        self._kept: dict[Rank, OrderedDict[LiveValue, None]] = {rank: OrderedDict() for rank in Rank}
        self._bytes = 0
        self.dropped = 0
        self.foreign = 0
        self.on_forget: Callable[[LiveValue], None] = lambda live: None

    def __len__(self) -> int:
        return sum(len(kept) for kept in self._kept.values())

    def find(self, text: str, limit: int = SCAN_LIMIT) -> list[Hit]:
        """The live values that stand in a text, in any form; each stretch of the text once, in order."""
        if not self.exact:
            return []
        if len(text) > limit:
            self.dropped += 1
            text = text[:limit]
        # In bytes: str.translate builds a table at every call, bytes.translate does not.
        runs = text.encode("utf-8", "replace").translate(_TO_RUNS).split()
        chunks, shorts = self._chunks, self._shorts
        for run in runs:
            if len(run) >= CHUNK:
                for at in range(len(run) - CHUNK + 1):
                    if run[at : at + CHUNK] in chunks:
                        return self._locate(text)
        if shorts and not shorts.keys().isdisjoint(runs):
            return self._locate(text)
        if self._odd and any(odd in text for odd in tuple(self._odd)):
            return self._locate(text)
        return []

    def _locate(self, text: str) -> list[Hit]:
        """The slow path, once something is there: every hit with its place."""
        hits: list[Hit] = []
        for match in RUN.finditer(text):
            run, begin = match.group(), match.start()
            at = 0
            while at <= len(run) - CHUNK:
                hit = self._at(text, begin + at)
                if hit is not None:
                    hits.append(hit)
                    at = max(hit.end - begin, at + 1)
                else:
                    at += 1
            short = self._shorts.get(run.encode())
            if short is not None:
                hits.append(Hit(short, begin, match.end(), True, True))
        for odd, live in tuple(self._odd.items()):
            hits += occurrences(text, odd, live)
        return without_overlaps(hits)

    def _at(self, text: str, at: int) -> Hit | None:
        best: Hit | None = None
        for live, form, chunk_at in self._chunks.get(text[at : at + CHUNK].encode(), ()):
            found = form.match(text, chunk_at, at)
            if found is not None:
                start, end, whole = found
                if best is None or (whole, end - start) > (best.whole, best.end - best.start):
                    best = Hit(live, start, end, whole)
        return best

    def enter(self, text: str, kind: Kind, source: str, also: Iterable[str] = ()) -> LiveValue | None:
        """A request presents a value: it is live from now on, until ``leave``.

        Args:
            text: the value, without scheme word.
            kind: what it is used as; a value known as ``service`` keeps that kind.
            source: where it was found.
            also: further texts that are this value whole, such as the header with its scheme word.

        Returns:
            the live value, or ``None`` where the value does not count.
        """
        with self.lock:
            live = self.exact.get(text)
            if live is None:
                live = self._add(text, kind, source, also)
                if live is None:
                    return None
            else:
                if _is_nearer(kind, live.kind):
                    live.kind = kind
                for other in also:
                    if other not in self.exact and len(live.exact) < _ALIASES:
                        self._alias(live, other, signed=False)
            live.in_flight += 1
            return live

    def _alias(self, live: LiveValue, text: str, *, signed: bool) -> None:
        """Another text that is this value whole."""
        live.exact.append(text)
        self.exact.setdefault(text, live)
        if " " not in text and strength(text) is not Strength.NONE:
            self._enter_forms(live, text, signed=signed)

    def leave(self, live: LiveValue, rank: Rank) -> None:
        """A request that presented a value ended; ``rank`` is what it established about it."""
        with self.lock:
            live.in_flight -= 1
            if live.rank >= rank > Rank.PRESENTED:  # as in most requests: it only stays for longer
                live.until = self.clock() + self._grace
                kept = self._kept[live.rank]
                if live in kept:
                    kept.move_to_end(live)
            elif rank is Rank.PRESENTED:
                if live.rank is Rank.PRESENTED and live.in_flight <= 0:
                    self._kept[Rank.PRESENTED].pop(live, None)
                    if live.text in self.exact:
                        self._forget(live)
            else:
                self._establish(live, rank)

    def raise_rank(self, live: LiveValue, rank: Rank) -> None:
        """A value was verified or looked up with a hit, or is the app's own."""
        if rank > live.rank:
            with self.lock:
                self._establish(live, rank)

    def _establish(self, live: LiveValue, rank: Rank) -> None:
        """It stays for the grace time from now on; service values stay for good."""
        live.until = self.clock() + self._grace
        self.due = min(self.due, live.until)
        if rank <= live.rank:
            kept = self._kept[live.rank]
            if live in kept:
                kept.move_to_end(live)
            return
        self._kept[live.rank].pop(live, None)
        if live.text not in self.exact:
            return
        live.rank = rank
        if rank is Rank.SERVICE:
            self.foreign -= 1
        self._kept[rank][live] = None
        self._shrink(live)

    def expire(self) -> None:
        """Forgets what is past its grace time; to be called once that of any value is ``due``."""
        answered, verified = self._kept[Rank.ANSWERED], self._kept[Rank.VERIFIED]
        now = self.clock()
        for kept in (answered, verified):
            while kept:
                live = next(iter(kept), None)
                if live is None or live.until > now:
                    break
                with self.lock:
                    if kept.pop(live, self) is not self:
                        if live.in_flight > 0:
                            live.rank = Rank.PRESENTED
                            self._kept[Rank.PRESENTED][live] = None
                        else:
                            self._forget(live)
        left = [next(iter(kept)).until for kept in (answered, verified) if kept]
        self.due = min(left, default=float("inf"))

    def clear(self) -> None:
        """Forgets everything but service values and what requests in flight still hold."""
        with self.lock:
            for rank in (Rank.PRESENTED, Rank.ANSWERED, Rank.VERIFIED):
                for live in tuple(self._kept[rank]):
                    if live.in_flight <= 0:
                        del self._kept[rank][live]
                        self._forget(live)

    def renew_lock(self) -> None:
        """After a fork: the lock may have been held by a thread that does not exist here."""
        self.lock = threading.RLock()

    def _add(self, text: str, kind: Kind, source: str, also: Iterable[str]) -> LiveValue | None:
        how = strength(text)
        texts = [text, *also]
        if how is Strength.NONE and not any(strength(other) is Strength.FULL for other in texts[1:]):
            return None
        live = LiveValue(text, kind, source, self._fingerprint)
        live.short = how is Strength.SHORT
        self.exact[text] = live
        if how is not Strength.NONE:
            self._enter_forms(live, text, signed=kind is Kind.SESSION)
        for other in texts[1:]:
            self._alias(live, other, signed=kind is Kind.SESSION)
        self._bytes += len(text)
        self.foreign += 1
        self._kept[Rank.PRESENTED][live] = None
        self._shrink(live)
        return live

    def _enter_forms(self, live: LiveValue, value: str, *, signed: bool) -> None:
        if strength(value) is Strength.SHORT:
            if RUN.fullmatch(value):
                self._shorts.setdefault(value.encode(), live)
            else:
                self._odd.setdefault(value, live)
            live.forms.append(Form(value, 0, 0))
            return
        for form in forms_of(value, secret_span(value, signed=signed)):
            chunks = chunks_of(form)
            live.forms.append(form)
            if not chunks:
                self._odd.setdefault(form.text, live)
            for chunk, at in chunks:
                there = self._chunks.get(chunk.encode(), ())
                if len(there) < _SHARED_CHUNK:
                    self._chunks[chunk.encode()] = (*there, (live, form, at))

    def _forget(self, live: LiveValue) -> None:
        for value in live.exact:
            if self.exact.get(value) is live:
                del self.exact[value]
        for form in live.forms:
            raw = form.text.encode("utf-8", "replace")
            if self._shorts.get(raw) is live:
                del self._shorts[raw]
            if self._odd.get(form.text) is live:
                del self._odd[form.text]
            for chunk, _ in chunks_of(form):
                key = chunk.encode()
                left = tuple(entry for entry in self._chunks.get(key, ()) if entry[0] is not live)
                if left:
                    self._chunks[key] = left
                else:
                    self._chunks.pop(key, None)
        self._bytes -= len(live.text)
        if live.rank is not Rank.SERVICE:
            self.foreign -= 1
        self.on_forget(live)
        live.wipe()

    def find_among(self, text: str, glow: Iterable[tuple[LiveValue, list[Form], object]]) -> list[Hit]:
        """Values of a request that has just ended, in its server's access line."""
        hits = []
        for live, forms, _ in glow:
            for form in forms:
                at = text.find(form.text)
                if at >= 0:
                    hits.append(Hit(live, at, at + len(form.text), True))
        return without_overlaps(hits)

    def _shrink(self, newest: LiveValue) -> None:
        """Holds the bounds: answered values go first, verified ones only for verified ones or when none is left."""
        while len(self) > self._limit or self._bytes > _BYTES:
            for rank in (Rank.ANSWERED, Rank.VERIFIED, Rank.PRESENTED):
                oldest = next((live for live in self._kept[rank] if live is not newest), None)
                if oldest is not None and (rank <= newest.rank or rank is Rank.ANSWERED):
                    break
            else:
                oldest, rank = newest, newest.rank
            self.dropped += 1
            self._kept[rank].pop(oldest, None)
            self._forget(oldest)
            if oldest is newest:
                return


def _is_nearer(kind: Kind, known: Kind) -> bool:
    """Whether what a value is presented as says more than what it is known as; service values stay."""
    if known is Kind.SERVICE or kind is known:
        return False
    return kind in (Kind.SERVICE, Kind.SINGLE_USE) or known is Kind.CUSTOM
