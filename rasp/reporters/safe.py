"""Findings and records made safe for every output: what an app or a caller can influence is masked and cut.

Reporters read only values that went through here, so that a new output cannot forget it. Slots, messages and
details lose every run of 16 or more token characters; places, routes and names of code are escaped and cut
only, since they come from source code and hold long identifiers.
"""

from __future__ import annotations

import re
from dataclasses import replace

from rasp.ledger.masking import LIMIT, escape, mask_runs
from rasp.model import Credential, Finding, Location, RecordedEvent, RequestInfo, RequestRecord, TrailStep

_ESCAPED_WIDTH = 10
"""Characters that one escaped character takes at most."""

_STANDARD_THREAD = re.compile(
    r"ThreadPoolExecutor-\d{1,6}_\d{1,6}|Thread-\d{1,9}(?: \((?:<lambda>|[A-Za-z_][A-Za-z0-9_]*)\))?"
)
"""Names that the standard library gives: long enough to look like a token, and none."""


def plain(text: str) -> str:
    """Text with control characters escaped, at most 200 characters."""
    return escape(text)


def masked(text: str) -> str:
    """The same, and every run of 16 or more token characters hidden; making it safe again changes nothing."""
    # Escaped first: an escape lengthens the run behind it. Not cut yet: half a run would be too short to see.
    return mask_runs(escape(text, _ESCAPED_WIDTH * len(text) + 1))


def safe_finding(finding: Finding) -> Finding:
    """A finding whose texts every output may show."""
    return replace(
        finding,
        rule=plain(finding.rule),
        id=plain(finding.id),
        message=masked(finding.message),
        credential=None if finding.credential is None else _credential(finding.credential),
        location=_location(finding.location),
        trail=tuple(_step(step) for step in finding.trail),
        request=None if finding.request is None else _request(finding.request),
        trace_id=_plain_or_none(finding.trace_id),
        span_id=_plain_or_none(finding.span_id),
        time=plain(finding.time),
        key=plain(finding.key),
        instance=plain(finding.instance),
    )


def safe_record(record: RequestRecord) -> RequestRecord:
    """A request's record whose texts every output may show, except ``traceparent``: the caller's own."""
    return replace(
        record,
        request=_request(record.request),
        thread=_thread(record.thread),
        credentials=tuple(_credential(credential) for credential in record.credentials),
        events=tuple(_event(event) for event in record.events),
    )


def _plain_or_none(text: str | None) -> str | None:
    return None if text is None else escape(text)


def _masked_or_none(text: str | None) -> str | None:
    return None if text is None else masked(text)


def _thread(name: str) -> str:
    standard = len(name) <= LIMIT and _STANDARD_THREAD.fullmatch(name)
    return name if standard else masked(name)


def _credential(credential: Credential) -> Credential:
    return replace(credential, fingerprint=plain(credential.fingerprint), source=plain(credential.source))


def _location(location: Location) -> Location:
    return replace(location, file=plain(location.file), function=plain(location.function))


def _request(request: RequestInfo) -> RequestInfo:
    return replace(request, id=plain(request.id), method=plain(request.method), route=_plain_or_none(request.route))


def _step(step: TrailStep) -> TrailStep:
    return replace(
        step,
        holder=plain(step.holder),
        slot=_masked_or_none(step.slot),
        location=None if step.location is None else _location(step.location),
        request=_plain_or_none(step.request),
        thread=_thread(step.thread),
        frames=tuple(_location(frame) for frame in step.frames),
        call=plain(step.call),
    )


def _event(event: RecordedEvent) -> RecordedEvent:
    return RecordedEvent(
        _step(event.step),
        None if event.credential is None else _credential(event.credential),
        _masked_or_none(event.detail),
    )
