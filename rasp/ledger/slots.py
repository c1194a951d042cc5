"""Which credential a cache slot belongs to, read off its name: the value, a digest of it, or a verified ``jti``."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from rasp.ledger.live import LiveValues
from rasp.ledger.masking import mask_runs
from rasp.ledger.value import DIGEST_LENGTHS, LiveValue
from rasp.model import Kind

JTI_LENGTH = 16
BOUND = 10_000
NAMES_PER_VALUE = 32
_HEX = re.compile(r"[0-9a-fA-F]{32,}")


class Owner(Protocol):
    """What has credentials of its own: a request scope."""

    def own(self) -> Collection[LiveValue]:
        """Its credentials."""


@dataclass(slots=True, repr=False, eq=False)
class SlotMatch:
    """A slot's credential and by what the name shows it: ``value``, ``digest`` or ``jti``.

    ``name`` holds no raw value: it is the masked name of a slot under one, else the name as it is, in which ``part`` is
    masked when it is shown.
    """

    live: LiveValue
    by: str
    name: str
    part: str = ""
    short: bool = False

    @property
    def shown(self) -> str:
        """The name as it may be shown."""
        name = self.name.replace(self.part, self.live.credential.mask, 1) if self.part else self.name
        return mask_runs(name)


class SlotNames:
    """Reads slot names. Digests are worked out when a name holds hex digits of their length, once a value.

    Attributes:
        known: what a name was found to show before, without a look at it.
    """

    def __init__(self, values: LiveValues) -> None:
        self._values = values
        self._jtis: OrderedDict[str, LiveValue] = OrderedDict()
        self._heads: dict[str, str | dict[str, None]] = {}
        self._digests: OrderedDict[str, SlotMatch] = OrderedDict()
        self.known: Callable[[str], SlotMatch | None] = self._digests.get
        values.on_forget = self.forget

    def learn_jti(self, jti: str, live: LiveValue) -> None:
        """A JWT with this ``jti`` verified in this process."""
        if len(jti) >= JTI_LENGTH:
            live.jti = jti
            if len(self._jtis) >= BOUND:
                self._drop_jti(self._jtis.popitem(last=False)[0])
            self._jtis[jti] = live
            head = jti[:JTI_LENGTH]
            same = self._heads.get(head)
            if same is None:
                self._heads[head] = jti  # most begin like no other: no dict for each
            elif isinstance(same, dict):
                same[jti] = None
            elif same != jti:
                self._heads[head] = {same: None, jti: None}

    def _drop_jti(self, jti: str) -> None:
        # Another thread may be at the same.
        self._jtis.pop(jti, None)
        same = self._heads.get(jti[:JTI_LENGTH])
        if isinstance(same, dict):
            same.pop(jti, None)
        if same == jti or not same:
            self._heads.pop(jti[:JTI_LENGTH], None)

    def learn_digest(self, digest: str, live: LiveValue) -> None:
        """A text that names a value: a run of hex digits seen with it, or what ``rasp.fingerprint`` gave out."""
        live.learnt.append(digest)
        self._digests[digest] = SlotMatch(live, "digest", digest, digest)
        while len(self._digests) > BOUND:
            self._digests.popitem(last=False)

    def match(self, name: str, near: Owner | None) -> SlotMatch | None:
        """The credential of a slot, ``None`` if the name shows none.

        Args:
            name: the slot's name, raw.
            near: the request, of whose own credentials digests are looked for.
        """
        known = self.known(name)
        if known is not None:
            return known
        if len(name) in DIGEST_LENGTHS:  # mostly nothing but a digest, which is quicker to see
            match = self._by_digest(name, near)
            if match is not None:
                return match
        hits = self._values.find(name)
        if hits:
            hit = hits[0]
            shown = name[: hit.start] + hit.live.credential.mask + name[hit.end :]
            return SlotMatch(hit.live, "value", mask_runs(shown), short=hit.short)
        if len(name) < JTI_LENGTH:
            return None
        return self._by_digest(name, near) or self._by_jti(name)

    def candidate_digest(self, name: str, texts: Iterable[str]) -> str | None:
        """Which of some weakly sourced values a name holds the digest of."""
        runs = [run.lower() for run in _HEX.findall(name)]
        if not runs:
            return None
        for text in texts:
            probe = LiveValue(text, Kind.CUSTOM, "", str)
            if any(digest in run for run in runs for size in DIGEST_LENGTHS for digest in probe.digests(size)):
                return text
        return None

    def _by_digest(self, name: str, near: Owner | None) -> SlotMatch | None:
        if len(name) < DIGEST_LENGTHS[-1] or _HEX.search(name) is None:
            return None
        own = () if near is None else near.own()
        for run in _HEX.findall(name):
            lowered = run.lower()
            known = self._digests.get(lowered)
            if known is not None:
                return self._remember(SlotMatch(known.live, "digest", name, run))
            for live in own:
                for size in DIGEST_LENGTHS:
                    if size > len(run):
                        continue
                    for digest in live.digests(size):
                        if digest in lowered:
                            self.learn_digest(lowered, live)
                            return self._remember(SlotMatch(live, "digest", name, run))
        return None

    def _remember(self, match: SlotMatch) -> SlotMatch:
        """The whole name shows it at once the next time."""
        match.live.settle()
        if len(match.live.learnt) < NAMES_PER_VALUE and match.name not in self._digests:
            match.live.learnt.append(match.name)
            self._digests[match.name] = match
        return match

    def _by_jti(self, name: str) -> SlotMatch | None:
        if not self._jtis:
            return None
        whole = self._jtis.get(name)
        if whole is not None:
            return SlotMatch(whole, "jti", name, name)
        for at in range(len(name) - JTI_LENGTH + 1):
            if at and name[at - 1].isalnum():
                continue
            same = self._heads.get(name[at : at + JTI_LENGTH], ())
            for jti in (same,) if isinstance(same, str) else tuple(same):
                end = at + len(jti)
                if name.startswith(jti, at) and not name[end : end + 1].isalnum():
                    live = self._jtis.get(jti)
                    if live is not None:
                        return SlotMatch(live, "jti", name, jti)
        return None

    def forget(self, live: LiveValue) -> None:
        """A value is live no more: its names are forgotten with it."""
        if live.jti is not None and self._jtis.get(live.jti) is live:
            self._drop_jti(live.jti)
        for digest in live.learnt:
            known = self.known(digest)
            if known is not None and known.live is live:
                self._digests.pop(digest, None)

    def clear(self) -> None:
        """Forgets what it learnt."""
        self._jtis.clear()
        self._heads.clear()
        self._digests.clear()
