"""Findings and request records as JSON, one line each.

``finding.schema.json`` and ``record.schema.json`` describe both formats.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

from rasp.model import Credential, Finding, Location, RecordedEvent, RequestInfo, RequestRecord, TrailStep
from rasp.reporters.safe import safe_finding, safe_record
from rasp.reporters.traceparent import parse_traceparent

SCHEMA = 1
"""Version of both formats."""


def finding_dict(finding: Finding) -> dict[str, Any]:
    """A finding as it stands in the findings file, made safe, its keys in the published order."""
    shown = safe_finding(finding)
    return {
        "schema": SCHEMA,
        "rule": shown.rule,
        "id": shown.id,
        "severity": shown.severity.word,
        "cwe": list(shown.cwe),
        "message": shown.message,
        "credential": None if shown.credential is None else _credential(shown.credential),
        "location": _location(shown.location),
        "trail": [_step(step) for step in shown.trail],
        "request": None if shown.request is None else _request(shown.request),
        "trace_id": shown.trace_id,
        "span_id": shown.span_id,
        "process": shown.process,
        "time": shown.time,
        "mode": shown.mode.value,
        "action_taken": shown.action_taken.value,
        "key": shown.key,
        "instance": shown.instance,
        "count": shown.count,
    }


def record_dict(record: RequestRecord) -> dict[str, Any]:
    """A request's record as it stands in the events file, made safe.

    ``trace_id`` and ``span_id`` name the span that was active in the request, else the caller's. An event's
    ``credential`` is the fingerprint of one of ``credentials`` or of a credential known from elsewhere.
    """
    shown = safe_record(record)
    caller = parse_traceparent(shown.traceparent)
    trace_id, span_id = shown.parent or ((caller.trace_id, caller.span_id) if caller else (None, None))
    return {
        "schema": SCHEMA,
        "request": _request(shown.request),
        "time": iso_time(shown.started),
        "duration_ms": round((shown.ended - shown.started) / 1e6, 3),
        "process": shown.process,
        "thread": shown.thread,
        "trace_id": trace_id,
        "span_id": span_id,
        "credentials": [_credential(credential) for credential in shown.credentials],
        "events": [_event(event) for event in shown.events],
        "dropped": shown.dropped,
    }


def trail_json(finding: Finding) -> str:
    """A safe finding's trail as JSON text, for outputs whose fields are flat."""
    return json.dumps([_step(step) for step in finding.trail])


def finding_line(finding: Finding) -> bytes:
    """A finding as one line of the findings file, in ASCII."""
    return _line(finding_dict(finding))


def record_line(record: RequestRecord) -> bytes:
    """A record as one line of the events file, in ASCII."""
    return _line(record_dict(record))


def iso_time(nanoseconds: int) -> str:
    """Nanoseconds since the epoch as ISO 8601 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{nanoseconds // 1_000_000 % 1000:03d}Z"


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, allow_nan=False).encode("ascii") + b"\n"


def _credential(credential: Credential) -> dict[str, Any]:
    content: dict[str, Any] = {
        "kind": credential.kind.value,
        "fingerprint": credential.fingerprint,
        "source": credential.source,
    }
    if credential.length is not None:
        content["length"] = credential.length
    return content


def _location(location: Location) -> dict[str, Any]:
    return {"file": location.file, "line": location.line, "function": location.function}


def _request(request: RequestInfo) -> dict[str, Any]:
    return {"id": request.id, "method": request.method, "route": request.route, "status": request.status}


def _step(step: TrailStep) -> dict[str, Any]:
    return {
        "action": step.action.value,
        "holder": step.holder,
        "slot": step.slot,
        "location": None if step.location is None else _location(step.location),
        "request": step.request,
        "thread": step.thread,
        "t_ms": _milliseconds(step.t_ms),
    }


def _event(event: RecordedEvent) -> dict[str, Any]:
    step = event.step
    return {
        "action": step.action.value,
        "holder": step.holder,
        "slot": step.slot,
        "location": None if step.location is None else _location(step.location),
        "credential": None if event.credential is None else event.credential.fingerprint,
        "thread": step.thread,
        "t_ms": _milliseconds(step.t_ms),
        "detail": event.detail,
    }


def _milliseconds(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 3)
