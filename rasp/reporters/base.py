"""What every output implements: findings as they come, request records after their request."""

from __future__ import annotations

from typing import Protocol

from rasp.model import Finding, RequestRecord


class Reporter(Protocol):
    """An output. Methods may be called from any thread, one at a time; they raise only ``OSError``."""

    def finding(self, finding: Finding) -> None:
        """Takes a finding when it happens."""

    def recount(self, finding: Finding) -> None:
        """Takes a finding reported before, with its ``count`` so far."""

    def record(self, record: RequestRecord, findings: tuple[Finding, ...]) -> None:
        """Takes the record of a request that ended and the findings made in it."""

    def close(self) -> None:
        """Writes what is left; nothing comes after it."""
