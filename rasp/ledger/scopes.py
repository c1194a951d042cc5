"""Request scopes: what belongs to one WSGI request, and until when it is in flight."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable, Collection
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from rasp.ledger.places import CallPath
from rasp.ledger.slots import SlotMatch
from rasp.ledger.value import LiveValue
from rasp.model import Action

if TYPE_CHECKING:
    from rasp.errors import RaspViolation
    from rasp.ledger.hold_book import Hold
    from rasp.model import Finding

VALUES_PER_REQUEST = 16
EVENTS_PER_REQUEST = 512
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})


_new_mark = object.__new__


class RequestMark:
    """What later events remember of a request: enough to name it, too little to keep it alive.

    ``callable`` is the app's view, hook or WSGI callable: where an event without an app frame is located. What needs
    work is worked out when first asked for: most requests are never named.
    """

    __slots__ = ("_id", "callable", "given_method", "started")
    _id: str
    callable: object
    given_method: str
    started: float

    @property
    def method(self) -> str:
        """A standard method, or ``OTHER``."""
        return self.given_method if self.given_method in METHODS else "OTHER"

    @property
    def id(self) -> str:
        """16 hex digits, drawn at random."""
        if not self._id:
            self._id = os.urandom(8).hex()
        return self._id


class _Occurrence(NamedTuple):
    action: Action
    holder: str
    slot: str | SlotMatch | None
    path: CallPath
    request: RequestMark | None
    thread: threading.Thread
    at: float
    live: LiveValue | None
    span: tuple[str, str] | None = None
    tag: object = None
    allowed: frozenset[str] = frozenset()


class Occurrence(_Occurrence):
    """One event as the ledger keeps it: nothing rendered yet. Two of them are never equal.

    ``tag`` tells holders of one name apart. A tuple, since one is made for nearly every event.
    """

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __repr__(self) -> str:
        return f"<Occurrence {self.action} {self.holder}>"


@dataclass(slots=True, repr=False, eq=False)
class Candidate:
    """A value under a weak name: it counts only once it was verified or looked up with a hit."""

    text: str
    kind_word: str
    source: str


class Lazy:
    """A container of a scope that is made when first looked at, which makes the scope ``touched``.

    No data descriptor: once made, the container is an ordinary attribute, as fast as any other.
    """

    __slots__ = ("_bit", "_make", "_name")
    names: ClassVar[dict[str, int]] = {}

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name
        self._bit = self.names[name] = 1 << len(self.names)

    def __get__(self, scope: RequestScope | None, owner: type) -> Any:
        if scope is None:
            return self
        made = self._make()
        if scope.made & self._bit:  # another thread of the request was faster: what it has put in stays
            return getattr(scope, self._name)
        scope.made |= self._bit  # before the call: between the question and this, no other thread runs
        setattr(scope, self._name, made)
        scope.touched = True
        return made


def lazy(make: Callable[[], Any]) -> Any:
    """A ``Lazy`` for a type checker that is told what comes out of it."""
    return Lazy(make)


class RequestScope:
    """Everything that happens for one WSGI request, its body included.

    Its containers are made when first looked at, which makes it ``touched``: a request without a credential never is,
    and costs next to nothing.

    Attributes:
        presented: what the caller presented, in order, and where.
        issued: what the app made or named in this request.
        known: further credentials seen here that the caller did not present.
        lost: cache slots that this request stored and another one released, by slot id.
        in_url: what stood in this request's URL.
        glow: after its end, what the server's access line of this request may still hold.
        scan: the response body so far, where it is text; ``None`` where it is not looked at.
        weak: (source, whether a placeholder) of presented values that are too weak to follow.
        violations: what ``strict`` could not raise, or the app swallowed, until the request ends.
        request: the framework's request, once it is routed; it tells the route and the view.
        made: bits of the containers that were made, see ``has``.
        plain: whether the framework said that the response is no stream, so that iterating it runs no code of the app.
        failed: whether an exception has left the app.
        redirected: what stood in the ``Location`` of the response.
        weighed: whether the setting ``sample`` was asked; ``unsampled``: whether it is not followed, by that.
        direct: whether the framework's instrument may tell of the response, so that nobody need read it off the wire.
        told: whether it did.
        recorded: whether all its events are kept, for somebody who wants its record; else only those that a finding
            can need.
    """

    presented: dict[LiveValue, str] = lazy(dict)
    events: list[Occurrence] = lazy(list)
    verified: set[LiveValue] = lazy(set)
    attempted: set[LiveValue] = lazy(set)
    slots: dict[int, Any] = lazy(dict)
    issued: dict[LiveValue, None] = lazy(dict)
    known: dict[LiveValue, None] = lazy(dict)
    unverified: dict[LiveValue, Occurrence] = lazy(dict)
    candidates: dict[str, Candidate] = lazy(dict)
    weak: list[tuple[str, bool]] = lazy(list)
    excluded: set[str] = lazy(set)
    overlaps: list[tuple[LiveValue, RequestScope]] = lazy(list)
    lost: dict[int, Occurrence] = lazy(dict)
    holds: list[Hold] = lazy(list)
    findings: list[Finding] = lazy(list)
    violations: list[RaspViolation] = lazy(list)
    glow: list[tuple[LiveValue, list[str], Occurrence | None]] = lazy(list)
    in_url: set[LiveValue] = lazy(set)

    # Of the class where they are asked for seldom; what is read several times in every request is in ``__init__``.
    weighed = False
    failed = False
    redirected: Collection[LiveValue] = ()
    dropped = 0
    status: int | None = None
    body: Any = None
    parent_span: tuple[str, str] | None = None
    _route: str | None = None

    def __init__(self, method: str, environ: dict[str, Any] | None, callable: object = None) -> None:
        # Without an ``__init__`` of its own, since one is made for every request.
        self.mark = mark = _new_mark(RequestMark)
        mark._id, mark.given_method, mark.callable, mark.started = "", method, callable, perf_counter()
        self.environ = environ
        self.made = 0
        self.touched = self.ended = self.recorded = self.told = self.plain = self.direct = self.unsampled = False
        self.scan: list[bytes] | None = None
        self.app: Any = None
        self.request: Any = None
        self.thread_object = threading.current_thread()
        self.thread_ident = self.ident = threading.get_ident()
        self.greenlet: weakref.ref[Any] | None = None
        if "greenlet" in sys.modules:
            self.greenlet = current_greenlet()
            self.ident = identity()

    def arm(self, live: LiveValue, source: str) -> None:
        """The caller's first credential: what nearly every request with one needs is made at once."""
        self.presented = {live: source}
        self.events = []
        self.verified = set()
        self.attempted = set()
        self.slots = {}
        self.glow = []
        self.made |= _ARMED
        self.touched = True

    @property
    def thread(self) -> str:
        """The name of the thread that serves it."""
        return self.thread_object.name

    @property
    def traceparent(self) -> str | None:
        """The caller's W3C trace context."""
        found = self.environ.get("HTTP_TRACEPARENT") if self.environ is not None else None
        return found if isinstance(found, str) else None

    @property
    def route(self) -> str | None:
        """The rule's pattern, once the request is routed."""
        rule = getattr(self.request, "url_rule", None)
        return rule.rule if rule is not None else self._route

    @route.setter
    def route(self, name: str | None) -> None:
        self._route = name

    def knows(self, live: LiveValue) -> bool:
        """Whether a credential belongs to this request: presented, issued, or seen first here."""
        made = self.made
        return (
            (made & PRESENTED and live in self.presented)
            or (made & _ISSUED and live in self.issued)
            or bool(made & _KNOWN and live in self.known)
        )

    def has(self, name: str) -> bool:
        """Whether a container was ever looked at; asking does not make it."""
        return bool(self.made & Lazy.names[name])

    def own(self) -> Collection[LiveValue]:
        """All credentials of this request: presented, issued and seen first here."""
        made = self.made
        if made & _MORE:
            return {**self.presented, **self.issued, **self.known}
        return self.presented if made & PRESENTED else ()

    def forget(self) -> None:
        """Lets go of everything raw and large once the request has been judged and recorded."""
        if self.request is not None:
            if self.touched:
                rule = getattr(self.request, "url_rule", None)
                self._route = self._route if rule is None else rule.rule
            self.app = self.request = None
        self.environ = self.body = self.scan = None
        raw = self.made & _RAW
        if raw:
            self.made ^= raw
            for name, bit in _RAW_NAMES:
                if raw & bit:
                    delattr(self, name)

    @property
    def in_flight(self) -> bool:
        """Whether the request goes on: it has not ended, and its thread or greenlet still lives."""
        if self.ended:
            return False
        if self.greenlet is not None:
            greenlet = self.greenlet()
            return greenlet is not None and not greenlet.dead
        return self.thread_object.is_alive()


