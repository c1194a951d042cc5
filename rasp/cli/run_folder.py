"""The folder in which the processes of one ``rasp run`` say that they started and what they found.

Written without ``pathlib``, ``tempfile`` and ``shutil``, whose imports would be a good part of what
``rasp run`` may cost.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rasp.errors import RaspError

SEVERITIES = ("note", "warning", "error")
"""The words of ``rasp.model.Severity``, the least first."""

FINDINGS = "findings"
"""The file to which each process appends, one ``write`` a line, the severity of every new finding."""


@contextmanager
def run_folder() -> Iterator[str]:
    """A new folder that only this user can enter; removed in the end.

    Raises:
        RaspError: it cannot be made.
    """
    parent = os.path.abspath(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 - the name in it is random
    folder = os.path.join(parent, f"rasp-run-{os.urandom(12).hex()}")
    try:
        os.mkdir(folder, 0o700)
    except OSError as error:
        raise RaspError(f"cannot make a folder in {parent} (TMPDIR): {error.strerror}") from None
    try:
        yield folder
    finally:
        _remove(folder)


def _remove(folder: str) -> None:
    """Removes the folder, unless a process that outlives the command leaves one more file meanwhile."""
    try:
        for entry in os.scandir(folder):
            os.unlink(entry)
        os.rmdir(folder)
    except OSError:
        pass


def any_mark(folder: str, kind: str) -> bool:
    """Whether a process left a mark: that it ``started`` under rasp, or ``failed`` to."""
    try:
        return any(name.startswith(f"{kind}-") for name in os.listdir(folder))
    except OSError:
        return False


def found(folder: str) -> Counter[str]:
    """How many findings of each severity the processes reported."""
    counts: Counter[str] = Counter()
    try:
        with open(os.path.join(folder, FINDINGS), encoding="ascii", errors="replace") as lines:
            counts.update(line.strip() for line in lines)
    except OSError:
        pass  # nothing was found
    # A process that is killed as it writes may leave half a word.
    return Counter({word: counts[word] for word in SEVERITIES if counts[word]})


def hand_on(counts: Counter[str], outer: str) -> None:
    """Tells the folder of an outer ``rasp run`` what was found, as the processes would have done."""
    try:
        with open(os.path.join(outer, FINDINGS), "a", encoding="ascii") as file:
            file.write("".join(f"{word}\n" * number for word, number in counts.items()))
    except OSError:
        pass  # the outer run is over
