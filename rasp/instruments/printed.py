"""What instruments of printed text share: is it written where people read, and how it is reported."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable
from traceback import FrameSummary
from types import FrameType, TracebackType
from typing import Any

from rasp.instruments.kit import Kit
from rasp.ledger.events import Exposed
from rasp.ledger.hits import Hit
from rasp.ledger.places import CallPath
from rasp.ledger.scopes import RequestScope
from rasp.model import Location, Verdict

LIBRARIES = frozenset(
    {
        "logging",
        "loguru",
        "structlog",
        "warnings",
        "_py_warnings",
        "traceback",
        "threading",
        "opentelemetry",
        "gunicorn",
    }
)
"""Packages whose own instruments tell of what they write to a stream."""
_LOGGERS = frozenset({"logging", "loguru", "structlog"})
_NEAR = 4


class Printed:
    """Judges text on its way to a stream."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def watchful(self) -> bool:
        """Whether a text can hold anything at all; asked before one is rendered."""
        if len(self._kit.ledger.values):
            return True
        scope = self._kit.ledger.scopes.of_thread()
        return scope is not None and scope.has("glow") and bool(scope.glow)

    def hits(self, text: object) -> list[Hit]:
        """The live values in a text."""
        return self._kit.ledger.values.find(text) if isinstance(text, str) else []

    def late_hits(self, text: str) -> tuple[list[Hit], RequestScope | None]:
        """The same of what a server or debugger writes about a request that has failed, and is over by then."""
        hits, scopes = self.hits(text), self._kit.ledger.scopes
        scope = scopes.of_thread() if scopes.here() is None else None
        if scope is None or not scope.has("glow"):
            return hits, None
        return hits or self._kit.ledger.values.find_among(text, scope.glow), scope

    def here(self) -> CallPath:
        """The innermost app frame of what runs now."""
        return self._kit.here(sys._getframe(1))

    def report(
        self,
        text: str,
        hits: list[Hit],
        holder: str,
        slot: str | None,
        place: Location | None = None,
        *,
        raisable: bool = True,
        scope: RequestScope | None = None,
    ) -> Verdict | None:
        """A text that holds live values is written; ``place`` is where it was made, if not here."""
        path = self.here() if scope is None else ()
        event = Exposed("log", text, hits, path, holder, slot, place, replaceable=True, raisable=raisable, scope=scope)
        verdict: Verdict | None = self._kit.pipeline.handle(event)
        return verdict

    def stack_of(self, stack: Iterable[FrameSummary]) -> Location | None:
        """The innermost app frame of a rendered stack."""
        places = self._kit.ledger.places
        for frame in reversed(list(stack)):
            if places.is_app(frame.filename):
                return places.location(frame.filename, frame.lineno or 0, frame.name)
        return None

    def raised_at(self, trace: TracebackType | None) -> Location | None:
        """The innermost app frame of a traceback."""
        places = self._kit.ledger.places
        found = None
        while trace is not None:
            code = trace.tb_frame.f_code
            if places.is_app(code.co_filename):
                found = places.location(code.co_filename, trace.tb_lineno, code.co_name)
            trace = trace.tb_next
        return found


def is_read(file: Any) -> bool:
    """Whether a stream leads to a console or a file; a ``StringIO`` is a step on the way to somewhere else."""
    if file is None:
        return sys.stderr is not None
    streams = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    return any(file is stream for stream in streams) or isinstance(file, io.TextIOWrapper)


def told_elsewhere(frame: FrameType | None) -> bool:
    """Whether what writes is a library with an instrument of its own, or a handler or sink that it calls."""
    if _package(frame) in LIBRARIES:
        return True
    for _ in range(_NEAR):
        frame = frame.f_back if frame is not None else None
        if _package(frame) in _LOGGERS:
            return True
    return False


def _package(frame: FrameType | None) -> str:
    name = frame.f_globals.get("__name__") if frame is not None else None
    return name.partition(".")[0] if isinstance(name, str) else ""
