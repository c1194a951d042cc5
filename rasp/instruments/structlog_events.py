"""structlog: the result of the processor chain, which is what the wrapped logger writes.

Where that logger is one of the standard library's or loguru's, its handlers are judged instead; structlog's loggers for
tests write nothing. The wrapper is compiled under
structlog's name, since ``CallsiteParameterAdder`` walks the stack and skips only such frames.
"""

from __future__ import annotations

import sys
from typing import Any

from rasp.instruments import documents
from rasp.instruments.kit import Kit, as_text, caller
from rasp.instruments.logging_wrappers import compiled
from rasp.ledger.events import Exposed
from rasp.ledger.places import CallPath
from rasp.ledger.value import LiveValue
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint

_PROCESS = """
def _process_event(self, method_name, event, event_kw):
    args, kwargs = original(self, method_name, event, event_kw)
    judged = processed(self, args, kwargs)
    if judged is not None:
        exception, args, kwargs = judged
        if exception is not None:
            raise exception
    return args, kwargs
"""

Judged = tuple[Exception | None, Any, Any]
"""What to raise, and the arguments that the wrapped logger may have."""


class StructlogHooks:
    """Judges what the processors made of an event."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def processed(self, bound: Any, args: Any, kwargs: Any) -> Judged | None:
        """The rendered event, before it is written."""
        if _told_elsewhere(getattr(bound, "_logger", None)):
            return None
        text = as_text(args[0]) if args else None
        rendered = text if text is not None and len(args) == 1 and not kwargs else repr((args, kwargs))
        hits = self._kit.ledger.values.find(rendered)
        if not hits:
            return None
        event = Exposed("log", rendered, hits, self._place(), "structlog", replaceable=True)
        verdict: Verdict | None = self._kit.pipeline.handle(event)
        if verdict is None:
            return None
        if verdict.text is not None:
            lives = {hit.live for hit in hits if hit.live.credential.mask in verdict.text}
            args, kwargs = self._masked(args, kwargs, lives)
        return verdict.exception, args, kwargs

    def _place(self) -> CallPath:
        """Where the event was logged; an asynchronous method hands it to another thread and says where it came from."""
        here = self._kit.here(caller(3))
        if here:
            return here
        variables = sys.modules.get("structlog.contextvars")
        origin = getattr(variables, "_ASYNC_CALLING_STACK", None)
        frame = origin.get(None) if origin is not None else None
        return self._kit.here(frame) if frame is not None else ()

    def _masked(self, args: Any, kwargs: Any, lives: set[LiveValue]) -> tuple[Any, Any]:
        shown = documents.copied({"args": args, "kwargs": kwargs})
        documents.masked(documents.texts(shown, self._kit.ledger.values), lives)
        return shown["args"], shown["kwargs"]


def _told_elsewhere(logger: object) -> bool:
    """Whether a wrapped logger has an instrument of its own, or only keeps what tests look at."""
    logging = sys.modules.get("logging")
    if logging is not None and isinstance(logger, (logging.Logger, logging.LoggerAdapter)):
        return True
    return type(logger).__module__.startswith(("loguru.", "structlog.testing"))


def instrument(kit: Kit) -> Instrument:
    """The instrument of structlog."""
    processed = kit.hook("structlog.process_event", StructlogHooks(kit).processed)
    return Instrument(
        name="structlog",
        library="structlog",
        supported=">=24.1",
        points=(
            PatchPoint(
                "structlog._base",
                "BoundLoggerBase._process_event",
                lambda original: compiled(sys.modules["structlog._base"], _PROCESS, original, processed=processed),
            ),
        ),
        unreachable=("wrapper classes that override _process_event without calling it",),
    )
