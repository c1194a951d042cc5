"""``logging``: the text that a handler renders, and records that a handler sends on by itself.

``Handler.format`` is where text becomes final; ``Handler.handle`` tells whether it was called; ``Logger.handle``,
wrapped where some rule is ``strict``, is outside every ``emit``, where raising is safe. The wrappers are compiled
under the module name of logging, so that structlog's ``CallsiteParameterAdder`` skips them, and its file name, which
loguru's recipe for a handler compares; ``%(funcName)s`` is settled before they run. ``QueueHandler`` is left alone:
its text is not final, the listener's handlers are. A handler class with a ``format`` of its own is wrapped when it is
first used.
"""

from __future__ import annotations

import sys
import weakref
from types import ModuleType
from typing import Any

from rasp.instruments.kit import Kit, caller
from rasp.instruments.logging_wrappers import (
    ACCESS_LOGGERS,
    FORMAT,
    HANDLE,
    LOG,
    OWN_FORMAT,
    compiled,
    is_copy_for_tests,
    is_not_final,
    writes_what_it_formats,
)
from rasp.ledger.events import Exposed
from rasp.ledger.hits import Hit
from rasp.ledger.scopes import RequestScope
from rasp.ledger.value import LiveValue
from rasp.model import Location, Verdict
from rasp.patching.installer import Instrument
from rasp.patching.local import Local
from rasp.patching.patches import Make, Patch, PatchPoint, undo
from rasp.pipeline import mask_hits


class Call:
    """One log call on its way through the handlers: what was found in it so far."""

    __slots__ = ("masked", "seen", "violation")

    def __init__(self) -> None:
        self.seen: set[LiveValue] = set()
        self.masked: set[LiveValue] = set()
        self.violation: Exception | None = None


class State:
    """What this thread or greenlet is in the middle of: the record it renders, and calls in which something was found.

    ``formatted`` is whether the handler at work has called ``format``.
    """

    __slots__ = ("calls", "formatted", "rendering")

    def __init__(self) -> None:
        self.calls: weakref.WeakKeyDictionary[Any, Call] = weakref.WeakKeyDictionary()
        self.formatted = False
        self.rendering: Any = None

    def call(self, record: Any) -> Call:
        """What was found so far in the call that made a record."""
        found = self.calls.get(record)
        if found is None:
            found = self.calls[record] = Call()
        return found


