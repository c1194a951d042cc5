"""Nested data on its way out of the process, as error reporters and log exporters send it: dicts, lists and texts.

``texts`` finds the texts in it that hold live values; ``masked`` rewrites them in place. Both are bounded: what a
document holds beyond the bound is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from rasp.ledger.hits import Hit
from rasp.ledger.live import LiveValues
from rasp.ledger.value import LiveValue
from rasp.pipeline import mask_hits

DEPTH = 24
SHORTEST = 8
"""Characters of the shortest value that is followed."""
_TOGETHER = 100_000
NODES = 20_000
"""Entries of one document that are looked at; Sentry itself cuts its events far below."""


class Text(NamedTuple):
    """A text that holds live values: in which part of the document, and how to put another one in its place."""

    part: str
    text: str
    hits: list[Hit]
    replace: Callable[[str], None]

    def __repr__(self) -> str:
        return f"<Text in {self.part}>"


class _Walk:
    """One walk through one document."""

    def __init__(self, values: LiveValues) -> None:
        self._values = values
        self._left = NODES

    def within(self, part: str, entry: Any, replace: Callable[[Any], None], depth: int) -> Iterator[Text]:
        self._left -= 1
        if self._left < 0 or depth > DEPTH:
            return
        if isinstance(entry, str):
            hits = self._values.find(entry)
            if hits:
                yield Text(part, entry, hits, replace)
        elif isinstance(entry, bytes):
            text = entry.decode("utf-8", "surrogateescape")
            hits = self._values.find(text)
            if hits:
                yield Text(part, text, hits, lambda new: replace(new.encode("utf-8", "surrogateescape")))
        elif isinstance(entry, dict):
            yield from self._members(part, entry, depth)
        elif isinstance(entry, (list, tuple)):
            yield from self._entries(part, entry, replace, depth)

    def _members(self, part: str, members: dict[Any, Any], depth: int) -> Iterator[Text]:
        for key, value in tuple(members.items()):
            if isinstance(key, str) and len(key) >= SHORTEST:
                yield from self.within(part, key, partial(_renamed, members, key), depth + 1)
            yield from self.within(part, value, partial(members.__setitem__, key), depth + 1)

    def _entries(self, part: str, entries: Any, replace: Callable[[Any], None], depth: int) -> Iterator[Text]:
        if isinstance(entries, tuple):
            copy = list(entries)

            def put(at: int, new: Any) -> None:
                copy[at] = new
                replace(tuple(copy))

        else:

            def put(at: int, new: Any) -> None:
                entries[at] = new

        for at, value in enumerate(tuple(entries)):
            yield from self.within(part, value, partial(put, at), depth + 1)


def texts(document: dict[str, Any], values: LiveValues, leave_out: frozenset[str] = frozenset()) -> list[Text]:
    """The texts in a document that hold live values, each with the top-level member that it stands in."""
    if not len(values) or not _may_hold(document, values, leave_out):
        return []
    walk = _Walk(values)
    found: list[Text] = []
    for part, value in tuple(document.items()):
        if part not in leave_out:
            found += walk.within(part, value, partial(document.__setitem__, part), 0)
    return found


def _may_hold(document: dict[str, Any], values: LiveValues, leave_out: frozenset[str]) -> bool:
    """Whether any text holds a live value: all of them are searched at once, which is what nearly always happens."""
    left: list[Any] = [value for part, value in document.items() if part not in leave_out]
    parts: list[str] = []
    length = seen = 0
    while left and seen < NODES:
        entry = left.pop()
        seen += 1
        kind = type(entry)
        if kind is str:
            if len(entry) < SHORTEST:
                continue
            parts.append(entry)
            length += len(entry)
            if length > _TOGETHER:
                if values.find("\n".join(parts), length + len(parts)):
                    return True
                parts.clear()
                length = 0
        elif kind is dict:
            left += entry
            left += entry.values()
        elif isinstance(entry, (list, tuple)):
            left += entry
        elif isinstance(entry, (str, bytes, dict)):
            return True  # looked at closely
    if left:
        return True  # too large, or it contains itself
    return bool(parts) and bool(values.find("\n".join(parts), length + len(parts)))


def by_value(found: list[Text]) -> dict[LiveValue, list[Text]]:
    """The same texts, for each credential that stands in them."""
    ordered: dict[LiveValue, list[Text]] = {}
    for entry in found:
        for live in dict.fromkeys(hit.live for hit in entry.hits):
            ordered.setdefault(live, []).append(entry)
    return ordered


def masked(found: list[Text], lives: set[LiveValue]) -> bool:
    """Puts the masks of these credentials in their place; whether there was any."""
    changed = False
    for entry in reversed(found):  # a member's value before its name
        if any(hit.live in lives for hit in entry.hits):
            entry.replace(mask_hits(entry.text, entry.hits, lives))
            changed = True
    return changed


def copied(entry: Any, depth: int = 0) -> Any:
    """A copy of the containers in a document, so that masks do not come into the app's own objects."""
    if depth > DEPTH:
        return entry
    if isinstance(entry, Mapping):
        return {key: copied(value, depth + 1) for key, value in entry.items()}
    if isinstance(entry, (list, tuple)):
        return type(entry)([copied(value, depth + 1) for value in entry]) if type(entry) in (list, tuple) else entry
    return entry


def _renamed(members: dict[Any, Any], key: str, new: Any) -> None:
    """Another name for a member, at its place."""
    kept = tuple(members.items())
    members.clear()
    members.update((new if name == key else name, value) for name, value in kept)
