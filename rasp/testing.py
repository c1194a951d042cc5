"""What tests look back on: the findings of this process, and the record of each request.

``capture()`` starts recording; under ``pytest --rasp=observe|strict`` the plugin has started it already.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from rasp import runtime as process
from rasp.model import Action, Finding, RecordedEvent, RequestRecord


@dataclass(slots=True)
class Capture:
    """Every occurrence of every finding, in order; the in-memory twin of the reporters."""

    findings: list[Finding] = field(default_factory=list)

    def finding(self, finding: Finding) -> None:
        """Takes every occurrence instead."""

    def occurrence(self, finding: Finding) -> None:
        """Takes one occurrence."""
        self.findings.append(finding)

    def recount(self, finding: Finding) -> None:
        """Every occurrence has been taken."""

    def record(self, record: RequestRecord, findings: tuple[Finding, ...]) -> None:
        """Records are kept by the recorder."""

    def close(self) -> None:
        """Nothing is kept open."""


@contextlib.contextmanager
def capture() -> Iterator[Capture]:
    """Findings and records from here on; installs nothing, so rasp has to be installed.

    Yields:
        the findings, one for each occurrence.

    Raises:
        RuntimeError: rasp is not installed.
    """
    installed = process.active()
    if installed is None:
        raise RuntimeError("rasp.testing.capture needs rasp.install() first")
    captured = Capture()
    before = installed.recorder.keep
    installed.recorder.keep = True
    installed.counting.add(captured)
    try:
        yield captured
    finally:
        installed.counting.remove(captured)
        installed.recorder.keep = before


def findings() -> list[Finding]:
    """This process's findings so far, each defect once with its count."""
    installed = process.active()
    return [] if installed is None else installed.counting.snapshot()


def records() -> list[RequestRecord]:
    """The records of the last requests, those still in flight included, oldest first."""
    installed = process.active()
    if installed is None:
        return []
    in_flight = [scope for scope in installed.ledger.scopes.last.values() if not scope.ended]
    return installed.recorder.records(in_flight)


def releases(request_id: str | None = None) -> list[RecordedEvent]:
    """The releases of one request in order, or of all that are recorded."""
    return [
        event
        for record in records()
        if request_id is None or record.request.id == request_id
        for event in record.events
        if event.step.action is Action.RELEASE
    ]
