"""One live credential, raw in memory: how well it is established, and the digests it is known by."""

from __future__ import annotations

import enum
from dataclasses import replace

from rasp.ledger.fingerprints import Fingerprint
from rasp.ledger.strength import FULL_LENGTH
from rasp.model import Credential, Kind


class Rank(enum.IntEnum):
    """How well a value is established; the higher stays longer and is never evicted by a lower one."""

    PRESENTED = 0
    ANSWERED = 1
    VERIFIED = 2
    SERVICE = 3


class LiveValue:
    """A raw credential in memory. Its ``repr`` is its mask."""

    __slots__ = (
        "_credential",
        "_digests",
        "_fingerprint",
        "exact",
        "in_flight",
        "jti",
        "keys",
        "kind",
        "learnt",
        "odd",
        "presented_in_header",
        "rank",
        "short",
        "signed",
        "source",
        "text",
        "until",
    )  # fmt: skip

    def __init__(self, text: str, kind: Kind, source: str, fingerprint: Fingerprint) -> None:
        self.text = text
        self.kind = kind
        self.source = source
        self.exact: list[str] = [text]
        self.keys: tuple[bytes, ...] = ()
        self.odd: tuple[str, ...] = ()
        self.signed = False
        self.short = False
        self.in_flight = 0
        self.rank = Rank.PRESENTED
        self.until = 0.0
        self.jti: str | None = None
        self.learnt: list[str] = []
        self.presented_in_header = False
        self._fingerprint = fingerprint
        self._credential: Credential | None = None
        self._digests: dict[tuple[int, int], tuple[str, ...]] = {}

    @property
    def credential(self) -> Credential:
        """What may leave the process; worked out when first asked for."""
        made = self._credential
        if made is not None and made.kind is not self.kind:
            made = self._credential = replace(made, kind=self.kind)
        if made is None:
            hidden = self.kind is Kind.BASIC or len(self.text) < FULL_LENGTH
            made = Credential(self.kind, self._fingerprint(self.text), self.source, None if hidden else len(self.text))
            self._credential = made
        return made

    def digests(self, length: int) -> tuple[str, ...]:
        """The digests of that many hex digits (md5, sha1, sha256, sha512, blake2b) of all that is this value whole."""
        found = self._digests.get((length, len(self.exact)))
        if found is None:
            raws = [text.encode("utf-8", "surrogateescape") for text in self.exact]
            found = tuple(digest for raw in raws for digest in _digests_of(raw, length))
            self._digests[length, len(self.exact)] = found
        return found

    def settle(self) -> None:
        """Lets go of its digests, most of whose work is done; they are worked out anew should it come to that."""
        if self._digests:
            self._digests = {}

    def wipe(self) -> None:
        """It is live no more: what names it stays, what it is goes."""
        _ = self.credential
        self.text = ""
        self.exact = []
        self.keys = ()
        self.odd = ()

    def __repr__(self) -> str:
        return self.credential.mask


_DIGESTS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
"""Which digest has that many hex digits, beside a BLAKE2b of that size."""
DIGEST_LENGTHS = tuple(sorted(_DIGESTS, reverse=True))


def _digests_of(raw: bytes, length: int) -> tuple[str, ...]:
    if length not in _DIGESTS:
        return ()
    import hashlib  # loads OpenSSL, for which the start of a process has no time

    first = hashlib.new(_DIGESTS[length], raw, usedforsecurity=False).hexdigest()
    return first, hashlib.blake2b(raw, digest_size=length // 2).hexdigest()
