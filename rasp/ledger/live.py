"""The live values of the process: the only place that keeps credentials raw.

A value enters when a request presents it and stays while that request is in flight; accepted values stay for the
grace time, service values for good. How text is searched for them is in ``needles``.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable

from rasp.ledger.fingerprints import Fingerprint
from rasp.ledger.needles import Needles
from rasp.ledger.strength import Strength, strength
from rasp.ledger.value import LiveValue, Rank
from rasp.model import Kind

LONGEST = 16_384
"""Characters of a value; a longer one is not followed, and counted as dropped."""
_PRESENTED = Rank.PRESENTED
_BYTES = 4 * 1024 * 1024
_ALIASES = 8
"""Texts that one value is known by: with its scheme word, as a Basic pair of several users."""


class LiveValues:
    """The index of live values. Thread-safe; no lock is held while a text is searched.

    Attributes:
        exact: every text that is a live value, with or without its scheme word; to be read only.
        get: the live value that a text is, exactly.
        find: the live values that stand in a text, in any form.
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
        self.needles = Needles()
        self.find, self.find_among = self.needles.find, self.needles.find_among
        self._kept: tuple[OrderedDict[LiveValue, None], ...] = tuple(OrderedDict() for _ in Rank)
        self._bytes = 0
        self.dropped = 0
        self.foreign = 0
        self.on_forget: Callable[[LiveValue], None] = lambda live: None

    def __len__(self) -> int:
        return sum(map(len, self._kept))

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
                        self._alias(live, other)
            live.in_flight += 1
            return live

    def _alias(self, live: LiveValue, text: str) -> None:
        """Another text that is this value whole."""
        live.exact.append(text)
        self.exact.setdefault(text, live)
        if " " not in text:
            self.needles.enter(live, text)

    def unhold(self, live: LiveValue) -> None:
        """What ``enter`` counted once too often: the request holds it already, or no request does."""
        with self.lock:
            live.in_flight -= 1

    def leave(self, live: LiveValue, rank: Rank) -> None:
        """A request that presented a value ended; ``rank`` is what it established about it."""
        with self.lock:
            live.in_flight -= 1
            if live.rank >= rank > _PRESENTED:  # as in most requests: it only stays for longer
                live.until = self.clock() + self._grace
                kept = self._kept[live.rank]
                if live in kept:
                    kept.move_to_end(live)
            elif rank is _PRESENTED:
                if live.rank is _PRESENTED and live.in_flight <= 0:
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
        live.settle()
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
                with self.lock:  # for each by itself: other threads need not wait for all
                    live = next(iter(kept), None)
                    if live is None or live.until > now:
                        break
                    del kept[live]
                    if live.in_flight > 0:
                        live.rank = Rank.PRESENTED
                        self._kept[Rank.PRESENTED][live] = None
                    else:
                        self._forget(live)
        with self.lock:  # else a value that another thread establishes now might never be due
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
        if len(text) > LONGEST:
            self.dropped += 1
            return None
        how = strength(text)
        texts = [text, *also]
        if how is Strength.NONE and not any(strength(other) is Strength.FULL for other in texts[1:]):
            return None
        live = LiveValue(text, kind, source, self._fingerprint)
        live.short = how is Strength.SHORT
        live.signed = kind is Kind.SESSION
        self.exact[text] = live
        self.needles.enter(live, text)
        for other in texts[1:]:
            self._alias(live, other)
        self._bytes += len(text)
        self.foreign += 1
        self._kept[Rank.PRESENTED][live] = None
        self._shrink(live)
        return live

    def _forget(self, live: LiveValue) -> None:
        for value in live.exact:
            if self.exact.get(value) is live:
                del self.exact[value]
        self.needles.forget(live)
        self._bytes -= len(live.text)
        if live.rank is not Rank.SERVICE:
            self.foreign -= 1
        self.on_forget(live)
        live.wipe()

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
