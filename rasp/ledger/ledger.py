"""The ledger: which credentials are live, who holds what, in which request.

It takes events and answers with facts; it judges nothing and writes no text.
"""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from rasp.config import Config
from rasp.ledger import events as ev
from rasp.ledger.cache_book import CacheBook
from rasp.ledger.checks import READ_TO_BE_SEEN, CheckBook
from rasp.ledger.consistency import ConsistencyBook
from rasp.ledger.desk import Desk
from rasp.ledger.exposures import ExposureBook, VerificationBook, first_seen
from rasp.ledger.facts import Fact, Replay, Reuse, Unverified, Weak
from rasp.ledger.fingerprints import Fingerprint
from rasp.ledger.g_book import GBook
from rasp.ledger.hold_book import HoldBook
from rasp.ledger.links import Links
from rasp.ledger.live import LiveValues
from rasp.ledger.native_book import NativeBook
from rasp.ledger.places import Places
from rasp.ledger.scope_table import Scopes
from rasp.ledger.scopes import (
    EXCLUDED,
    JUDGED_AT_END,
    OWN,
    PRESENTED,
    SLOTS,
    VALUES_PER_REQUEST,
    Candidate,
    RequestScope,
)
from rasp.ledger.sending import SendingBook
from rasp.ledger.slots import SlotNames
from rasp.ledger.strength import FULL_LENGTH, Strength, is_jwt, is_placeholder, is_recognisable, strength
from rasp.ledger.value import LiveValue, Rank
from rasp.model import Action, Kind

_SINGLE_USE = Kind.SINGLE_USE
REDEEMED_BOUND = 10_000
ENVIRONMENT = (
    "SECRET_KEY", "API_KEY", "*_API_KEY", "*_TOKEN", "*_SECRET", "*_SECRET_KEY", "*_ACCESS_KEY", "*_PASSWORD", "*_PASS",
)  # fmt: skip


