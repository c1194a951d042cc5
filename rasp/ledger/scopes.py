"""Request scopes: what belongs to one WSGI request, and until when it is in flight."""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rasp.ledger.forms import Form
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


class RequestMark:
    """What later events remember of a request: enough to name it, too little to keep it alive.

    ``callable`` is the app's view, hook or WSGI callable: where an event without an app frame is located. What needs
    work is worked out when first asked for: most requests are never named.
    """

    __slots__ = ("_id", "callable", "method", "started")

    def __init__(self, method: str, callable: object) -> None:
        self._id = ""
        self.started = time.perf_counter()
        self.method = method
        self.callable = callable

    @property
    def id(self) -> str:
        """16 hex digits, drawn at random."""
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
    thread: threading.Thread
    at: float
    live: LiveValue | None
    span: tuple[str, str] | None = None
    tag: object = None
    allowed: frozenset[str] = frozenset()


@dataclass(slots=True, repr=False, eq=False)
class Candidate:
    """A value under a weak name: it counts only once it was verified or looked up with a hit."""

    text: str
    kind_word: str
    source: str


_CONTAINERS: dict[str, Callable[[], Any]] = {
    "presented": dict, "issued": dict, "known": dict, "unverified": dict, "candidates": dict, "slots": dict,
    "lost": dict, "verified": set, "attempted": set, "excluded": set,
    "overlaps": list, "events": list, "holds": list, "violations": list, "findings": list, "glow": list,
    "weak": list, "in_url": set,
}  # fmt: skip
_LET_GO = tuple(name for name in _CONTAINERS if name not in ("glow", "violations", "in_url"))


class RequestScope:
    """Everything that happens for one WSGI request, its body included.

    Its containers are made when first looked at, which makes it ``touched``: a request without a credential never is,
    and costs next to nothing.

    Attributes:
        presented: what the caller presented, in order; a dict for its speed.
        issued: what the app made or named in this request.
        known: further credentials seen here that the caller did not present.
        lost: cache slots that this request stored and another one released, by slot id.
        in_url: what stood in this request's URL.
        glow: after its end, what the server's access line of this request may still hold.
        scan: the response body so far, where it is text; ``None`` where it is not looked at.
        weak: (source, whether a placeholder) of presented values that are too weak to follow.
        violations: what ``strict`` could not raise, or the app swallowed, until the request ends.
        request: the framework's request, once it is routed; it tells the route and the view.
    """

    presented: dict[LiveValue, None]
    issued: dict[LiveValue, None]
    known: dict[LiveValue, None]
    verified: set[LiveValue]
    attempted: set[LiveValue]
    unverified: dict[LiveValue, Occurrence]
    candidates: dict[str, Candidate]
    weak: list[tuple[str, bool]]
    excluded: set[str]
    overlaps: list[tuple[LiveValue, RequestScope]]
    events: list[Occurrence]
    slots: dict[int, Any]
    lost: dict[int, Occurrence]
    holds: list[Hold]
    violations: list[RaspViolation]
    findings: list[Finding]
    glow: list[tuple[LiveValue, list[Form], Occurrence | None]]
    in_url: set[LiveValue]

    def __init__(self, method: str, environ: dict[str, Any] | None, callable: object = None) -> None:
        self.mark = RequestMark(method if method in METHODS else "OTHER", callable)
        self.environ = environ
        self.touched = False
        self.ended = False
        self.dropped = 0
        self.status: int | None = None
        self.scan: list[bytes] | None = None
        self.request: Any = None
        self.app: Any = None
        self.body: Any = None
        self.parent_span: tuple[str, str] | None = None
        self.thread_object = threading.current_thread()
        self.thread_ident = threading.get_ident()
        self.greenlet = current_greenlet()
        self.ident = identity()
        self._route: str | None = None

    def __getattr__(self, name: str) -> Any:
        make = _CONTAINERS.get(name)
        if make is None:
            raise AttributeError(name)
        made = make()
        setattr(self, name, made)
        self.touched = True
        return made

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
        return live in self.presented or (
            ("issued" in self.__dict__ and live in self.issued) or ("known" in self.__dict__ and live in self.known)
        )

    def has(self, name: str) -> bool:
        """Whether a container was ever looked at; asking does not make it."""
        return name in self.__dict__

    def own(self) -> dict[LiveValue, None]:
        """All credentials of this request: presented, issued and seen first here."""
        if "issued" in self.__dict__ or "known" in self.__dict__:
            return {**self.presented, **self.issued, **self.known}
        return self.presented

    def note(self, occurrence: Occurrence) -> None:
        """Adds to the request's record; beyond its bound events are only counted."""
        if len(self.events) < EVENTS_PER_REQUEST:
            self.events.append(occurrence)
        else:
            self.dropped += 1

    def forget(self) -> None:
        """Lets go of everything raw and large once the request has been judged and recorded."""
        if self.request is not None:
            self._route = self.route
        self.environ = self.body = self.app = self.scan = self.request = None
        if self.touched:
            for name in _LET_GO:
                self.__dict__.pop(name, None)

    @property
    def in_flight(self) -> bool:
        """Whether the request goes on: it has not ended, and its thread or greenlet still lives."""
        if self.ended:
            return False
        if self.greenlet is not None:
            greenlet = self.greenlet()
            return greenlet is not None and not greenlet.dead
        return self.thread_object.is_alive()


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
