"""Request scopes: what belongs to one WSGI request, and until when it is in flight (DESIGN 3.2)."""

from __future__ import annotations

import contextvars
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rasp.ledger.forms import Form
from rasp.ledger.live import LiveValues
from rasp.ledger.places import CallPath
from rasp.ledger.slots import SlotMatch
from rasp.ledger.value import LiveValue, Rank
from rasp.model import Action

if TYPE_CHECKING:
    from rasp.errors import RaspViolation
    from rasp.ledger.hold_book import Hold
    from rasp.model import Finding

VALUES_PER_REQUEST = 16
EVENTS_PER_REQUEST = 512
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})


class RequestMark:
    """What later events remember of a request: enough to name it, too little to keep it alive.

    ``callable`` is the app's view, hook or WSGI callable: where an event without an app frame is located.
    """

    __slots__ = ("_id", "callable", "method", "started")

    def __init__(self, method: str) -> None:
        self._id = ""
        self.started = time.perf_counter()
        self.method = method
        self.callable: object = None

    @property
    def id(self) -> str:
        """16 hex digits, drawn when first asked for: most requests are never named."""
        if not self._id:
            self._id = os.urandom(8).hex()
        return self._id


@dataclass(slots=True, repr=False, eq=False)
class Occurrence:
    """One event as the ledger keeps it: nothing rendered yet.

    ``tag`` tells holders of one name apart.
    """

    action: Action
    holder: str
    slot: str | SlotMatch | None
    path: CallPath
    request: RequestMark | None
    thread: str
    at: float
    live: LiveValue | None
    span: tuple[str, str] | None = None
    tag: object = None


@dataclass(slots=True, repr=False, eq=False)
class Candidate:
    """A value under a weak name: it counts only once it was verified or looked up with a hit."""

    text: str
    kind_word: str
    source: str


class RequestScope:
    """Everything that happens for one WSGI request, its body included.

    Attributes:
        presented: what the caller presented, in order; a dict for its speed.
        issued: what the app made or named in this request.
        known: further credentials seen here that the caller did not present.
        lost: cache slots that this request stored and another one released, by slot id.
        glow: after its end, what the server's access line of this request may still hold.
        scan: the response body so far, where it is text; ``None`` where it is not looked at.
        weak: (source, reason) of presented values that are too weak to follow.
        violations: what ``strict`` could not raise, or the app swallowed, until the request ends.
    """

    __slots__ = (
        "__weakref__", "app", "attempted", "body", "candidates", "cleanup", "dropped", "ended", "environ", "events",
        "excluded", "findings", "glow", "greenlet", "holds", "ident", "issued", "known", "lost", "mark", "overlaps", "parent_span", "presented",
        "returned", "route", "scan", "slots", "status", "thread", "thread_ref", "traceparent", "unverified",
        "verified", "violations", "weak",
    )  # fmt: skip

    def __init__(self, method: str, environ: dict[str, Any] | None) -> None:
        self.mark = RequestMark(method if method in METHODS else "OTHER")
        self.environ = environ
        self.route: str | None = None
        self.status: int | None = None
        self.app: object = None
        self.ident = identity()
        thread = threading.current_thread()
        self.thread = thread.name
        self.thread_ref = weakref.ref(thread)
        self.greenlet = current_greenlet()
        self.ended = False
        self.returned = False
        self.presented: dict[LiveValue, None] = {}
        self.issued: dict[LiveValue, None] = {}
        self.known: dict[LiveValue, None] = {}
        self.verified: set[LiveValue] = set()
        self.attempted: set[LiveValue] = set()
        self.unverified: dict[LiveValue, Occurrence] = {}
        self.candidates: dict[str, Candidate] = {}
        self.weak: list[tuple[str, str]] = []
        self.excluded: set[str] = set()
        self.overlaps: list[tuple[LiveValue, RequestScope]] = []
        self.events: list[Occurrence] = []
        self.slots: dict[int, Any] = {}
        self.lost: dict[int, Occurrence] = {}
        self.holds: list[Hold] = []
        self.violations: list[RaspViolation] = []
        self.findings: list[Finding] = []
        self.cleanup: list[Callable[[], None]] = []
        self.body: Any = None
        self.scan: list[bytes] | None = None
        self.glow: list[tuple[LiveValue, list[Form]]] = []
        self.dropped = 0
        self.parent_span: tuple[str, str] | None = None
        self.traceparent: str | None = None

    def knows(self, live: LiveValue) -> bool:
        """Whether a credential belongs to this request: presented, issued, or seen first here."""
        return live in self.presented or live in self.issued or live in self.known

    def note(self, occurrence: Occurrence) -> None:
        """Adds to the request's record; beyond its bound events are only counted."""
        if len(self.events) < EVENTS_PER_REQUEST:
            self.events.append(occurrence)
        else:
            self.dropped += 1

    def forget(self) -> None:
        """Lets go of everything raw and large once the request has been judged and recorded."""
        self.environ = self.body = self.app = self.scan = None
        for container in (
            self.presented, self.issued, self.known, self.candidates, self.slots, self.lost, self.unverified,
            self.verified, self.attempted, self.excluded, self.events, self.overlaps, self.cleanup, self.weak, self.holds,
        ):  # fmt: skip
            if container:
                container.clear()  # type: ignore[attr-defined]

    @property
    def in_flight(self) -> bool:
        """Whether the request goes on: it has not ended, and its thread or greenlet still lives."""
        if self.ended:
            return False
        if self.greenlet is not None:
            greenlet = self.greenlet()
            return greenlet is not None and not greenlet.dead
        thread = self.thread_ref()
        return thread is not None and thread.is_alive()