class Ledger:
    """All books of one process. Thread-safe; no lock is held across a call into the app.

    Attributes:
        books: what enters an event of each type, and answers with what can be judged about it.
        cache: the book of cache slots.
        native: the book of native handles, whose release is entered before and rolled back after its call.
        checks: what requests did with the credentials they were presented.
    """

    def __init__(self, config: Config, fingerprint: Fingerprint, clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self.values = LiveValues(fingerprint, clock, config.live_values, config.grace)
        self.scopes = Scopes(self.values)
        self.places = Places(config.root, config.app_packages)
        self.desk = Desk(self.values, SlotNames(self.values), self.scopes, self.places)
        self.native = NativeBook(self.desk, config.quarantine)
        self._g = GBook(self.desk)
        self.cache = CacheBook(self.desk)
        self._holds = HoldBook(self.desk)
        self._consistency = ConsistencyBook()
        self._exposures = ExposureBook(self.desk)
        self.checks = CheckBook(config)
        self._verification = VerificationBook(self.desk, self.checks)
        self._sending = SendingBook(self.desk, config)
        self._redeemed: dict[str, None] = {}
        self._presenting: dict[LiveValue, list[RequestScope]] = {}
        native = self.native
        self._awaited = (  # any of which may have to do with a request that ends; mostly all are empty
            self._presenting, native.queue, native.leaks.places, native.leaks.opened, native.buffers.known,
            self._verification.suspected, self.checks.reads,
        )  # fmt: skip
        self.books: dict[type, Callable[[Any], Sequence[Fact]]] = {
            ev.GStored: self._g.stored,
            ev.GRemoved: self._g.removed,
            ev.GFound: self._g.found,
            ev.CacheStored: self.cache.stored,
            ev.CacheRead: self.cache.read,
            ev.CacheRemoved: self.cache.removed,
            ev.CacheCleared: self.cache.cleared,
            ev.Held: self._holds.held,
            ev.HoldUsed: self._holds.used,
            ev.HoldReleased: self._holds.released,
            ev.Exposed: self._exposures.exposed,
            ev.Sent: self._sending.sent,
            ev.Verified: self._verification.verified,
            ev.Issued: self._verification.issued,
            ev.NativeUsed: self.native.used,
        }

    @property
    def links(self) -> Links:
        """Which credentials belong together."""
        return self.desk.links

    def apply(self, event: object) -> Sequence[Fact]:
        """Enters an event; what can be judged about it comes back."""
        return self.books[type(event)](event)

    # Credentials

    def present(
        self,
        scope: RequestScope,
        text: str,
        kind: Kind,
        source: str,
        also: Iterable[str] = (),
        *,
        weak: bool = False,
    ) -> None:
        """The caller of a request presented a value.

        Args:
            scope: the request.
            text: the value, without scheme word.
            kind: what it is used as.
            source: such as ``header:authorization``.
            also: further texts that are this value whole.
            weak: whether it counts only if its shape or a verifier says so.
        """
        if scope.ended or scope.unsampled:
            return  # nobody would let go of it
        if not text or text.startswith(self.config.public_prefixes):
            return
        if scope.made & EXCLUDED and text in scope.excluded:
            return
        known = self.values.get(text)
        if weak and known is None and not is_recognisable(text):
            if strength(text) is Strength.FULL and len(scope.candidates) < VALUES_PER_REQUEST:
                scope.candidates[text] = Candidate(text, kind.value, source)
            return
        if scope.made & PRESENTED:
            if known is not None and known in scope.presented:
                self._stood_in_url(scope, known, source)
                return
            if len(scope.presented) >= VALUES_PER_REQUEST:
                scope.dropped += 1
                return
        if known is None and kind in (Kind.BEARER, Kind.CUSTOM) and is_jwt(text):
            kind = Kind.JWT
        if known is None and not weak:
            placeholder = is_placeholder(text)
            if (placeholder or len(text) < FULL_LENGTH) and len(scope.weak) < VALUES_PER_REQUEST:
                scope.weak.append((source, placeholder))
        live = self.values.enter(text, kind, source, also)
        if live is not None:
            self._presented(scope, live, source)

    def present_known(self, scope: RequestScope, text: str, source: str) -> bool:
        """The quick way for a header whose whole text is known to be a live value; whether it was gone."""
        live = self.values.get(text)
        if live is None or live.source != source or live.kind is _SINGLE_USE or live.short or scope.touched:
            return False
        with self.values.lock:
            if not live.text:
                return False  # forgotten just now: it enters anew
            live.in_flight += 1
        scope.arm(live, source)
        if scope.recorded:
            self.desk.occur(Action.ACQUIRE, "request", source, (), live, scope)
        return True

    def _presented(self, scope: RequestScope, live: LiveValue, source: str) -> None:
        if not scope.touched:
            scope.arm(live, source)
        elif live in scope.presented:
            self.values.unhold(live)
            return
        else:
            scope.presented[live] = source
        if source.startswith(("header:", "cookie:")):
            live.presented_in_header = True
        self._stood_in_url(scope, live, source)
        if source.startswith(READ_TO_BE_SEEN):
            self.checks.read(scope, live)
        if scope.recorded:
            self.desk.occur(Action.ACQUIRE, "request", source, (), live, scope)
        if live.kind is Kind.SINGLE_USE:
            others = self._presenting.setdefault(live, [])
            scope.overlaps += [(live, other) for other in others if other.in_flight]
            others.append(scope)

    def _stood_in_url(self, scope: RequestScope, live: LiveValue, source: str) -> None:
        if source.startswith(("query:", "route:")):
            scope.in_url.add(live)

    def pass_over(self, scope: RequestScope) -> None:
        """A request that is not followed: nothing of it is live, and only native calls are judged."""
        scope.unsampled = True
        if scope.has("presented"):
            for live in tuple(scope.presented):
                self.values.leave(live, Rank.PRESENTED)
            scope.dropped += len(scope.presented)
            scope.presented.clear()
        if scope.has("candidates"):
            scope.candidates.clear()

    def withdraw(self, scope: RequestScope, text: str) -> None:
        """A value turned out to be no credential: it protects against request forgery."""
        scope.excluded.add(text)
        live = self.values.get(text)
        if live is not None and live in scope.presented:
            del scope.presented[live]
            self.values.leave(live, Rank.PRESENTED)

    def own(self, text: object, source: str) -> None:
        """A secret of the app itself: it stays live, and keeps its kind however it is presented."""
        if isinstance(text, bytes):
            text = text.decode("utf-8", "surrogateescape")
        if not isinstance(text, str) or text.startswith(self.config.public_prefixes):
            return
        known = self.values.get(text)
        if known is not None and known.rank is Rank.SERVICE:
            return
        live = self.values.enter(text, Kind.SERVICE, source)
        if live is not None:
            self.values.unhold(live)
            self.values.raise_rank(live, Rank.SERVICE)

    def own_environment(self, environ: Mapping[str, str]) -> None:
        """The service secrets of the process environment, by the names of their variables."""
        added = [pattern for pattern in self.config.environment if not pattern.startswith("-")]
        cut = {pattern[1:] for pattern in self.config.environment if pattern.startswith("-")}
        declared = [source.name for source in self.config.credential if source.place == "env"]
        patterns = [pattern for pattern in (*ENVIRONMENT, *added) if pattern not in cut] + declared
        for name, value in environ.items():
            if name.startswith(("RASP_", "_RASP_")):
                continue
            if any(fnmatch.fnmatchcase(name.upper(), pattern.upper()) for pattern in patterns):
                self.own(value, f"env:{name}")

    def track(self, text: str, kind: Kind) -> LiveValue | None:
        """Follows a value that rasp could not see: in its request, or for the process where there is none."""
        scope = self.scopes.here()
        if scope is not None and kind is not Kind.SERVICE:
            live = self.desk.adopt(scope, text, kind, "track", issued=True)
            if live is not None and live.kind is not Kind.SERVICE:
                live.kind = kind
            return live
        live = self.values.enter(text, kind, "track")
        if live is not None:
            self.values.unhold(live)
            self.values.raise_rank(live, Rank.SERVICE)
        return live

    # The end of a request

    def ending(self, scope: RequestScope) -> Sequence[Fact]:
        """What can be judged only now that the request is over."""
        made = scope.made
        if not (made & JUDGED_AT_END or any(self._awaited)) and not (
            made & SLOTS and scope.slots and self._consistency.concerns(scope)
        ):
            return ()
        facts: list[Fact] = []
        if scope.has("overlaps"):
            facts += self._overlaps(scope)
        if self._presenting:
            facts += self._replays(scope)
        if scope.has("unverified"):
            facts += self._unverified(scope)
        facts += self._verification.ending(scope)
        facts += self.checks.unchecked(scope)
        if scope.has("holds"):
            facts += self._holds.left(scope)
        if scope.has("weak"):
            facts += [
                Weak(live=None, trail=(), scope=scope, raisable=False, label=source, placeholder=placeholder)
                for source, placeholder in scope.weak
            ]
        stored = made & SLOTS and scope.slots and self._consistency.concerns(scope)
        if stored or self.native.leaks.opened or scope.has("holds"):
            facts += self._consistency.ended(scope, self.native.of_request(scope))
        facts += self.native.ending(scope)
        return facts

    def _overlaps(self, scope: RequestScope) -> Iterable[Fact]:
        for live, other in scope.overlaps:
            trail = (*first_seen(live, other), *first_seen(live, scope))
            yield Reuse(live=live, trail=trail, scope=scope, how="single_use", raisable=False)

    def _replays(self, scope: RequestScope) -> Iterable[Fact]:
        if scope.status is None or scope.status >= 400 or scope.mark.method not in self.config.replay_methods:
            return
        for live in scope.presented:
            if live.kind is not Kind.SINGLE_USE:
                continue
            fingerprint = live.credential.fingerprint
            if fingerprint in self._redeemed:
                yield Replay(live=live, trail=first_seen(live, scope), scope=scope, raisable=False)
            self._redeemed[fingerprint] = None
            if len(self._redeemed) > REDEEMED_BOUND:
                self._redeemed.pop(next(iter(self._redeemed)))

    def _unverified(self, scope: RequestScope) -> Iterable[Fact]:
        if self.config.verified_upstream or scope.status is None or scope.status >= 400:
            return
        for live, seen in scope.unverified.items():
            if live in scope.attempted or live in scope.verified or live.rank >= Rank.VERIFIED:
                continue
            yield Unverified(live=live, trail=(*first_seen(live, scope), seen), scope=scope, raisable=False)

    def close(self, scope: RequestScope) -> None:
        """Settles an ended and judged request: links, live values, owners."""
        if scope.made & SLOTS and scope.slots:
            self.cache.leave(scope)
        if self._presenting:
            self._present_no_more(scope)
        own: Collection[LiveValue] = scope.presented if scope.made & OWN == PRESENTED else scope.own()
        if len(own) > 1 and scope.status is not None and scope.status < 400:
            self.links.join(own)
        self.scopes.release_values(scope, own)

    def _present_no_more(self, scope: RequestScope) -> None:
        for live in scope.presented:
            others = self._presenting.get(live)
            if others is not None:
                others[:] = [other for other in others if other is not scope]
                if not others:
                    del self._presenting[live]

    def exiting(self) -> Sequence[Fact]:
        """What is still held when the process ends."""
        return self._holds.left_at_exit()

    def clear(self) -> None:
        """Between tests: service values and native handles stay, all else goes."""
        self.scopes.end_thread()
        self.values.clear()
        self.cache.clear()
        self._holds.clear()
        self._consistency.clear()
        self.desk.slots.clear()
        self.links.clear()
        self._redeemed.clear()
        self.checks.clear()

    @property
    def dropped(self) -> int:
        """Events and values that some bound has cut, so far."""
        return (
            self.values.dropped
            + self.values.needles.dropped
            + self.cache.dropped
            + self._holds.dropped
            + self.native.dropped
            + self._consistency.dropped
        )

    def after_fork(self) -> None:
        """In the child: locks held by threads that are gone are made anew."""
        self.values.renew_lock()
        self.places.trees.after_fork()
        self.native.after_fork()
        self._consistency.after_fork()
        self.scopes.last.clear()
