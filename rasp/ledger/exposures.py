"""Raw credentials in text, and tokens that are verified, decoded or made."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rasp.ledger.checks import LOOK_UP, CheckBook
from rasp.ledger.desk import Desk
from rasp.ledger.events import Exposed, Issued, Verified
from rasp.ledger.facts import Exposure, Fact, Leak
from rasp.ledger.scopes import Occurrence, RequestScope, first_of
from rasp.ledger.strength import is_jwt, is_recognisable
from rasp.ledger.value import LiveValue, Rank
from rasp.model import Action, Kind

SUSPECTED_BOUND = 1000
_URL_SOURCES = ("query:", "route:")
_LINK_SOURCES = tuple(place + name for place in _URL_SOURCES for name in ("token", "key", "ticket"))

_TIMED = re.compile(r"\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,86}\Z")
"""The time and the signature of itsdangerous at the end of a value."""
FETCHED = "verified:"
"""The source of a token that no caller presented when this process verified it first: it fetched it from elsewhere."""


class ExposureBook:
    """Turns what was found in a text into facts, one for each credential."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def exposed(self, event: Exposed) -> Sequence[Fact]:
        """A text that leaves the app holds live values."""
        scope = event.scope or self._desk.scopes.here()
        facts: list[Fact] = []
        seen: set[LiveValue] = set()
        for hit in event.hits:
            live = hit.live
            if live in seen:
                continue
            seen.add(live)
            tag = LOOK_UP if event.noted and event.sink == "stored" else event.sink
            shown = self._desk.occur(Action.EXPOSE, event.holder, event.slot, event.path, live, scope, tag)
            facts.append(
                Exposure(
                    live=live,
                    trail=(*first_seen(live, scope), shown),
                    scope=scope,
                    place=event.place,
                    replaceable=event.replaceable and self._may_mask(live, event.scope),
                    raisable=event.raisable,
                    sink=event.sink,
                    short=hit.short,
                    lowered=event.lowered,
                    noted=event.noted or (event.sink == "access_log" and is_link(live)),
                    in_url=scope is not None and scope.has("in_url") and live in scope.in_url,
                )
            )
        return facts

    def _may_mask(self, live: LiveValue, owner: RequestScope | None) -> bool:
        """Text of other requests is masked only for established values: no caller chooses what rasp masks.

        ``owner`` is the request that a text belongs to which is written when it is over: an access line, a transaction.
        """
        scope = self._desk.scopes.here()
        if live.rank >= Rank.VERIFIED or (scope is not None and scope.knows(live)):
            return True
        if owner is None or not owner.touched:
            return False
        return owner.knows(live) or (owner.has("glow") and any(known is live for known, _, _ in owner.glow))


def is_link(live: LiveValue) -> bool:
    """Whether a value is a link that the app has signed for a while, to confirm an address or to reset a password.

    Such a link is sent by mail to be opened once: every server's access log has it. One without a time is no such link.
    """
    return (
        live.source.lower() in _LINK_SOURCES and not is_recognisable(live.text) and _TIMED.search(live.text) is not None
    )


def first_seen(live: LiveValue, scope: RequestScope | None) -> tuple[Occurrence, ...]:
    """Where this request acquired a credential: its first event of it that is not an exposure."""
    if scope is not None:
        first = first_of(live, scope)
        if first is not None:
            return (first,)
        if scope.ended and scope.has("glow"):
            return tuple(first for known, _, first in scope.glow if known is live and first is not None)
    return ()


class VerificationBook:
    """What verifiers said, per request."""

    def __init__(self, desk: Desk, checks: CheckBook) -> None:
        self._desk = desk
        self.suspected: dict[RequestScope, tuple[LiveValue, Occurrence]] = {}
        self._checks = checks

    def verified(self, event: Verified) -> Sequence[Fact]:
        """A verifier saw a token: it is established, attempted, or only decoded."""
        scope = self._desk.scopes.here()
        live = self._known(event, scope)
        if live is None:
            return ()
        action = Action.VERIFY if event.attempted else Action.USE
        seen = self._desk.occur(action, event.holder, None, event.path, live, scope)
        if scope is not None and event.attempted:
            scope.attempted.add(live)
        if not event.success:
            if scope is not None and not event.attempted and live in scope.presented:
                scope.unverified.setdefault(live, seen)
            return ()
        if event.jti is not None and event.jti != live.jti:
            self._desk.slots.learn_jti(event.jti, live)
        if scope is not None and not scope.knows(live) and self._is_anothers(scope, live):
            if not (scope.has("presented") and scope.presented):
                self._suspect(scope, live, seen)
                return ()
            own = scope.verified & scope.presented.keys()
            if not own:
                return (Leak(live=live, trail=(seen,), scope=scope, how="verified"),)
        first = live.rank < Rank.VERIFIED
        self._desk.establish(scope, live)
        lasting = self._checks.long_lived(live, scope, seen) if first and scope is not None else None
        return () if lasting is None else (lasting,)

    def _is_anothers(self, scope: RequestScope, live: LiveValue) -> bool:
        return not self._desk.belongs(scope, live) and not live.source.startswith(FETCHED)

    def _suspect(self, scope: RequestScope, live: LiveValue, seen: Occurrence) -> None:
        """A request that presented nothing verified somebody's token: its end tells whether it is a login."""
        if len(self.suspected) < SUSPECTED_BOUND:
            self.suspected.setdefault(scope, (live, seen))

    def ending(self, scope: RequestScope) -> Sequence[Fact]:
        """A request that gives out a token is a login: it may look at the one that the same user had before."""
        live, seen = self.suspected.pop(scope, (None, None))
        if live is None or seen is None or any(issued.kind is not Kind.SESSION for issued in scope.issued):
            return ()
        return (Leak(live=live, trail=(seen,), scope=scope, how="verified", raisable=False),)

    def _known(self, event: Verified, scope: RequestScope | None) -> LiveValue | None:
        live = self._desk.values.get(event.token)
        if live is not None:
            return live
        if scope is None:
            return None
        candidate = scope.candidates.get(event.token)
        if candidate is not None:
            return self._desk.promote(scope, candidate) if event.success else None
        if not event.success:
            return None
        kind = Kind.JWT if is_jwt(event.token) else Kind.CUSTOM
        return self._desk.adopt(scope, event.token, kind, f"verified:{event.holder}", issued=False)

    def issued(self, event: Issued) -> Sequence[Fact]:
        """A token the app made, or named in its response: it is live, and this response may hold it."""
        scope = self._desk.scopes.here()
        if scope is None and event.holder == "response":
            scope = self._desk.scopes.current.get()  # its body is read when the request has ended, before it is judged
        kind = event.kind or (Kind.JWT if is_jwt(event.token) else Kind.CUSTOM)
        if scope is None:
            return ()
        live = self._desk.adopt(scope, event.token, kind, event.source, issued=True)
        if live is not None:
            scope.issued.setdefault(live)
            made = self._desk.occur(Action.ACQUIRE, event.holder, None, event.path, live, scope)
            lasting = self._checks.long_lived(live, scope, made)
            return () if lasting is None else (lasting,)
        return ()
