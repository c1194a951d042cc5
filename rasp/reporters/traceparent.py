"""The W3C ``traceparent`` header, read without importing a tracing library."""

from __future__ import annotations

import re
from typing import NamedTuple

_HEADER = re.compile(r"[ \t]*([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?[ \t]*")
_LONGEST = 512


class TraceParent(NamedTuple):
    """Which span called: its ids in hex, and the flags it sent (1: sampled)."""

    trace_id: str
    span_id: str
    flags: int


def parse_traceparent(header: str | None) -> TraceParent | None:
    """The header's content; ``None`` for no header and for one that the standard says to ignore."""
    if not header or len(header) > _LONGEST:
        return None
    found = _HEADER.fullmatch(header)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more):
        return None
    if not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return TraceParent(trace_id, span_id, int(flags, 16))
