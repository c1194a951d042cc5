"""Plain tables, aligned for a terminal or as Markdown, and the words for numbers in them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence


def show(head: Sequence[str], rows: Iterable[Sequence[str]], *, markdown: bool = False) -> None:
    """Prints a table; its first column is aligned to the left, the others to the right."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    if markdown:
        lines.insert(1, ["---", *("---:" for _ in head[1:])])
        for line in lines:
            print(f"| {' | '.join(line)} |")
    else:
        for line in lines:
            cells = [line[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(line[1:], widths[1:], strict=True))]
            print("  ".join(cells).rstrip())
    print(flush=True)


def heading(text: str, *, markdown: bool = False) -> None:
    """A line above a table."""
    print(f"**{text}**\n" if markdown else text)


def spread(numbers: Sequence[float], digits: int = 3) -> str:
    """Median and quartiles."""
    if len(numbers) < 2:
        return f"{numbers[0]:.{digits}f}" if numbers else "-"
    low, middle, high = statistics.quantiles(numbers, n=4, method="inclusive")
    return f"{middle:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def ratios(mine: Sequence[float], base: Sequence[float]) -> list[float]:
    """Round by round."""
    return [one / other for one, other in zip(mine, base, strict=True)]


def added(mine: Sequence[float], base: Sequence[float]) -> float:
    """The median of what was added, round by round."""
    return statistics.median(one - other for one, other in zip(mine, base, strict=True))


def verdict(measured: float, limit: float) -> str:
    """A limit, and whether it is held."""
    return f"<= {limit:g} {'held' if measured <= limit else 'MISSED'}"
