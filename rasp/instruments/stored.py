"""What all instruments of storage share: which credentials count as stored, and where they stand in what is given.

Only those that a caller presented to this app: what the app issues itself, and its own secrets, it may have to keep.
"""

from __future__ import annotations

import os
import stat
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from itertools import islice
from types import BuiltinFunctionType, FrameType, FunctionType, GetSetDescriptorType, MemberDescriptorType, ModuleType
from typing import Any

from rasp.instruments.blobs import blanked
from rasp.instruments.caches import cache_depth
from rasp.instruments.kit import Kit, as_text
from rasp.ledger.budget import LARGE
from rasp.ledger.cache_book import SESSION_LIBRARIES
from rasp.ledger.events import Exposed
from rasp.ledger.hits import Hit
from rasp.ledger.scopes import RequestScope
from rasp.ledger.value import LiveValue
from rasp.model import Kind, Verdict
from rasp.patching.patches import loaded

LEAVES = 1_000
"""Texts of one object that are looked at."""
LONGEST = 65_536
"""Characters of one text that are searched."""
TOGETHER = 4 * LONGEST
"""Characters of all texts of one object that are searched."""
SHORTEST = 8
"""Characters of a text that may hold a credential."""
_PRESENTED = frozenset({"header", "cookie", "query", "form", "json", "route"})
_FRAMES = 64
_PLAIN = (int, float, complex, type, ModuleType, FunctionType, BuiltinFunctionType)


def statement_depth(kit: Kit) -> ContextVar[bool]:
    """Whether a layer above the driver tells of the statements: ``kit.shared(statement_depth)``.

    A context variable: SQLAlchemy's asynchronous engines call the driver from another greenlet, in the same context.
    """
    return ContextVar("rasp.statement", default=False)


class Stored:
    """Finds and reports what is about to be stored: ``kit.shared(Stored)``."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._inside = kit.shared(cache_depth).inside
        self.values = kit.ledger.values

    @property
    def possible(self) -> bool:
        """Whether there is anything to find here: the first and cheapest question. A cache tells of its own writes."""
        return self.values.foreign > 0 and not self._inside()

    def scope(self) -> RequestScope | None:
        """The request that is served here."""
        return self._kit.ledger.scopes.here()

    def found(self, content: object) -> list[Hit]:
        """Presented credentials in a text or object, each once."""
        return list({hit.live: hit for hit in self.hits(content)}.values())

    def hits(self, content: object) -> list[Hit]:
        """All places of presented credentials in a text or object."""
        if isinstance(content, str):
            hits = self._search(content)
        else:
            hits, left = [], TOGETHER
            for text in leaves(content):
                hits += self._search(text)
                left -= min(len(text), LONGEST)
                if left <= 0:
                    self.values.dropped += 1
                    break
        if not hits:
            return hits
        scope = self.scope()
        return [hit for hit in hits if is_presented(hit.live, scope)]

    def _search(self, text: str) -> list[Hit]:
        return self.values.find(text if len(text) < LARGE else blanked(text[: LONGEST + 1]), LONGEST)

    def report(self, holder: str, hits: Sequence[Hit], *, noted: bool = False, slot: str | None = None) -> Any:
        """They are stored in the clear; by a session library, as it must: a note."""
        frame = sys._getframe(1)
        if all(hit.live.kind is Kind.SESSION for hit in hits):
            noted = noted or _by_session_library(frame)
        path = self._kit.here(frame) or self._kit.here(_waiting())
        event = Exposed("stored", "", hits, path, holder, slot, noted=noted)
        verdict: Verdict | None = self._kit.pipeline.handle(event)
        return verdict


def _by_session_library(frame: FrameType | None) -> bool:
    """Whether a session library does this, through however many layers of a database library."""
    for _ in range(_FRAMES):
        if frame is None:
            return False
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] in SESSION_LIBRARIES:
            return True
        frame = frame.f_back
    return False


def _waiting() -> FrameType:
    """Where the parent of this greenlet waits for it, as the app does that awaits SQLAlchemy; else a frame of ours."""
    module = loaded("greenlet")
    parent = module.getcurrent().parent if module is not None else None
    found: FrameType | None = parent.gr_frame if parent is not None else None
    return found or sys._getframe()


def is_presented(live: LiveValue, scope: RequestScope | None) -> bool:
    """Whether some caller presented a credential to this app."""
    if live.kind is Kind.SERVICE:
        return False
    if live.presented_in_header or live.source.partition(":")[0] in _PRESENTED:
        return True
    return scope is not None and live in scope.presented


def leaves(content: object) -> Iterator[str]:
    """The texts in an object, through containers and attributes; nothing of the app's is called for it."""
    waiting: list[Any] = [content]
    seen: set[int] = set()
    for _ in range(LEAVES):
        if not waiting:
            return
        item = waiting.pop()
        text = as_text(_beginning(item))
        if text is not None:
            yield text
            continue
        if item is None or isinstance(item, _PLAIN) or id(item) in seen:
            continue
        seen.add(id(item))
        waiting += _parts(item)


