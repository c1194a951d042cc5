"""Tells the ``rasp run`` that started this process how severe its findings are, for ``--fail-on``."""

from __future__ import annotations

from pathlib import Path

from rasp.errors import ConfigError
from rasp.model import Finding, RequestRecord
from rasp.reporters.jsonl import AppendFile


class RunFolderReporter:
    """Appends the severity of every new finding to the run's folder, one ``write`` a line.

    The file is opened at once: a worker that drops its privileges cannot enter the folder any more. A folder that is
    gone means that nobody waits for it.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._file: AppendFile | None = AppendFile(folder / "findings", "run folder")
        except ConfigError:
            self._file = None

    def finding(self, finding: Finding) -> None:
        """Notes a severity."""
        if self._file is not None:
            self._file.write(f"{finding.severity.word}\n".encode("ascii"))

    def recount(self, finding: Finding) -> None:
        """Counts do not matter here."""

    def record(self, record: RequestRecord, findings: tuple[Finding, ...]) -> None:
        """Records do not matter here."""

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
