"""What a request did with the credentials it was presented: read, checked, or neither; and how long its JWTs last.

"Read" is what an instrument saw the app take out of the request, or any other thing that was done with the value than
showing it. "Checked" is a verifier, a look-up with a hit, a native or cryptographic function, or another server that
was asked. What is told once for a view and a place is not told again: these facts come up at every request or never.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

from rasp.config import Config
from rasp.ledger.facts import LongLived, Unvalidated
from rasp.ledger.scopes import Occurrence, RequestScope, first_of
from rasp.ledger.strength import jwt_header
from rasp.ledger.value import LiveValue, Rank
from rasp.model import Action, Kind

LOOK_UP = "look-up"
"""The tag of an exposure that only looks a value up."""
BOUND = 1_000
_SHOWING = ("log", "access_log", "telemetry", "report", "redirect", "response", "argv", "stored")
"""Sinks that show a value and check nothing."""
READ_TO_BE_SEEN = ("json:", "route:")
"""Places whose values are known only once the app has read them, or is called with them."""
_TYPES = ("", "jwt", "at+jwt", "application/jwt", "application/at+jwt")
"""``typ`` of tokens that stand for a caller; proofs and events (RFC 9449, 8417) have no expiry by design."""


class CheckBook:
    """Per request: which presented credentials were read. Per process: what was told already.

    Attributes:
        reads: what requests in flight have read of what this process has not verified.
    """

    def __init__(self, config: Config, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._clock = clock
        self.reads: dict[RequestScope, set[LiveValue]] = {}
        self._told: dict[tuple[object, str, str], None] = {}

    def read(self, scope: RequestScope, live: LiveValue) -> None:
        """The app took a presented credential out of its request."""
        if live.rank < Rank.VERIFIED and live in scope.presented and not scope.ended:
            if len(self.reads) > BOUND:
                self.reads.clear()
            self.reads.setdefault(scope, set()).add(live)

    def unchecked(self, scope: RequestScope) -> Iterator[Unvalidated]:
        """The request is over: what it read, answered with success, and nobody checked."""
        reads = self.reads.pop(scope, None) or ()
        if self._config.verified_upstream or scope.status is None or not 200 <= scope.status < 300:
            return
        for live in scope.presented:
            if live.kind is Kind.SERVICE or live.rank >= Rank.VERIFIED or _judged_elsewhere(scope, live):
                continue
            acquired = first_of(live, scope) if live in reads and not _was_checked(scope, live) else None
            if acquired is not None and _is_data(scope, str(acquired.slot)):
                continue
            if acquired is not None and self._first_time(scope, "unchecked", str(acquired.slot)):
                yield Unvalidated(live=live, trail=(acquired,), scope=scope, raisable=False)

    def long_lived(self, live: LiveValue, scope: RequestScope, seen: Occurrence) -> LongLived | None:
        """A JWT was made, or verified for the first time: whether it is valid for longer than it should be."""
        if live.kind is Kind.SERVICE or not live.text.startswith("ey"):
            return None
        claims = _claims(live.text)
        if claims is None:
            return None
        unlimited = claims.get("exp") is None
        if not unlimited:
            ends, begins = _number(claims["exp"]), _number(claims.get("iat"))
            if ends is None or ends - (self._clock() if begins is None else begins) <= self._config.token_lifetime:
                return None
        if not self._first_time(scope, "unlimited" if unlimited else "long", f"{seen.action} {seen.holder}"):
            return None
        return LongLived(live=live, trail=(seen,), scope=scope, raisable=False, unlimited=unlimited)

    def _first_time(self, scope: RequestScope, what: str, place: str) -> bool:
        key = (scope.mark.callable, what, place)
        if key in self._told:
            return False
        if len(self._told) >= BOUND:
            self._told.clear()
        self._told[key] = None
        return True

    def clear(self) -> None:
        """Between tests."""
        self.reads.clear()
        self._told.clear()


def _judged_elsewhere(scope: RequestScope, live: LiveValue) -> bool:
    """Whether somebody verified it, tried to, or trusted it unchecked, which is another rule's."""
    return any(scope.has(name) and live in getattr(scope, name) for name in ("verified", "attempted", "unverified"))


def _is_data(scope: RequestScope, source: str) -> bool:
    """Whether a field of a body is what a caller wants kept, such as a key for another service, and not who he is."""
    return source.startswith(("form:", "json:")) and scope.has("verified") and bool(scope.verified)


def _was_checked(scope: RequestScope, live: LiveValue) -> bool:
    """Whether anything was done with a credential that may be a check of it."""
    for seen in scope.events:
        if seen.live is live and seen.holder != "request":
            if seen.action is Action.EXPOSE:
                if seen.tag not in _SHOWING:
                    return True
            elif seen.action in (Action.VERIFY, Action.USE):
                return True
    return False


def _claims(token: str) -> dict[str, Any] | None:
    """The claims of a JWT that stands for a caller."""
    header = jwt_header(token)
    if header is None or str(header.get("typ") or "").lower() not in _TYPES:
        return None
    payload = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
