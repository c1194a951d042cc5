"""Native calls that received a credential, and that no instrument followed: what deep mode lists.

They are no findings. In a request's record each is a ``use`` by a holder named ``deep.`` and the function, which is how
``rasp report`` reads them from events files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rasp.model import Location
from rasp.reporters.markdown import escape_markdown
from rasp.reporters.safe import plain
from rasp.reporters.text import place

HOLDER = "deep."
TITLE = "native calls that received a credential"


@dataclass(frozen=True, slots=True)
class NativeCall:
    """A function in C, where it was called with a credential as its first argument, and how often."""

    function: str
    location: Location
    count: int


def native_calls_of(record: Mapping[str, Any]) -> Iterable[NativeCall]:
    """The calls in one line of an events file; what is no such line has none."""
    events = record.get("events")
    for event in events if isinstance(events, list) else ():
        holder, place = event.get("holder"), event.get("location")
        if isinstance(holder, str) and holder.startswith(HOLDER) and isinstance(place, dict):
            location = Location(str(place.get("file")), int(place.get("line", 0)), str(place.get("function")))
            yield NativeCall(holder.removeprefix(HOLDER), location, 1)


def merged(calls: Iterable[NativeCall]) -> list[NativeCall]:
    """Each function and place once, with the sum of its counts."""
    counts: Counter[tuple[str, Location]] = Counter()
    for call in calls:
        counts[call.function, call.location] += call.count
    order = sorted(counts, key=lambda key: (key[0], key[1].file, key[1].line))
    return [NativeCall(function, location, counts[function, location]) for function, location in order]


def render_native_calls(calls: Sequence[NativeCall]) -> str:
    """The section of a text report; empty where there are none."""
    if not calls:
        return ""
    width = max(len(plain(call.function)) for call in calls)
    lines = [TITLE]
    for call in calls:
        times = "once" if call.count == 1 else f"{call.count} times"
        lines.append(f"  {plain(call.function):<{width}}  {plain(place(call.location))}, {times}")
    return "\n".join(lines) + "\n"


def native_calls_markdown(calls: Sequence[NativeCall]) -> str:
    """The section of a Markdown report; empty where there are none."""
    if not calls:
        return ""
    lines = ["", f"## {TITLE}", "", "| function | location | count |", "|---|---|---:|"]
    for call in calls:
        cells = (plain(call.function), place(call.location), str(call.count))
        lines.append("| " + " | ".join(escape_markdown(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def native_calls_json(calls: Sequence[NativeCall]) -> list[dict[str, Any]]:
    """The section of a JSON report."""
    return [
        {
            "function": plain(call.function),
            "location": {
                "file": plain(call.location.file),
                "line": call.location.line,
                "function": plain(call.location.function),
            },
            "count": call.count,
        }
        for call in calls
    ]
