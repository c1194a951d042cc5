"""What all books of the ledger share: the live values, the scopes, and how an event is written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import current_thread, get_ident
from time import perf_counter

from rasp.allowance import ALLOWED
from rasp.ledger.links import Links
from rasp.ledger.live import LiveValues
from rasp.ledger.places import CallPath, Places
from rasp.ledger.scope_table import Scopes
from rasp.ledger.scopes import EVENTS_PER_REQUEST, VALUES_PER_REQUEST, Candidate, Occurrence, RequestMark, RequestScope
from rasp.ledger.slots import SlotMatch, SlotNames
from rasp.ledger.value import LiveValue, Rank
from rasp.model import Action, Kind

_VERIFIED = Rank.VERIFIED
_new = tuple.__new__


@dataclass(slots=True, eq=False)
class Desk:
    """Shared by the books.

    Attributes:
        span: tells the ids of the span that is recording now, once there can be any.
        recording: whether somebody wants the records of requests.
    """

    values: LiveValues
    slots: SlotNames
    scopes: Scopes
    places: Places
    links: Links = field(default_factory=Links)
    span: Callable[[], tuple[str, str] | None] | None = None

    recording: bool = False

    def occur(
        self,
        action: Action,
        holder: str,
        slot: str | SlotMatch | None,
        path: CallPath,
        live: LiveValue | None,
        scope: RequestScope | None,
        tag: object = None,
    ) -> Occurrence:
        """Writes an event down, in its request's record too."""
        occurrence = self.made(action, holder, slot, path, live, scope, tag)
        if scope is not None:
            events = scope.events
            if len(events) < EVENTS_PER_REQUEST:
                events.append(occurrence)
            else:
                scope.dropped += 1
        return occurrence

    def made(
        self,
        action: Action,
        holder: str,
        slot: str | SlotMatch | None,
        path: CallPath,
        live: LiveValue | None,
        scope: RequestScope | None,
        tag: object = None,
    ) -> Occurrence:
        """An event that is kept elsewhere, and belongs into no record."""
        mark: RequestMark | None
        if scope is not None and scope.thread_ident == get_ident():
            mark, thread = scope.mark, scope.thread_object
        else:
            mark, thread = None if scope is None else scope.mark, current_thread()
        span = self.span
        return _new(
            Occurrence,
            (
                action,
                holder,
                slot,
                path,
                mark,
                thread,
                perf_counter(),
                live,
                None if span is None else span(),
                tag,
                ALLOWED.get(),
            ),
        )

    def adopt(self, scope: RequestScope, text: str, kind: Kind, source: str, *, issued: bool) -> LiveValue | None:
        """A credential that the caller did not present belongs to this request from now on."""
        live = self.values.get(text)
        if live is not None and scope.knows(live):
            if issued:
                scope.issued.setdefault(live)
            return live
        if scope.unsampled:
            return live
        if len(scope.presented) + len(scope.issued) + len(scope.known) >= VALUES_PER_REQUEST:
            scope.dropped += 1
            return live
        live = self.values.enter(text, kind, source)
        if live is not None:
            (scope.issued if issued else scope.known)[live] = None
        return live

    def promote(self, scope: RequestScope, candidate: Candidate) -> LiveValue | None:
        """A weakly sourced value was verified or looked up with a hit: it counts, as presented."""
        scope.candidates.pop(candidate.text, None)
        live = self.values.enter(candidate.text, Kind(candidate.kind_word), candidate.source)
        if live is not None:
            if live in scope.presented or live in scope.issued or live in scope.known:
                self.values.unhold(live)
            scope.presented[live] = candidate.source
            if candidate.source.startswith(("query:", "route:")):
                scope.in_url.add(live)
        return live

    def establish(self, scope: RequestScope | None, live: LiveValue) -> None:
        """A credential was verified, or looked up with a hit."""
        if scope is not None:
            scope.verified.add(live)
        if live.rank < _VERIFIED:
            self.values.raise_rank(live, _VERIFIED)

    def belongs(self, scope: RequestScope, live: LiveValue) -> bool:
        """Whether a credential may be used in a request: the app's own, the caller's, or one linked to it."""
        return not live.presented_in_header or self.owns(scope, live)

    def owns(self, scope: RequestScope, live: LiveValue) -> bool:
        """Whether a credential is the app's own, this caller's, or one linked to it."""
        if live.kind is Kind.SERVICE or scope.knows(live):
            return True
        if (scope.has("candidates") and live.text in scope.candidates) or self.links.linked(live, scope.own()):
            return True
        return _stands_in_request(scope, live.text)


def _stands_in_request(scope: RequestScope, text: str) -> bool:
    """Whether the caller sent a value in some place that is not followed; looked at only before a leak is reported."""
    environ = scope.environ
    if environ is not None:
        for name, value in environ.items():
            if isinstance(value, str) and text in value and (name.startswith("HTTP_") or name in _CALLER):
                return True
    recorded = getattr(scope.body, "recorded", None)
    return recorded is not None and text.encode("utf-8", "surrogateescape") in recorded()


_CALLER = frozenset({"QUERY_STRING", "PATH_INFO", "REQUEST_URI", "RAW_URI"})
