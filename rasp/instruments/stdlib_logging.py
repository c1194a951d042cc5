"""``logging``: the text that a handler renders, and records that a handler sends on by itself.

``Handler.format`` is where text becomes final; ``Handler.handle`` tells whether it was called; ``Logger.handle`` is
outside every ``emit``, where raising is safe. The wrappers are compiled under logging's own module name, so that
structlog's ``CallsiteParameterAdder`` skips them, and its file name, which loguru's recipe for a handler compares;
``%(funcName)s`` is settled before they run. ``QueueHandler`` is left alone: its text is not final, the listener's
handlers are. A handler class with a ``format`` of its own is wrapped when it is first used.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Hashable
from types import ModuleType
from typing import Any, cast

from rasp.instruments.kit import Kit, caller
from rasp.ledger.events import Exposed
from rasp.ledger.hits import Hit
from rasp.ledger.scopes import RequestScope
from rasp.ledger.value import LiveValue
from rasp.model import Location, Verdict
from rasp.patching.installer import Instrument
from rasp.patching.local import Local
from rasp.patching.patches import Patch, PatchPoint, named_like, undo
from rasp.pipeline import mask_hits

ACCESS_LOGGERS = frozenset(
    {"werkzeug", "gunicorn.access", "waitress.access", "wsgi", "cheroot.access", "uvicorn.access"}
)
_NOT_FINAL = frozenset({"QueueHandler", "BufferingHandler", "MemoryHandler", "NullHandler"})

_FORMAT = """
def format(self, record):
    outer = begin(record)
    try:
        text = original(self, record)
    finally:
        finish(outer)
    if outer is record:
        return text
    masked = rendered(self, record, text)
    return text if masked is None else masked
"""
_HANDLE = """
def handle(self, record):
    before = entered(self)
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


class State:
    """What this thread or greenlet is in the middle of."""

    __slots__ = ("call", "formatted", "rendering")

    def __init__(self) -> None:
        self.call: Call | None = None
        self.formatted = False
        self.rendering: Any = None


class LoggingHooks:
    """Judges what handlers render."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._local = Local(State)
        self._known: set[type] = set()
        self._patches: list[Patch] = []
        self._rendered = kit.hook("logging.format", self.rendered)
        self._learn = kit.hook("logging.learn", self.learn)

    @property
    def _state(self) -> State:
        return self._local.get()

    def wrapped_format(self, original: Any) -> Any:
        """A ``format`` whose result is judged, unless another ``format`` of the same record goes on with it."""
        names = {"begin": self.begin, "finish": self.finish, "rendered": self._rendered}
        return compiled(sys.modules["logging"], _FORMAT, original, **names)

    def begin(self, record: Any) -> Any:
        """A record is being rendered."""
        before, self._state.rendering = self._state.rendering, record
        return before

    def finish(self, before: Any) -> None:
        """It is rendered."""
        self._state.rendering = before

    def learn(self, handler: type) -> None:
        """The classes of a handler that have a ``format`` of their own: what they return is what is written."""
        for cls in handler.__mro__:
            own = cls.__dict__.get("format")
            if own is None or hasattr(own, "__wrapped__"):
                continue
            replacement = self.wrapped_format(own)
            setattr(cls, "format", replacement)  # noqa: B010 - a class of the app's
            self._patches.append(Patch(cls, "format", own, inherited=False, replacement=replacement))

    def restore(self) -> None:
        """Takes the wrappers off those classes again."""
        undo(self._patches)
        self._patches.clear()
        self._known.clear()

    def entered(self, handler: Any) -> bool:
        """A handler begins."""
        if type(handler) not in self._known:
            self._known.add(type(handler))
            self._learn(type(handler))
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
        if not isinstance(text, str) or is_not_final(handler.__class__):
            return None
        self._state.formatted = True
        hits, scope = self._hits(record, text)
        if not hits or is_copy_for_tests(handler, record.name):
            return None
        return self._judge(record, text, hits, scope, lowered=False)

    def unrendered(self, handler: Any, record: Any) -> None:
        """A handler that did not call ``format`` sends the record on by itself: its message is judged."""
        if self._state.formatted or is_not_final(handler.__class__):
            return
        text = record.getMessage()
        hits, scope = self._hits(record, text)
        if hits and not is_copy_for_tests(handler, record.name):
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
def is_not_final(handler: Hashable) -> bool:
    """Whether what a handler of this class renders is rendered again elsewhere."""
    return any(cls.__name__ in _NOT_FINAL for cls in cast("type", handler).__mro__)


def is_copy_for_tests(handler: Any, name: str) -> bool:
    """Whether a handler is one that pytest adds, of an app that has its own: those settle what is written."""
    if not _is_pytests(handler):
        return False
    logging = sys.modules["logging"]
    # Not by getLogger(): that takes logging's lock, and the handler's own is held here.
    logger = logging.root.manager.loggerDict.get(name, logging.root)
    while logger is not None:
        if any(not _is_pytests(other) and not isinstance(other, logging.NullHandler) for other in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


def _is_pytests(handler: Any) -> bool:
    return any(cls.__module__ == "_pytest.logging" for cls in type(handler).__mro__)


def compiled(module: ModuleType, source: str, original: Any, **names: Callable[..., Any]) -> Any:
    """A wrapper that call-site lookups take for a part of its library."""
    namespace: dict[str, Any] = {"__name__": module.__name__, "original": original, **names}
    file = module.__file__ or "<rasp>"
    code = getattr(original, "__code__", None)
    # At the original's own lines, so that a traceback through the wrapper shows where it stands.
    line = code.co_firstlineno if code is not None and code.co_filename == file else 2
    exec(compile("\n" * (line - 2) + source, file, "exec"), namespace)  # noqa: S102 - constant source
    made = next(value for name, value in namespace.items() if name in ("format", "handle", "_process_event"))
    return named_like(original, made)


def instrument(kit: Kit) -> Instrument:
    """The instrument of the standard library's ``logging``."""
    hooks = LoggingHooks(kit)
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
                hooks.wrapped_format,
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
        unreachable=("handlers that override handle() and send records on by themselves",),
        on_uninstall=hooks.restore,
    )
