"""structlog: the result of the processor chain, which is what the wrapped logger writes.

Where that logger is one of the standard library, its handlers are judged instead. The wrapper is compiled under
structlog's name, since ``CallsiteParameterAdder`` walks the stack and skips only such frames.
"""

from __future__ import annotations

import sys
from typing import Any

from rasp.instruments.kit import Kit, as_text, caller
from rasp.instruments.stdlib_logging import compiled
from rasp.ledger.events import Exposed
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint

_PROCESS = """
def _process_event(self, method_name, event, event_kw):
    args, kwargs = original(self, method_name, event, event_kw)
    verdict = processed(self, args, kwargs)
    if verdict is not None:
        if verdict.exception is not None:
            raise verdict.exception
        args = replaced(args, verdict)
    return args, kwargs
"""


class StructlogHooks:
    """Judges what the processors made of an event."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def processed(self, bound: Any, args: Any, kwargs: Any) -> Verdict | None:
        """The rendered event, before it is written."""
        logging = sys.modules.get("logging")
        if logging is not None and isinstance(getattr(bound, "_logger", None), logging.Logger):
            return None
        text = as_text(args[0]) if args else None
        rendered = text if text is not None else repr((args, kwargs))
        hits = self._kit.ledger.values.find(rendered)
        if not hits:
            return None
        event = Exposed(
            sink="log",
            text=rendered,
            hits=hits,
            path=self._kit.here(caller(2)),
            holder="structlog",
            slot=None,
            replaceable=text is not None,
        )
        verdict: Verdict | None = self._kit.pipeline.handle(event)
        return verdict


def replaced(args: Any, verdict: Verdict) -> Any:
    """The arguments for the wrapped logger, with the text that may be written."""
    if verdict.text is None:
        return args
    text = verdict.text.encode("utf-8", "surrogateescape") if isinstance(args[0], bytes) else verdict.text
    return (text, *args[1:])


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
                lambda original: compiled(
                    sys.modules["structlog._base"], _PROCESS, original, processed=processed, replaced=replaced
                ),
            ),
        ),
        unreachable=("wrapper classes that override _process_event without calling it",),
    )
