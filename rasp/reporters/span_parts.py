"""The attributes of rasp's spans and span events, as flat values; no attribute is ever ``None``."""

from __future__ import annotations

from rasp.model import Credential, Finding, Location, RecordedEvent, RequestRecord
from rasp.reporters.serialise import trail_json

Attributes = dict[str, str | int]


def finding_attributes(finding: Finding) -> Attributes:
    """Of the span ``rasp <rule>``. ``finding`` was made safe."""
    last = finding.trail[-1] if finding.trail else None
    return {
        "security_rule.name": finding.rule,
        "security_rule.category": _category(finding.rule),
        "security_rule.ruleset.name": "rasp",
        "rasp.severity": finding.severity.word,
        **_of_credential(finding.credential),
        **_of_slot(last.holder if last else None, last.slot if last else None),
        **_of_code(finding.location),
        "rasp.trail": trail_json(finding),
    }


def release_attributes(event: RecordedEvent) -> Attributes:
    """Of the event ``rasp.release``. ``event`` was made safe."""
    step = event.step
    return {**_of_slot(step.holder, step.slot), **_of_credential(event.credential), **_of_code(step.location)}


def request_attributes(record: RequestRecord) -> Attributes:
    """Of the span ``rasp.request``. ``record`` was made safe."""
    request = record.request
    found: Attributes = {"rasp.request.id": request.id, "http.request.method": request.method}
    if request.route is not None:
        found["http.route"] = request.route
    if request.status is not None:
        found["http.response.status_code"] = request.status
    return found


def _category(rule: str) -> str:
    from rasp.rules.table import RULES  # long help texts, read only by processes that emit spans

    known = RULES.get(rule)
    return "unknown" if known is None else known.category


def _of_credential(credential: Credential | None) -> Attributes:
    if credential is None:
        return {}
    return {
        "rasp.credential.fingerprint": credential.fingerprint,
        "rasp.credential.kind": credential.kind.value,
    }


def _of_slot(holder: str | None, slot: str | None) -> Attributes:
    found: Attributes = {}
    if holder is not None:
        found["rasp.holder"] = holder
    if slot is not None:
        found["rasp.slot"] = slot
    return found


def _of_code(location: Location | None) -> Attributes:
    if location is None:
        return {}
    return {
        "code.file.path": location.file,
        "code.line.number": location.line,
        "code.function.name": location.function,
    }
