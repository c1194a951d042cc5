"""The shapes in which a credential turns up in text, and the chunks of them that find it there.

A form is a text that stands for a whole value: the value, or an encoding of it. Of the plain value a fragment of the
secret part counts too. Chunks are 12 characters long and lie inside one run of token characters, so that a text is
searched by sliding over its runs.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

CHUNK = 12
EDGE = 16
"""A fragment counts from its first or last 16 characters on."""
INNER = 24
"""A fragment from the middle counts from 24 characters on."""

RUN_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+/~"
RUN = re.compile(r"[A-Za-z0-9_\-+/~]+")
LONG_RUN = re.compile(r"[A-Za-z0-9_\-+/~]{12,}")
_PLAIN = re.compile(r"[A-Za-z0-9_\-.~]+\Z")


@dataclass(frozen=True, slots=True, repr=False)
class Form:
    """One shape of a value. ``start`` to ``end`` is the part of it whose fragments count; none where equal."""

    text: str
    start: int
    end: int

    def match(self, text: str, chunk_at: int, at: int) -> tuple[int, int, bool] | None:
        """Extends a chunk that was found to what stands for the value.

        Args:
            text: the text searched.
            chunk_at: where in this form the chunk lies.
            at: where in the text it was found.

        Returns:
            start and end in the text, and whether the whole value stands there; ``None`` if it does not count.
        """
        form = self.text
        begin = at - chunk_at
        if begin >= 0 and text.startswith(form, begin):
            return begin, begin + len(form), True
        if self.end <= self.start or chunk_at < self.start:
            return None
        left, right = self._extend(text, chunk_at, at)
        first, last = chunk_at - (at - left), chunk_at + (right - at)
        length = right - left
        edge = first == self.start or last == self.end
        if length < (EDGE if edge else INNER):
            return None
        return (left, right, False) if self._run_is_ours(text, left, right) else None

    def _extend(self, text: str, chunk_at: int, at: int) -> tuple[int, int]:
        """The widest stretch of the text around a chunk that equals the secret part."""
        form, left, place = self.text, at, chunk_at
        while left > 0 and place > self.start and text[left - 1] == form[place - 1]:
            left, place = left - 1, place - 1
        right, place = at + CHUNK, chunk_at + CHUNK
        while right < len(text) and place < self.end and text[right] == form[place]:
            right, place = right + 1, place + 1
        return left, right

    def _run_is_ours(self, text: str, left: int, right: int) -> bool:
        """Whether the run of token characters around a stretch belongs to the value: nothing is joined to it."""
        before = left > 0 and text[left - 1] in RUN_CHARACTERS
        after = right < len(text) and text[right] in RUN_CHARACTERS
        return not before and not after


def forms_of(value: str, span: tuple[int, int]) -> list[Form]:
    """All forms of a value; the plain one first, then its encodings, each once.

    Args:
        value: the raw credential.
        span: its secret part; equal bounds mean that no fragment counts.
    """
    forms = [Form(value, *span)]
    texts = {value}
    for text in _encodings(value):
        if len(text) >= CHUNK and text not in texts:
            texts.add(text)
            forms.append(Form(text, 0, 0))
    return forms


def quoted(value: str) -> tuple[str, ...]:
    """How a value may stand in a URL."""
    if _PLAIN.match(value):
        return (value,)
    raw = value.encode("utf-8", "surrogateescape")
    return tuple(dict.fromkeys((value, quote(raw, safe=""), quote(raw), quote_plus(raw))))


def _encodings(value: str) -> list[str]:
    raw = value.encode("utf-8", "surrogateescape")
    found = [raw.hex(), raw.hex().upper(), *_base64(raw)]
    if not _PLAIN.match(value):
        escaped = json.dumps(value)[1:-1]
        found += [
            quote(raw, safe=""),
            quote(raw),
            quote_plus(raw),
            escaped,
            escaped.replace("/", "\\/"),
        ]
        found += [repr(value)[1:-1], repr(raw)[2:-1]]
    return found


def _base64(raw: bytes) -> list[str]:
    """Base64 of the bytes at each of three offsets, without the characters that depend on the neighbours."""
    found = []
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw)
        first = (0, 2, 3)[offset]
        last = (offset + len(raw)) * 8 // 6
        text = encoded[first:last].decode("ascii")
        found.append(text)
        if "+" in text or "/" in text:
            found.append(text.replace("+", "-").replace("/", "_"))
    return found


def chunks_of(form: Form) -> list[tuple[str, int]]:
    """The chunks that find a form: of the secret part one every 12 characters and the last, else the first one."""
    text = form.text
    found: list[tuple[str, int]] = []
    if form.end <= form.start and LONG_RUN.fullmatch(text[-CHUNK:]):
        return [(text[-CHUNK:], len(text) - CHUNK)]
    if form.end > form.start:
        for run in LONG_RUN.finditer(text, form.start, form.end):
            starts = list(range(run.start(), run.end() - CHUNK + 1, CHUNK))
            if starts[-1] != run.end() - CHUNK:
                starts.append(run.end() - CHUNK)
            found += [(text[at : at + CHUNK], at) for at in starts]
    if not found:
        longest = max(LONG_RUN.finditer(text), key=lambda run: run.end() - run.start(), default=None)
        if longest is not None:
            at = longest.end() - CHUNK
            found.append((text[at : at + CHUNK], at))
    return found