class LoggingHooks:
    """Judges what handlers render.

    Attributes:
        rendering: handler classes that render by ``format``; how others send a record on is watched at each call.
    """

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._values = kit.ledger.values
        self._raises = kit.config.raises
        self._local = Local(State)
        self._known: set[type] = set()
        self._silent: set[type] = set()
        self._overriding: set[type] = set()
        self._plain: set[type] = set()
        self._find = kit.ledger.values.find
        self._patches: list[Patch] = []
        self.rendering: set[type] = set()
        self._found = kit.guard.light("logging.scan", self.found)
        self._rendered = kit.hook("logging.format", self.rendered)
        self._learn = kit.hook("logging.learn", self.learn)

    def wrapped_format(self, original: Any) -> Any:
        """``Handler.format``, whose result is judged."""
        names = {"found": self._found, "rendered": self._rendered, "tried": self.tried}
        return compiled(sys.modules["logging"], FORMAT, original, **names)

    def wrapped_own_format(self, original: Any) -> Any:
        """A ``format`` of a handler's own: judged unless another one of the same record goes on with its result."""
        names = {"begin": self.begin, "finish": self.finish, "found": self._found, "rendered": self._rendered}
        return compiled(sys.modules["logging"], OWN_FORMAT, original, **names)

    def begin(self, record: Any) -> Any:
        """A record is being rendered."""
        state = self._local.get()
        before, state.rendering = state.rendering, record
        return before

    def finish(self, before: Any) -> None:
        """It is rendered."""
        self._local.get().rendering = before

    def learn(self, handler: type) -> None:
        """The classes of a handler that have a ``format`` of their own: what they return is what is written."""
        if is_not_final(handler):
            self._silent.add(handler)
        for cls in handler.__mro__:
            own = cls.__dict__.get("format")
            if own is None or hasattr(own, "__wrapped__"):
                continue
            replacement = self.wrapped_own_format(own)
            setattr(cls, "format", replacement)  # noqa: B010 - a class of the app's
            self._patches.append(Patch(cls, "format", own, inherited=False, replacement=replacement))
        if sum("format" in cls.__dict__ for cls in handler.__mro__) > 1:
            self._overriding.add(handler)
        self._known.add(handler)

    def restore(self) -> None:
        """Takes the wrappers off those classes again."""
        undo(self._patches)
        self._patches.clear()
        for known in (self._known, self._silent, self._overriding, self._plain, self.rendering):
            known.clear()

    def entered(self, handler: Any) -> bool:
        """A handler begins of whose class it is not known that it renders by ``format``."""
        if type(handler) not in self._known:
            self._learn(type(handler))
        state = self._local.get()
        before, state.formatted = state.formatted, False
        return before

    def left(self, handler: Any, before: bool) -> bool:
        """A handler is done; whether it has called ``format``. It will again: from now on it is left alone."""
        state = self._local.get()
        formatted, state.formatted = state.formatted, before
        if formatted:
            self.rendering.add(type(handler))
        return formatted

    def owed(self, record: Any) -> Exception | None:
        """All handlers are done; what ``strict`` raises is raised now."""
        call = self._local.get().calls.pop(record, None)
        return call.violation if call is not None else None

    def tried(self, handler: Any) -> None:
        """A handler called ``format``, which failed: ``logging`` prints that, and there is no text to judge."""
        if type(handler) not in self.rendering:
            self._local.get().formatted = True

    def found(self, handler: Any, record: Any, text: Any) -> list[Hit] | None:
        """What stands in a handler's final text; ``None`` for nothing."""
        kind = type(handler)
        if kind in self._plain and type(text) is str:
            hits = self._find(text)
            return hits or (self._in_access_line(record, text) if record.name in ACCESS_LOGGERS else None)
        if kind not in self.rendering:
            self._local.get().formatted = True
        elif kind not in self._silent and kind not in self._overriding:
            self._plain.add(kind)
        if kind in self._silent or not isinstance(text, str):
            return None
        if kind in self._overriding and self._local.get().rendering is record:
            return None  # its own format goes on with this text
        hits = self._values.find(text)
        if hits:
            return hits
        return self._in_access_line(record, text) if record.name in ACCESS_LOGGERS else None

    def _in_access_line(self, record: Any, text: str) -> list[Hit] | None:
        """What the line of a request that has just ended still holds of it."""
        scopes = self._kit.ledger.scopes
        if scopes.here() is not None:
            return None
        own = scopes.of_thread()
        for scope in (own,) if own is not None else tuple(scopes.last.values()):
            hits = self._values.find_among(text, scope.glow) if scope.has("glow") else None
            if hits:
                return hits
        return None

    def rendered(self, handler: Any, record: Any, text: str, hits: list[Hit]) -> str | None:
        """Live values stand in a handler's final text; what it should write instead, if anything."""
        if is_copy_for_tests(handler, record.name):
            return None
        if type(handler) not in self._known and is_not_final(handler.__class__):
            return None
        return self._judge(record, text, hits, self._scope(record, hits), lowered=False)

    def unrendered(self, handler: Any, record: Any) -> None:
        """A handler that did not call ``format`` sends the record on by itself: its message is judged."""
        if type(handler) in self._silent or writes_what_it_formats(handler.__class__):
            return
        text = record.getMessage()
        hits = self._values.find(text)
        if hits and not is_copy_for_tests(handler, record.name):
            self._judge(record, text, hits, self._scope(record, hits), lowered=True)

    def _scope(self, record: Any, hits: list[Hit]) -> RequestScope | None:
        """The request that a record belongs to; an access line may be written after it, and on another thread."""
        scopes = self._kit.ledger.scopes
        scope = scopes.here()
        if scope is not None or record.name not in ACCESS_LOGGERS:
            return scope
        own = scopes.of_thread()
        if own is not None:
            return own
        lives = {hit.live for hit in hits}
        for served in reversed(tuple(scopes.last.values())):
            if served.has("presented") and any(live in lives for live in tuple(served.presented)):
                return served
        return None

    def _judge(
        self, record: Any, text: str, hits: list[Hit], scope: RequestScope | None, *, lowered: bool
    ) -> str | None:
        call = self._local.get().call(record)
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
            raisable=self._raises and not access,
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


def instrument(kit: Kit) -> Instrument:
    """The instrument of the standard library's ``logging``."""
    hooks = LoggingHooks(kit)
    unrendered = kit.hook("logging.handle", hooks.unrendered)

    def module() -> ModuleType:
        return sys.modules["logging"]

    raising: tuple[PatchPoint, ...] = ()
    if kit.config.raises:
        log: Make = lambda original: compiled(module(), LOG, original, owed=hooks.owed)  # noqa: E731
        raising = (PatchPoint("logging", "Logger.handle", log),)
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
                    module(),
                    HANDLE,
                    original,
                    rendering=hooks.rendering,
                    entered=hooks.entered,
                    left=hooks.left,
                    unrendered=unrendered,
                ),
            ),
            *raising,
        ),
        unreachable=("handlers that override handle() and send records on by themselves",),
        on_uninstall=hooks.restore,
    )
