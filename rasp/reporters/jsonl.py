"""The findings file and the events file: one JSON object a line, appended by many processes at once."""

from __future__ import annotations

import errno
import os
import stat

from rasp.errors import ConfigError
from rasp.model import Finding, RequestRecord
from rasp.reporters.serialise import finding_line, record_line

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
"""Not blocking, since opening a FIFO that nobody reads would hang the app's start."""


class AppendFile:
    """A file of lines that is only ever appended to, mode 0600 when it is made; links are not followed.

    One ``write()`` a line keeps the lines of many threads and processes apart, also over one descriptor that
    a fork shared. Where a server closes all descriptors as it starts, the file is opened again.
    """

    def __init__(self, path: str | os.PathLike[str], setting: str) -> None:
        """Opens the file at once; raises ConfigError that names setting, path and remedy."""
        self.path = os.path.abspath(path)
        self._setting = setting
        self._closed = False
        self._torn = False
        self._open()

    def write(self, line: bytes) -> None:
        """Appends a line; raises OSError if the system does not take it, and whenever the file is closed."""
        if self._closed:
            raise OSError(errno.EBADF, f"the {self._setting} file is closed")
        if not self._is_ours():
            self._reopen()
        rest = memoryview(b"\n" + line if self._torn else line)
        whole = len(rest)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except OSError:
                self._torn = self._torn or 0 < len(rest) < whole
                raise
        self._torn = False

    def close(self) -> None:
        """Closes the file; a second time does nothing."""
        if not self._closed:
            self._closed = True
            if self._is_ours():
                os.close(self._descriptor)

    def _open(self) -> None:
        try:
            self._descriptor = os.open(self.path, _FLAGS, 0o600)
        except OSError as error:
            raise ConfigError(self._refused(_reason(error, self.path))) from None
        status = os.fstat(self._descriptor)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISCHR(status.st_mode)):
            os.close(self._descriptor)
            raise ConfigError(self._refused("it is not a regular file; name another file"))
        self._identity = (status.st_dev, status.st_ino)

    def _reopen(self) -> None:
        try:
            self._open()
        except ConfigError as error:
            raise OSError(errno.EBADF, str(error)) from None

    def _is_ours(self) -> bool:
        """Whether the descriptor still means this file: another one may have got its number."""
        try:
            status = os.fstat(self._descriptor)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._identity

    def _refused(self, reason: str) -> str:
        return f"{self._setting} = {self.path!r} cannot be opened for appending: {reason}"


def _reason(error: OSError, path: str) -> str:
    """Why a file could not be opened, and what to do."""
    folder = os.path.dirname(path)
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return f"the folder {folder!r} does not exist; create it or name another file"
    if error.errno == errno.ELOOP:
        return "it is a symbolic link, which rasp does not follow; name the file itself"
    if error.errno == errno.EISDIR:
        return "it is a folder; name a file in it"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "it is not writable for this user; change its owner or mode, or name another file"
    if error.errno == errno.ENXIO:
        return "it is not a regular file; name another file"
    return f"{error.strerror or type(error).__name__}; name another file"


class FindingsFile:
    """Writes every finding when it happens, and its count later on (``--findings FILE``)."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.file = AppendFile(path, "findings")

    def finding(self, finding: Finding) -> None:
        self.file.write(finding_line(finding))

    def recount(self, finding: Finding) -> None:
        self.file.write(finding_line(finding))

    def record(self, record: RequestRecord, findings: tuple[Finding, ...]) -> None:
        """Takes no records."""

    def close(self) -> None:
        self.file.close()


class EventsFile:
    """Writes the record of every request (``--events FILE``)."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.file = AppendFile(path, "events")

    def finding(self, finding: Finding) -> None:
        """Takes no findings."""

    def recount(self, finding: Finding) -> None:
        """Takes no findings."""

    def record(self, record: RequestRecord, findings: tuple[Finding, ...]) -> None:
        self.file.write(record_line(record))

    def close(self) -> None:
        self.file.close()
