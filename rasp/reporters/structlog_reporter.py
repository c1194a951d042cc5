"""Findings as lines of the app's own structlog, beside what the app logs."""

from __future__ import annotations

import sys
from typing import Any

from rasp.model import Finding, RequestRecord, Severity, TrailStep
from rasp.reporters.safe import safe_finding
from rasp.reporters.text import labels, place

_METHODS = {Severity.NOTE: "info", Severity.WARNING: "warning", Severity.ERROR: "error"}


class StructlogReporter:
    """Logs each defect through structlog as the app configured it, if the app has imported it.

    The event is ``rasp <rule>``, its level follows the severity, and the fields are flat and bear no name
    that a stdlib log record reserves.
    """

    def finding(self, finding: Finding) -> None:
        _log(finding)

    def recount(self, finding: Finding) -> None:
        _log(finding)

    def record(self, record: RequestRecord, findings: tuple[Finding, ...]) -> None:
        """Takes no records."""

    def close(self) -> None:
        """Holds nothing."""


def fields(finding: Finding) -> dict[str, Any]:
    """The fields of a finding's log line."""
    shown = safe_finding(finding)
    found: dict[str, Any] = {
        "rule": shown.rule,
        "rule_id": shown.id,
        "severity": shown.severity.word,
        "cwe": list(shown.cwe),
        "summary": shown.message,
        "location": place(shown.location),
        "trail": [_told(step, label) for step, label in zip(shown.trail, labels(shown.trail), strict=True)],
        "action_taken": shown.action_taken.value,
        "key": shown.key,
        "count": shown.count,
    }
    if shown.credential is not None:
        found["credential"] = shown.credential.mask
        found["source"] = shown.credential.source
    if shown.request is not None:
        found["request_id"] = shown.request.id
        found["route"] = shown.request.route
        found["status"] = shown.request.status
    return found


def _told(step: TrailStep, label: str) -> str:
    slot = "" if step.slot is None else f" {step.slot}"
    where = "" if step.location is None else f" at {place(step.location)}"
    return f"{label}: {step.holder}{slot}{where}"


def _log(finding: Finding) -> None:
    structlog = sys.modules.get("structlog")
    if structlog is None:
        return
    logger = structlog.get_logger("rasp").bind()
    # An AsyncBoundLogger's methods are coroutines that nobody would await here.
    logger = getattr(logger, "sync_bl", logger)
    getattr(logger, _METHODS[finding.severity])(f"rasp {finding.rule}", **fields(finding))
