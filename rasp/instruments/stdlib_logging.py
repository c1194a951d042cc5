"""``logging``: the text that a handler renders, and records that a handler sends on by itself.

``Handler.format`` is where text becomes final; ``Handler.handle`` tells whether it was called; ``Logger.handle`` is
outside every ``emit``, where raising is safe. The wrappers are compiled under logging's own module name, so that
structlog's ``CallsiteParameterAdder`` skips them; ``%(funcName)s`` is settled before they run. ``QueueHandler`` is left alone: its text is not
final, the listener's handlers are. Not seen: handlers that override both ``handle`` and ``format``.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from rasp.instruments.kit import Kit, caller
from rasp.ledger.events import Exposed
from rasp.ledger.live import Hit
from rasp.ledger.scopes import RequestScope
from rasp.ledger.value import LiveValue
from rasp.model import Location, Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like
from rasp.pipeline import mask_hits

ACCESS_LOGGERS = frozenset(
    {"werkzeug", "gunicorn.access", "waitress.access", "wsgi", "cheroot.access", "uvicorn.access"}
)
_NOT_FINAL = frozenset({"QueueHandler", "BufferingHandler", "MemoryHandler", "NullHandler"})

_FORMAT = """
def format(self, record):
    text = original(self, record)
    masked = rendered(self, record, text)
    return text if masked is None else masked
"""
_HANDLE = """
def handle(self, record):
    before = entered()
    try:
        result = original(self, record)
    except BaseException:
        left(before)
        raise
    if result:
        unrendered(self, record)
    left(before)
    return result
"""
_LOG = """
def handle(self, record):
    before = opened()
    try:
        original(self, record)
    finally:
        violation = closed(before)
    if violation is not None:
        raise violation
"""


class Call:
    """One log call on its way through the handlers: what was found in it so far."""

    __slots__ = ("masked", "seen", "violation")

    def __init__(self) -> None:
        self.seen: set[LiveValue] = set()
        self.masked: set[LiveValue] = set()
        self.violation: Exception | None = None


class State(threading.local):
    """What this thread is in the middle of."""

    call: Call | None = None
    formatted = False


class LoggingHooks:
    """Judges what handlers render."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._state = State()

    def entered(self) -> bool:
        """A handler begins."""
        before, self._state.formatted = self._state.formatted, False
        return before

    def left(self, before: bool) -> None:
        """A handler is done."""
        self._state.formatted = before

    def opened(self) -> Call | None:
        """A logger hands a record to its handlers."""
        before, self._state.call = self._state.call, Call()
        return before

    def closed(self, before: Call | None) -> Exception | None:
        """All handlers are done; what ``strict`` raises is raised now."""
        call, self._state.call = self._state.call, before
        return call.violation if call is not None else None

    def rendered(self, handler: Any, record: Any, text: Any) -> str | None:
        """A handler's final text; what it should write instead, if anything."""
        if not isinstance(text, str) or is_not_final(type(handler)):
            return None
        self._state.formatted = True
        hits, scope = self._hits(record, text)
        return self._judge(record, text, hits, scope, lowered=False) if hits else None

    def unrendered(self, handler: Any, record: Any) -> None:
        """A handler that did not call ``format`` sends the record on by itself: its message is judged."""
        if self._state.formatted or is_not_final(type(handler)):
            return
        text = record.getMessage()
        hits, scope = self._hits(record, text)
        if hits:
            self._judge(record, text, hits, scope, lowered=True)

    def _hits(self, record: Any, text: str) -> tuple[list[Hit], RequestScope | None]:
        scopes = self._kit.ledger.scopes
        scope = scopes.here()
        hits = self._kit.ledger.values.find(text)
        if scope is None and record.name in ACCESS_LOGGERS:
            scope = scopes.of_thread()
            if not hits and scope is not None and scope.glow:
                hits = self._kit.ledger.values.find_among(text, scope.glow)
        return hits, scope

    def _judge(
        self, record: Any, text: str, hits: list[Hit], scope: RequestScope | None, *, lowered: bool
    ) -> str | None:
        call = self._state.call or Call()
        fresh = [hit for hit in hits if hit.live not in call.seen]
        if fresh:
            call.seen.update(hit.live for hit in fresh)
            verdict = self._report(record, text, fresh, scope, call, lowered=lowered)
            if verdict is not None and verdict.text is not None:
                call.masked.update(hit.live for hit in fresh)
            if verdict is not None and verdict.exception is not None and call.violation is None:
                call.violation = verdict.exception
        return mask_hits(text, hits, call.masked) if call.masked else None

    def _report(
        self,
        record: Any,
        text: str,
        hits: list[Hit],
        scope: RequestScope | None,
        call: Call,
        *,
        lowered: bool,
    ) -> Verdict | None:
        access = record.name in ACCESS_LOGGERS
        frame = caller(5)
        place = None if access else self._place(record, scope)
        event = Exposed(
            sink="access_log" if access else "log",
            text=text,
            hits=hits,
            path=() if access else self._kit.here(frame),
            holder="logging",
            slot=record.name,
            place=place,
            lowered=lowered,
            replaceable=not lowered,
            raisable=self._state.call is call and not access,
            scope=scope,
        )
        verdict: Verdict | None = self._kit.pipeline.handle(event)
        return verdict

    def _place(self, record: Any, scope: RequestScope | None) -> Location | None:
        """The record's own place, unless only a library stands there and the request has a better one."""
        places = self._kit.ledger.places
        if scope is not None and not places.is_app(record.pathname):
            return None
        return places.location(record.pathname, record.lineno, record.funcName or "<module>")


@functools.lru_cache(maxsize=256)
def is_not_final(handler: type) -> bool:
    """Whether what a handler of this class renders is rendered again elsewhere."""
    return any(cls.__name__ in _NOT_FINAL for cls in handler.__mro__)


def compiled(module: ModuleType, source: str, original: Any, **names: Callable[..., Any]) -> Any:
    """A wrapper that call-site lookups take for a part of its library."""
    namespace: dict[str, Any] = {"__name__": module.__name__, "original": original, **names}
    exec(compile(source, "<rasp>", "exec"), namespace)  # noqa: S102 - constant source, for its module's name
    made = next(value for name, value in namespace.items() if name in ("format", "handle", "_process_event"))
    return named_like(original, made)


def instrument(kit: Kit) -> Instrument:
    """The instrument of the standard library's ``logging``."""
    import sys

    hooks = LoggingHooks(kit)
    rendered = kit.hook("logging.format", hooks.rendered)
    unrendered = kit.hook("logging.handle", hooks.unrendered)

    def module() -> ModuleType:
        return sys.modules["logging"]

    return Instrument(
        name="logging",
        library="python",
        supported=">=3.11",
        points=(
            PatchPoint(
                "logging",
                "Handler.format",
                lambda original: compiled(module(), _FORMAT, original, rendered=rendered),
            ),
            PatchPoint(
                "logging",
                "Handler.handle",
                lambda original: compiled(
                    module(), _HANDLE, original, entered=hooks.entered, left=hooks.left, unrendered=unrendered
                ),
            ),
            PatchPoint(
                "logging",
                "Logger.handle",
                lambda original: compiled(module(), _LOG, original, opened=hooks.opened, closed=hooks.closed),
            ),
        ),
        unreachable=("handlers that override both handle() and format()",),
    )
