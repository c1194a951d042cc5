"""loguru: what its sinks write, located by the record's own place; and the records it prints when a sink fails.

What is written holds local variables too, where ``diagnose`` is on. loguru swallows what a sink raises and prints the
record, so ``strict`` raises at the request's end. A sink that is a ``logging.Handler`` is judged there.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Collection
from typing import Any

from rasp.instruments import documents
from rasp.instruments.kit import Kit
from rasp.ledger.events import Exposed
from rasp.ledger.hits import Hit
from rasp.ledger.value import LiveValue
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like
from rasp.pipeline import mask_hits


class Latest(threading.local):
    """The message that this thread handed to a sink last: one message goes to many, and is one exposure."""

    message: object = None
    seen: frozenset[LiveValue] = frozenset()
    masked: frozenset[LiveValue] = frozenset()


class LoguruHooks:
    """Judges rendered messages."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._latest = Latest()

    def written(self, message: Any) -> Any:
        """A message on its way to a sink; what the sink should get instead, if anything."""
        text = str(message)
        hits = self._kit.ledger.values.find(text)
        if not hits:
            return None
        latest, record = self._latest, message.record
        # The record itself is not kept: it holds the message.
        if latest.message != (id(record), record["time"]):
            latest.message, latest.seen, latest.masked = (id(record), record["time"]), frozenset(), frozenset()
        fresh = [hit for hit in hits if hit.live not in latest.seen]
        if fresh:
            lives = frozenset(hit.live for hit in fresh)
            latest.seen |= lives
            verdict = self._report(record, text, fresh)
            if verdict is not None and verdict.text is not None:
                latest.masked |= lives
        if not latest.masked:
            return None
        masked = type(message)(mask_hits(text, hits, set(latest.masked)))
        masked.record = self._without(record, latest.masked)
        return masked

    def failed(self, record: Any) -> Any:
        """A sink has failed, and loguru prints the record raw; what it should print instead, if anything."""
        if not isinstance(record, dict) or not sys.stderr:
            return None
        values = self._kit.ledger.values
        if not documents.texts(documents.copied(record), values):
            return None
        text = str(record)
        hits = values.find(text)
        verdict = self._report(record, text, hits) if hits else None
        if verdict is None or verdict.text is None:
            return None
        return self._without(record, {hit.live for hit in hits if hit.live.credential.mask in verdict.text})

    def _without(self, record: Any, lives: Collection[LiveValue]) -> Any:
        """The record as far as it is text: a sink may write more of it than was rendered."""
        shown = documents.copied(record)
        documents.masked(documents.texts(shown, self._kit.ledger.values), set(lives))
        return shown

    def _report(self, record: Any, text: str, hits: list[Hit]) -> Verdict | None:
        places = self._kit.ledger.places
        file = record["file"].path
        place = None
        if self._kit.ledger.scopes.here() is None or places.is_app(file):
            place = places.location(file, record["line"], record["function"])
        event = Exposed("log", text, hits, (), "loguru", record["name"], place, replaceable=True, raisable=False)
        verdict: Verdict | None = self._kit.pipeline.handle(event)
        return verdict


def instrument(kit: Kit) -> Instrument:
    """The instrument of loguru."""
    hooks = LoguruHooks(kit)
    written, failed = kit.hook("loguru.write", hooks.written), kit.hook("loguru.error", hooks.failed)

    def make(original: Any) -> Any:
        def write(self: Any, message: Any) -> Any:
            masked = written(message)
            return original(self, message if masked is None else masked)

        return named_like(original, write)

    def make_print(original: Any) -> Any:
        def printed(self: Any, record: Any = None, **kwargs: Any) -> Any:
            shown = failed(record)
            return original(self, record if shown is None else shown, **kwargs)

        return named_like(original, printed)

    return Instrument(
        name="loguru",
        library="loguru",
        supported=">=0.6",
        points=(
            PatchPoint("loguru._simple_sinks", "StreamSink.write", make),
            PatchPoint("loguru._simple_sinks", "CallableSink.write", make),
            PatchPoint("loguru._simple_sinks", "AsyncSink.write", make, optional=True),
            PatchPoint("loguru._file_sink", "FileSink.write", make),
            PatchPoint("loguru._error_interceptor", "ErrorInterceptor.print", make_print, optional=True),
        ),
        unreachable=(
            "records that another process puts into the queue of a sink with enqueue=True",
            "fields that a sink reads from message.record and that its format does not show",
        ),
    )
