"""What a route's success path releases and an error path leaves held, judged from request to request.

Looked at when a request ends, and only at what it acquired itself: cache entries, explicit holds, native handles; the
end of the app context ends what is on ``flask.g``. A success path (answered below 400) that keeps what it acquired
means it to outlive the request, so that place is never reported. What releases itself, by a destructor or with its
object, says nothing about a path: on an error path the exception's traceback keeps it alive for a while.
"""

from __future__ import annotations

import re
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rasp.ledger.facts import Fact, LeftOnError
from rasp.ledger.native_handles import Handle
from rasp.ledger.places import SHED
from rasp.ledger.scopes import Occurrence, RequestScope
from rasp.ledger.slots import SlotMatch
from rasp.model import ActionTaken, RequestInfo

BOUND = 2_000
"""Places remembered."""
_SHOWN = 200
_WORD = re.compile(r"[\w-]+")
_DIGIT = re.compile(r"\d")
_RANDOM = 16
"""Characters from which on a word of a slot's name is taken for an id, like one with a digit."""
_Slot = tuple[str, Occurrence, Occurrence | None]
"""A kind of holder, the acquire, the release."""


@dataclass(slots=True, eq=False)
class _Place:
    """What is known of the slots that one place acquires on one route.

    Attributes:
        released: acquire and release by a success path.
        left: the acquire of what an error path left held, and the request that did.
        settled: there is nothing more to find: it was told, or a success path keeps its slot.
    """

    released: tuple[Occurrence, Occurrence] | None = None
    left: tuple[Occurrence, RequestInfo] | None = None
    settled: bool = False


class ConsistencyBook:
    """Compares how the requests of a route end, in whatever order they come. Thread-safe.

    Attributes:
        dropped: places given up because there were too many.
    """

    def __init__(self) -> None:
        self._places: OrderedDict[tuple[object, ...], _Place] = OrderedDict()
        self._kept: set[tuple[object, ...]] = set()
        self._lock = threading.RLock()
        self.dropped = 0

    def concerns(self, scope: RequestScope) -> bool:
        """Whether it stored an entry at a place of which it is not known yet that the route keeps it: mostly not."""
        route, kept = _pattern(scope), self._kept
        for share in tuple(scope.slots.values()):
            acquired = share.acquired
            if acquired is not None and acquired.path is not SHED and _site(acquired, route) not in kept:
                return True
        return False

    def ended(self, scope: RequestScope, handles: Iterable[Handle]) -> Sequence[Fact]:
        """A request ends that acquired something; ``handles`` are its native ones."""
        failed = _failed(scope)
        if failed is None:
            return ()
        facts: list[Fact] = []
        route = _route(scope)
        for kind, acquired, released in _acquired(scope, handles):
            if (failed and released is not None) or acquired.path is SHED:
                continue
            place = self._place(_key(route, kind, acquired))
            if place.settled or (released is not None and place.released is not None and place.left is None):
                continue
            with self._lock:
                found = _enter(place, scope, failed, acquired, released)
                if not failed and released is None and len(self._kept) < BOUND:
                    self._kept.add(_site(acquired, _pattern(scope)))
            if found is not None:
                facts.append(_fact(kind, *found, scope))
        return facts

    def _place(self, key: tuple[object, ...]) -> _Place:
        place = self._places.get(key)
        if place is None:
            with self._lock:
                place = self._places.setdefault(key, _Place())
                if len(self._places) > BOUND:
                    self._places.popitem(last=False)
                    self.dropped += 1
        return place

    def clear(self) -> None:
        """Forgets all places, as between tests."""
        with self._lock:
            self._places.clear()
            self._kept.clear()

    def after_fork(self) -> None:
        """In the child the lock is held by nobody."""
        self._lock = threading.RLock()


def _pattern(scope: RequestScope) -> str | None:
    rule = getattr(scope.request, "url_rule", None)
    return scope.route if rule is None else rule.rule