def _beginning(item: Any) -> Any:
    """Of bytes as many as are searched, so that no more are copied."""
    if isinstance(item, memoryview) and item.c_contiguous and item.ndim == 1:
        item = bytes(item.cast("B")[:LONGEST])
    return item[:LONGEST] if isinstance(item, (bytes, bytearray)) else item


def _parts(item: Any) -> list[Any]:
    """What a container or an object holds, without a call of anything that its class overrides."""
    if isinstance(item, dict):
        return [part for pair in islice(dict.items(item), LEAVES) for part in pair]
    kind: Any
    for kind in (list, tuple, set, frozenset, deque):
        if isinstance(item, kind):
            return list(islice(kind.__iter__(item), LEAVES))
    return list(islice(_attributes(item), LEAVES))


def _attributes(item: Any) -> Iterator[Any]:
    for cls in type(item).__mro__:
        names = cls.__dict__
        attributes = names.get("__dict__")
        if isinstance(attributes, (GetSetDescriptorType, MemberDescriptorType)):
            yield from attributes.__get__(item).values()
        if "__slots__" in names:
            for slot in names.values():
                if isinstance(slot, MemberDescriptorType) and slot is not attributes:
                    yield _slot(slot, item)


def _slot(slot: MemberDescriptorType, item: Any) -> Any:
    try:
        return slot.__get__(item)
    except AttributeError:  # it was never filled
        return None


def pickle_depth(kit: Kit) -> ContextVar[bool]:
    """Whether ``pickle.dump`` is at work and has told what it writes: ``kit.shared(pickle_depth)``."""
    return ContextVar("rasp.pickle", default=False)


_LAYERS = (
    ("io", "TextIOWrapper", "buffer"),
    ("io", "BufferedWriter", "raw"),
    ("io", "BufferedRandom", "raw"),
    ("gzip", "GzipFile", "fileobj"),
    ("bz2", "BZ2File", "_fp"),
    ("lzma", "LZMAFile", "_fp"),
    ("tempfile", "_TemporaryFileWrapper", "file"),
)
"""Kinds of open files, and where each keeps the one that it writes to."""


def is_regular(file: Any) -> bool:
    """Whether an open file is one on disk: no pipe, no memory, no standard stream.

    Only known kinds are asked: a spooled file would leave memory for being asked its number.
    """
    kinds = [(getattr(loaded(module), name, None), inner) for module, name, inner in _LAYERS]
    for _ in _LAYERS:
        inner = next((inner for kind, inner in kinds if kind is not None and isinstance(file, kind)), None)
        if inner is None:
            break
        try:
            file = getattr(file, inner, None)
        except ValueError:  # it has been detached
            return False
    io = loaded("io")
    if io is None or not isinstance(file, io.FileIO) or file.closed:
        return False
    number = file.fileno()
    try:
        return number > 2 and stat.S_ISREG(os.fstat(number).st_mode)
    except OSError:  # its descriptor was closed behind its back
        return False
