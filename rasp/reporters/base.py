"""What every output implements: findings as they come, request records after their request."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from rasp.model import Finding, RequestRecord


class Reporter(Protocol):
    """An output. Its methods may be called from any thread, also at the same time."""

    def finding(self, finding: Finding) -> None:
        """Takes a finding when it happens."""

    def recount(self, finding: Finding) -> None:
        """Takes a finding reported before, with its ``count`` so far."""

    def record(self, record: RequestRecord, findings: tuple[Finding, ...]) -> None:
        """Takes the record of a request that ended and the findings made in it."""

    def close(self) -> None:
        """Writes what is left; nothing comes after it."""


@runtime_checkable
class EveryOccurrence(Protocol):
    """What an output implements besides if it wants repeated occurrences of a defect too."""

    def occurrence(self, finding: Finding) -> None:
        """Takes one occurrence when it happens, before the record of its request."""