def _site(acquired: Occurrence, route: str | None) -> tuple[object, ...]:
    """A route and the place of an acquire; a code object by its id, since to hash one takes long."""
    path = acquired.path
    return (route, id(path[0][0]), path[0][1]) if path else (route,)


def _enter(
    place: _Place, scope: RequestScope, failed: bool, acquired: Occurrence, released: Occurrence | None
) -> tuple[tuple[Occurrence, ...], RequestInfo] | None:
    """Notes how one slot ended. What is found by that: its trail, the acquire of what was left last, and by whom."""
    if place.settled:
        return None
    if failed:
        mark = scope.mark
        place.left = acquired, RequestInfo(mark.id, mark.method, scope.route, scope.status)
    elif released is None:
        place.settled = True
        place.released = place.left = None
    else:
        place.released = acquired, released
    if place.left is None or place.released is None:
        return None
    (left, request), before = place.left, place.released
    place.settled = True
    place.released = place.left = None
    return (*before, left), request


def _fact(kind: str, trail: tuple[Occurrence, ...], request: RequestInfo, scope: RequestScope) -> LeftOnError:
    return LeftOnError(
        live=trail[-1].live,
        trail=trail,
        scope=scope,
        request=request,
        raisable=False,
        native=kind == "native",
        cache=kind == "cache",
    )


def _failed(scope: RequestScope) -> bool | None:
    """Whether it ended on an error path; ``None`` where that cannot be told.

    ``failed`` is set where an exception left the app. Without it, an exception that is being handled now may also be
    the server's, whose client has gone: then only a request that never answered has failed. That the body is at its end
    is no such exception. A path that an exception of rasp's own cut short is none of the app's.
    """
    if scope.has("findings") and any(finding.action_taken is ActionTaken.RAISED for finding in scope.findings):
        return None
    if scope.failed:
        return True
    handled = sys.exc_info()[1]
    raised = handled is not None and not isinstance(handled, StopIteration)
    if scope.status is None:
        unit = scope.environ is None
        return raised if raised or unit else None
    if scope.status >= 400:
        return True
    return None if raised else False


def _route(scope: RequestScope) -> object:
    """The route: its pattern and endpoint; of what has no pattern, a unit's name or a hash of the path."""
    rule = getattr(scope.request, "url_rule", None)
    if rule is not None:
        return rule.rule, rule.endpoint
    name = scope.route
    if name is not None:
        return name
    environ = scope.environ or {}
    return hash((environ.get("SCRIPT_NAME"), environ.get("PATH_INFO")))


def _acquired(scope: RequestScope, handles: Iterable[Handle]) -> Iterator[_Slot]:
    """What this very request acquired and nobody but a release has ended."""
    mark = scope.mark
    if scope.has("slots"):
        lost = scope.lost if scope.has("lost") else ()
        for key, share in tuple(scope.slots.items()):  # another thread may clear the cache now
            if share.acquired is not None and share.acquired.request is mark and key not in lost:
                yield "cache", share.acquired, share.released
    if scope.has("holds"):
        for hold in scope.holds:
            yield "hold", hold.acquired, hold.released
    for handle in handles:
        yield "native", handle.acquired, handle.released


def _key(route: object, kind: str, acquired: Occurrence) -> tuple[object, ...]:
    """The route, the holder, the place of the acquire, and the slot less what names a caller."""
    code, instruction = acquired.path[0] if acquired.path else (None, 0)
    shape = acquired.tag if kind == "native" else _shape(acquired.slot)
    return route, acquired.holder, id(code), instruction, shape


def _shape(slot: str | SlotMatch | None) -> str:
    """A slot's name without the credential and without ids: words with a digit, and long ones."""
    if isinstance(slot, SlotMatch):
        name = slot.name.replace(slot.part, "#", 1) if slot.part else slot.name
    else:
        name = slot if isinstance(slot, str) else ""
    return _WORD.sub(_word, name[:_SHOWN])


def _word(match: re.Match[str]) -> str:
    word = match.group()
    return "#" if len(word) >= _RANDOM or _DIGIT.search(word) is not None else word
