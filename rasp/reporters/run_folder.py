"""Tells the ``rasp run`` that started this process how severe its findings are, for ``--fail-on``."""

from __future__ import annotations

import os
from pathlib import Path

from rasp.model import Finding, RequestRecord


class RunFolderReporter:
    """Appends the severity of every new finding to the run's folder, one ``write`` a line."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "findings"

    def finding(self, finding: Finding) -> None:
        """Notes a severity; a folder that is gone means that nobody waits for it."""
        try:
            file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError:
            return
        try:
            os.write(file, f"{finding.severity.word}\n".encode("ascii"))
        finally:
            os.close(file)

    def recount(self, finding: Finding) -> None:
        """Counts do not matter here."""

    def record(self, record: RequestRecord, findings: tuple[Finding, ...]) -> None:
        """Records do not matter here."""

    def close(self) -> None:
        """Nothing is kept open."""
