"""From a draft to a finding: places rendered, slots masked, its identity worked out. The slow path, and only that."""

from __future__ import annotations

import os
import time
from _blake2 import blake2b

from rasp.ledger.masking import mask_runs
from rasp.ledger.places import Places
from rasp.ledger.scopes import Occurrence, RequestMark, RequestScope
from rasp.model import (
    ActionTaken,
    Finding,
    Location,
    Mode,
    RequestInfo,
    TrailStep,
)
from rasp.responses.statements import Statements
from rasp.rules.draft import Draft
from rasp.rules.table import RULES

NATIVE = "native."
"""What the holders of native handles are called before the library's name."""
FRAMES = 16
UNKNOWN = Location("<unknown>", 0, "<unknown>")


class Assembly:
    """Makes findings and request records. ``instance`` is a random id of this process."""

    def __init__(self, places: Places, instance: str) -> None:
        self._places = places
        self._statements = Statements(places.trees)
        self.instance = instance

    def finding(self, draft: Draft, mode: Mode, action: ActionTaken) -> Finding:
        """The finding of a draft; it holds no raw value."""
        rule = RULES[draft.rule]
        fact = draft.fact
        last = fact.trail[-1] if fact.trail else None
        location = self._location(draft)
        holder = last.holder if last is not None else "request"
        span = fact.span or (last.span if last is not None else None) or _incoming(fact.scope)
        return Finding(
            rule=rule.name,
            id=rule.id,
            severity=draft.severity,
            cwe=(rule.native_cwe if draft.native and rule.native_cwe else rule.cwe,),
            message=draft.message,
            credential=fact.live.credential if fact.live is not None else None,
            location=location,
            trail=tuple(self.step(occurrence) for occurrence in fact.trail),
            request=fact.request or (None if fact.scope is None else request_info(fact.scope)),
            trace_id=span[0] if span else None,
            span_id=span[1] if span else None,
            process=os.getpid(),
            time=_now(),
            mode=mode,
            action_taken=action,
            key=self._key(draft, holder, location),
            instance=self.instance,
        )

    def _location(self, draft: Draft) -> Location:
        fact = draft.fact
        if fact.place is not None:
            return fact.place
        last = fact.trail[-1] if fact.trail else None
        if last is not None:
            found = self.place_of(last)
            if found is not None:
                return found
        if fact.scope is not None:
            found = self._definition(fact.scope.mark)
            if found is not None:
                return found
        places = (self.place_of(occurrence) for occurrence in reversed(fact.trail))
        return next((place for place in places if place is not None), UNKNOWN)

    def place_of(self, occurrence: Occurrence) -> Location | None:
        """Where an event happened: its innermost app frame, else the app's callable that was running."""
        located = self._places.locate(occurrence.path)
        if located is None and occurrence.request is not None:
            return self._definition(occurrence.request)
        return located

    def _definition(self, mark: RequestMark) -> Location | None:
        return None if mark.callable is None else self._places.definition(mark.callable, mark.method)

    def step(self, occurrence: Occurrence) -> TrailStep:
        """An event as it leaves the process."""
        request = occurrence.request
        slot = occurrence.slot
        if slot is not None:
            slot = mask_runs(slot) if isinstance(slot, str) else slot.shown
        return TrailStep(
            action=occurrence.action,
            holder=occurrence.holder,
            slot=slot,
            location=self.place_of(occurrence),
            request=None if request is None else request.id,
            thread=occurrence.thread.name,
            t_ms=None if request is None else round((occurrence.at - request.started) * 1000, 2),
            span=occurrence.span,
            frames=self._frames(occurrence),
            call=str(occurrence.tag or "") if occurrence.holder.startswith(NATIVE) else "",
        )

    def _frames(self, occurrence: Occurrence) -> tuple[Location, ...]:
        """The whole call path of a native call, which a sanitizer's report would show."""
        if len(occurrence.path) < 2 or not occurrence.holder.startswith(NATIVE):
            return ()
        places = (self._places.locate(occurrence.path[at:]) for at in range(min(len(occurrence.path), FRAMES)))
        return tuple(place for place in places if place is not None)

    def _key(self, draft: Draft, holder: str, location: Location) -> str:
        statement = self._statements.normal(location)
        parts = (draft.rule, draft.severity.word, holder, location.function, statement)
        return blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=8).hexdigest()


def request_info(scope: RequestScope) -> RequestInfo:
    """A request as it leaves the process: by its route's pattern."""
    return RequestInfo(scope.mark.id, scope.mark.method, scope.route, scope.status)


def _incoming(scope: RequestScope | None) -> tuple[str, str] | None:
    """The ids of the caller's span, from a W3C ``traceparent``."""
    parts = (scope.traceparent or "").split("-") if scope is not None else []
    if len(parts) >= 4 and len(parts[1]) == 32 and len(parts[2]) == 16:
        return parts[1], parts[2]
    return None


def _now() -> str:
    milliseconds = time.time_ns() // 1_000_000
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{moment}.{milliseconds % 1000:03d}Z"
