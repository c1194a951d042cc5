"""Which request is current, and which one each thread served last."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from rasp.ledger.live import LiveValues
from rasp.ledger.scopes import IN_URL, PRESENTED, VERIFIED, RequestScope, first_of, identity
from rasp.ledger.value import LiveValue, Rank

_PRESENTED, _ANSWERED, _VERIFIED = Rank.PRESENTED, Rank.ANSWERED, Rank.VERIFIED


@dataclass(slots=True, eq=False)
class Scopes:
    """Which scope is current, and which one each thread served last. One for the process."""

    values: LiveValues
    current: contextvars.ContextVar[RequestScope | None] = field(
        default_factory=lambda: contextvars.ContextVar("rasp.scope", default=None)
    )
    last: dict[int, RequestScope] = field(default_factory=dict)
    crowd: int = 64
    on_end: Callable[[RequestScope], None] = lambda scope: None

    def here(self) -> RequestScope | None:
        """The scope of the running code, if its request is still in flight."""
        scope = self.current.get()
        return scope if scope is not None and not scope.ended else None

    def serving(self) -> RequestScope | None:
        """The scope that this very thread or greenlet is inside a WSGI call of: what a sub-request belongs to."""
        scope = self.current.get()
        if scope is not None and not scope.ended and scope.ident == identity():
            return scope
        return None

    def of_thread(self) -> RequestScope | None:
        """The scope this thread served last, even if it ended: a server's access line belongs to it."""
        return self.last.get(identity())

    def open(self, scope: RequestScope) -> None:
        """A new top-level request begins: the one this thread served before is over."""
        before = self.last.get(scope.ident)
        if before is not None:
            if not before.ended:
                self.end(before)
            if before.touched and before.has("glow"):
                before.glow.clear()
        if len(self.last) > self.crowd:
            self.reap()
        self.last[scope.ident] = scope

    def end(self, scope: RequestScope) -> None:
        """The request is over; what is judged at its end is judged now, once."""
        if not scope.ended:
            self.on_end(scope)

    def end_thread(self) -> None:
        """Ends the request this thread served last, as at the end of a test."""
        scope = self.last.pop(identity(), None)
        if scope is not None:
            self.end(scope)

    def end_all(self) -> None:
        """The process ends, and every request with it."""
        for scope in tuple(self.last.values()):
            self.end(scope)
        self.last.clear()

    def reap(self) -> None:
        """Ends the requests of threads that are gone; the next time only when there are twice as many."""
        for ident, scope in tuple(self.last.items()):
            if scope.ended or not scope.in_flight:
                self.last.pop(ident, None)
                self.end(scope)
        self.crowd = max(64, 2 * len(self.last))

    def release_values(self, scope: RequestScope, own: Collection[LiveValue]) -> None:
        """What an ended request established about its credentials decides how long they stay live."""
        made, status, leave = scope.made, scope.status, self.values.leave
        otherwise = _ANSWERED if status is not None and status < 400 else _PRESENTED
        if made & PRESENTED:
            # Where it was acquired matters for what an access line shows most often.
            urls: Collection[LiveValue] = scope.in_url if made & IN_URL else ()
            glow = scope.glow
            for live in scope.presented:
                glow.append((live, live.exact, first_of(live, scope) if live in urls else None))
        verified: Collection[LiveValue] = scope.verified if made & VERIFIED else ()
        for live in own:
            leave(live, _VERIFIED if live in verified else otherwise)
