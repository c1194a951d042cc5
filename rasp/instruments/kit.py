"""What every instrument is given: the way into the pipeline, and nothing of the stages behind it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, TypeVar

from rasp.config import Config
from rasp.ledger.ledger import Ledger
from rasp.ledger.places import CallPath
from rasp.model import Verdict
from rasp.patching.guard import Guard, Hook
from rasp.pipeline import Pipeline
from rasp.sources.extract import Extractor
from rasp.sources.wsgi import Door

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kit:
    """Hooks are made with ``hook``; what they return is a verdict, which ``obey`` carries out outside the guard."""

    pipeline: Pipeline
    ledger: Ledger
    guard: Guard
    door: Door
    extractor: Extractor
    config: Config
    _shared: dict[object, Any] = field(default_factory=dict)

    def shared(self, make: Callable[[Kit], T]) -> T:
        """What several instruments share, made when the first one asks: the same ``make``, the same object."""
        if make not in self._shared:
            self._shared[make] = make(self)
        found: T = self._shared[make]
        return found

    def hook(self, name: str, function: Hook) -> Hook:
        """A guarded hook: it returns ``None`` where it fails, and whenever rasp itself is at work."""
        return self.guard.protect(name, function)

    def path(self, frame: FrameType) -> CallPath:
        """The whole call path, for what is compared."""
        return self.ledger.places.path(frame)

    def here(self, frame: FrameType) -> CallPath:
        """The innermost app frame, for what is only located."""
        return self.ledger.places.innermost(frame)


def obey(verdict: Verdict | None) -> None:
    """Raises what ``strict`` raises."""
    if verdict is not None and verdict.exception is not None:
        raise verdict.exception


def caller(depth: int = 2) -> FrameType:
    """The frame that called the wrapper which calls this."""
    return sys._getframe(depth)


def as_text(value: object) -> str | None:
    """A ``str`` or ``bytes`` as text, else ``None``."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "surrogateescape")
    return None
