"""An image or a file in base64, as it stands in a text: no credential is that long, and to search it takes its time."""

from __future__ import annotations

import re

_LEAST = 16_384
_BLOB = re.compile(r"[A-Za-z0-9+/_\-]{16384,}")


def blanked(text: str) -> str:
    """The text with spaces in place of such blobs; all else stands where it stood."""
    return _BLOB.sub(_spaces, text) if len(text) >= _LEAST else text


def _spaces(blob: re.Match[str]) -> str:
    return " " * len(blob.group())
