"""Text made safe for output: runs of token characters masked, control characters escaped, length bounded."""

from __future__ import annotations

import re

LIMIT = 200
_RUN = re.compile(r"[A-Za-z0-9_\-+/~]{16,}")
_MASK = re.compile(r"\[credential:[a-z_]+:[0-9a-f]{16}\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
HIDDEN = "[masked]"


def escape(text: str, limit: int = LIMIT) -> str:
    """Control and direction characters as ``\\xNN``, and at most ``limit`` characters."""
    shown = _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text[:limit])
    return shown[: limit - 1] + "…" if len(text) > limit or len(shown) > limit else shown


def mask_runs(text: str, limit: int = LIMIT) -> str:
    """Text in which every run of 16 or more token characters is hidden, known or not; rasp's own masks stay."""
    shown = []
    at = 0
    for mask in _MASK.finditer(text):
        shown += [_RUN.sub(HIDDEN, text[at : mask.start()]), mask.group()]
        at = mask.end()
    shown.append(_RUN.sub(HIDDEN, text[at:]))
    return escape("".join(shown), limit)
