"""Where live values stand in a text."""

from __future__ import annotations

from typing import NamedTuple

from rasp.ledger.forms import RUN_CHARACTERS
from rasp.ledger.value import LiveValue


class Hit(NamedTuple):
    """A live value found in a text, from ``start`` to ``end``; ``whole`` unless only a fragment of it stands there."""

    live: LiveValue
    start: int
    end: int
    whole: bool
    short: bool = False


def occurrences(text: str, wanted: str, live: LiveValue) -> list[Hit]:
    """Where a value with few token characters in a row stands; a short one only as a whole delimited run."""
    hits = []
    at = text.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        joined = (at > 0 and text[at - 1] in RUN_CHARACTERS) or (end < len(text) and text[end] in RUN_CHARACTERS)
        if not (live.short and joined):
            hits.append(Hit(live, at, end, True, live.short))
        at = text.find(wanted, end)
    return hits


def without_overlaps(hits: list[Hit]) -> list[Hit]:
    """The hits in order of place; of overlapping ones the first and longest."""
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end)):
        if not kept or hit.start >= kept[-1].end:
            kept.append(hit)
    return kept