PRESENTED, VERIFIED, IN_URL, LOST, SLOTS, GLOW, EXCLUDED, VIOLATIONS = (
    Lazy.names[name] for name in ("presented", "verified", "in_url", "lost", "slots", "glow", "excluded", "violations")
)
"""Bits of ``RequestScope.made``, for where ``has`` would be asked too often."""
JUDGED_AT_END = sum(Lazy.names[name] for name in ("overlaps", "unverified", "holds", "weak"))
_ARMED = sum(Lazy.names[name] for name in ("presented", "events", "verified", "attempted", "slots", "glow"))
_ISSUED, _KNOWN = (Lazy.names[name] for name in ("issued", "known"))
_MORE = _ISSUED | _KNOWN
OWN = PRESENTED | _MORE
_RAW_NAMES = tuple((name, Lazy.names[name]) for name in ("candidates", "excluded"))
_RAW = sum(bit for _, bit in _RAW_NAMES)


def first_of(live: LiveValue, scope: RequestScope) -> Occurrence | None:
    """Where a request acquired a credential first."""
    if scope.made & PRESENTED and live in scope.presented:
        mark, source = scope.mark, scope.presented[live]
        return Occurrence(Action.ACQUIRE, "request", source, (), mark, scope.thread_object, mark.started, live)
    for occurrence in scope.events:
        if occurrence.live is live and occurrence.action is Action.ACQUIRE:
            return occurrence
    return None


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
