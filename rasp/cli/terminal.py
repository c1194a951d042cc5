"""Text for people: tables, and colours where the output is a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TextIO

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_NARROWEST = 24
"""The last column of a table is not wrapped to less."""


def colours(stream: TextIO | None = None) -> bool:
    """Whether a stream (by default standard output) shows colours: a terminal, and nothing says no."""
    return is_terminal(stream) and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def is_terminal(stream: TextIO | None = None) -> bool:
    """Whether a stream (by default standard output, which may be closed) is a terminal."""
    stream = sys.stdout if stream is None else stream
    return stream is not None and stream.isatty()


def paint(text: str, colour: str, wanted: bool) -> str:
    """The text in a colour, or as it is."""
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if wanted else text


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], wrap: bool) -> str:
    """Aligned columns under headers; with ``wrap`` the last column is broken to the width of the terminal."""
    columns = list(zip(headers, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns[:-1]]
    indent = sum(widths) + 2 * len(widths)
    room = max(shutil.get_terminal_size().columns - indent, _NARROWEST)
    lines = []
    for row in (headers, *rows):
        start = "".join(cell.ljust(width) + "  " for cell, width in zip(row, widths, strict=False))
        last = (textwrap.wrap(row[-1], room) if wrap else []) or [row[-1]]
        lines.append((start + last[0]).rstrip())
        lines += [" " * indent + rest for rest in last[1:]]
    return "\n".join(lines)