def current_greenlet() -> Any:
    """A weak reference to the running greenlet, where greenlets are in use beside the main one; else ``None``."""
    module = sys.modules.get("greenlet")
    if module is None:
        return None
    get = getattr(module, "getcurrent", None)
    if get is None:
        return None
    running = get()
    return None if running.parent is None else weakref.ref(running)


def identity() -> int:
    """What runs this code: the thread, or the greenlet inside it."""
    module = sys.modules.get("greenlet")
    if module is not None:
        get = getattr(module, "getcurrent", None)
        if get is not None:
            running = get()
            if running.parent is not None:
                return id(running)
    return threading.get_ident()


@dataclass(slots=True, eq=False)
class Scopes:
    """Which scope is current, and which one each thread served last. One for the process."""

    values: LiveValues
    current: contextvars.ContextVar[RequestScope | None] = field(
        default_factory=lambda: contextvars.ContextVar("rasp.scope", default=None)
    )
    last: dict[int, RequestScope] = field(default_factory=dict)
    on_end: Callable[[RequestScope], None] = lambda scope: None  # noqa: E731

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
            self.end(before)
            before.glow.clear()
        if len(self.last) > 64:
            self._reap()
        self.last[scope.ident] = scope

    def end(self, scope: RequestScope) -> None:
        """The request is over; what is judged at its end is judged now, once."""
        if scope.ended:
            return
        scope.ended = True
        self.on_end(scope)

    def end_thread(self) -> None:
        """Ends the request this thread served last, as at the end of a test."""
        scope = self.last.pop(identity(), None)
        if scope is not None:
            self.end(scope)
            scope.glow.clear()

    def _reap(self) -> None:
        """Ends the requests of threads that are gone."""
        for ident, scope in tuple(self.last.items()):
            if scope.ended or not scope.in_flight:
                self.last.pop(ident, None)
                self.end(scope)
                scope.glow.clear()

    def release_values(self, scope: RequestScope) -> None:
        """What an ended request established about its credentials decides how long they stay live."""
        answered = scope.status is not None and scope.status < 400
        scope.glow = [(live, live.forms) for live in scope.presented]
        for live in {**scope.presented, **scope.issued, **scope.known}:
            if live in scope.verified:
                rank = Rank.VERIFIED
            else:
                rank = Rank.ANSWERED if answered else Rank.PRESENTED
            self.values.leave(live, rank)
