"""loguru: what its sinks write, located by the record's own place.

loguru swallows what a sink raises and prints the record, so ``strict`` raises at the request's end. A sink that is a
``logging.Handler`` is judged there.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.kit import Kit
from rasp.ledger.events import Exposed
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like


class LoguruHooks:
    """Judges rendered messages."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit

    def written(self, message: Any) -> Any:
        """A message on its way to a sink; what the sink should get instead, if anything."""
        hits = self._kit.ledger.values.find(str(message))
        if not hits:
            return None
        record = message.record
        places = self._kit.ledger.places
        scope = self._kit.ledger.scopes.here()
        file = record["file"].path
        place = None
        if scope is None or places.is_app(file):
            place = places.location(file, record["line"], record["function"])
        verdict = self._kit.pipeline.handle(
            Exposed(
                "log",
                str(message),
                hits,
                (),
                "loguru",
                record["name"],
                place,
                replaceable=True,
                raisable=False,
            )
        )
        if verdict is None or verdict.text is None:
            return None
        masked = type(message)(verdict.text)
        masked.record = record
        return masked


def instrument(kit: Kit) -> Instrument:
    """The instrument of loguru."""
    written = kit.hook("loguru.write", LoguruHooks(kit).written)

    def make(original: Any) -> Any:
        def write(self: Any, message: Any) -> Any:
            masked = written(message)
            return original(self, message if masked is None else masked)

        return named_like(original, write)

    return Instrument(
        name="loguru",
        library="loguru",
        supported=">=0.6",
        points=(
            PatchPoint("loguru._simple_sinks", "StreamSink.write", make),
            PatchPoint("loguru._simple_sinks", "CallableSink.write", make),
            PatchPoint("loguru._simple_sinks", "AsyncSink.write", make, optional=True),
            PatchPoint("loguru._file_sink", "FileSink.write", make),
        ),
    )
