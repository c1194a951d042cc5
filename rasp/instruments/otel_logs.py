"""OpenTelemetry: log records as they reach an exporting processor, and baggage as it is put into outbound headers.

A record is judged after processors that stand before the exporting one, on the thread that logs; two exporting
processors are one exposure. Not seen: exporting processors of the app's own. ``logging`` swallows what is raised while
a handler works, so ``strict`` raises at the request's end; for baggage, where it is injected.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any

from rasp.instruments import documents
from rasp.instruments.kit import Kit, caller, obey
from rasp.instruments.puts import Puts
from rasp.ledger.events import Exposed
from rasp.ledger.value import LiveValue
from rasp.model import Location, Verdict
from rasp.patching.installer import Instrument
from rasp.patching.local import Local
from rasp.patching.patches import PatchPoint, named_like

_CODE = (
    ("code.file.path", "code.line.number", "code.function.name"),
    ("code.filepath", "code.lineno", "code.function"),
)


class Latest:
    """The record that this thread emitted last: more than one processor may get it."""

    __slots__ = ("record",)

    def __init__(self) -> None:
        self.record: weakref.ref[Any] | None = None


class LogHooks:
    """Judges log records, and baggage on its way out."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._latest = Local(Latest)
        self._puts = Puts(kit)

    def emitted(self, data: Any) -> None:
        """A log record reaches a processor that exports it."""
        values = self._kit.ledger.values
        if not len(values):
            return
        record = getattr(data, "log_record", data)
        latest = self._latest.get()
        if latest.record is not None and latest.record() is record:
            return
        document = documents.copied({"body": record.body, "attributes": record.attributes or {}})
        found = documents.texts(document, values)
        if not found:
            return
        latest.record = weakref.ref(record)
        path = self._kit.here(caller(3))
        place = None if path else self._place(record.attributes or {})
        replaced: set[LiveValue] = set()
        for live, entries in documents.by_value(found).items():
            hits = [hit for hit in entries[0].hits if hit.live is live]
            event = Exposed(
                "telemetry",
                entries[0].text,
                hits,
                path,
                "opentelemetry.logs",
                entries[0].part,
                place,
                False,
                True,
                False,
            )
            verdict = self._kit.pipeline.handle(event)
            if verdict is not None and verdict.text is not None:
                replaced.add(live)
        if documents.masked(found, replaced):
            record.body = document["body"]
            for key, value in document["attributes"].items():
                if record.attributes[key] is not value:  # not by ==, which may be the app's
                    record.attributes[key] = value

    def _place(self, attributes: Any) -> Location | None:
        """What the record itself says, where no app code is on the stack."""
        places = self._kit.ledger.places
        for names in _CODE:
            file, line, function = (attributes.get(name) for name in names)
            if isinstance(file, str) and isinstance(line, int) and places.is_app(file):
                return places.location(file, line, str(function))
        return None

    def put(self, name: object, value: object) -> None:
        """An entry of baggage was set."""
        self._puts.put("baggage", (name, value))

    def injecting(self, entries: Any) -> tuple[Verdict | None, dict[str, Any]] | None:
        """Baggage goes into the headers of an outbound request; the verdict, and the entries to send instead."""
        values = self._kit.ledger.values
        if not len(values):
            return None
        document = {"baggage": dict(entries)}
        found = documents.texts(document, values)
        if not found:
            return None
        here = self._kit.here(caller(3))
        verdict: Verdict | None = None
        replaced: set[LiveValue] = set()
        for live, parts in documents.by_value(found).items():
            put = self._puts.latest(live, "baggage")
            hits = [hit for hit in parts[0].hits if hit.live is live]
            path = here if put is None else put.path
            event = Exposed(
                "telemetry", parts[0].text, hits, path, "opentelemetry.baggage", "baggage", replaceable=True
            )
            given = self._puts.handle(event, put)
            verdict = verdict or given
            if given is not None and given.text is not None:
                replaced.add(live)
        documents.masked(found, replaced)
        return verdict, document["baggage"] if replaced else {}


def instruments(kit: Kit) -> list[Instrument]:
    """The instruments of OpenTelemetry's log records and of its baggage."""
    hooks = kit.shared(LogHooks)
    return [_logs(kit, hooks), _baggage(kit, hooks)]


def _logs(kit: Kit, hooks: LogHooks) -> Instrument:
    emitted = kit.hook("opentelemetry.log", hooks.emitted)

    def make(original: Any) -> Any:
        def on_emit(self: Any, data: Any) -> Any:
            emitted(data)
            return original(self, data)

        return named_like(original, on_emit)

    module = "opentelemetry.sdk._logs._internal.export"
    return Instrument(
        name="opentelemetry.logs",
        library="opentelemetry-sdk",
        supported=">=1.27",
        points=tuple(
            PatchPoint(module, f"{kind}LogRecordProcessor.{method}", make, optional=True, own_only=True)
            for kind in ("Simple", "Batch")
            for method in ("on_emit", "emit")
        ),
        unreachable=("exporting log record processors of the app's own",),
    )


def _baggage(kit: Kit, hooks: LogHooks) -> Instrument:
    put, injecting = (
        kit.hook("opentelemetry.baggage.set", hooks.put),
        kit.hook("opentelemetry.baggage", hooks.injecting),
    )

    def set_baggage(original: Any) -> Any:
        def set_baggage(name: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
            put(name, value)
            return original(name, value, *args, **kwargs)

        return named_like(original, set_baggage)

    def inject(original: Any) -> Any:
        def inject(self: Any, carrier: Any, context: Any = None, *args: Any, **kwargs: Any) -> Any:
            baggage = sys.modules["opentelemetry.baggage"]
            entries = baggage.get_all(context=context)
            verdict, instead = (injecting(entries) if entries else None) or (None, {})
            if instead:
                context = baggage.clear(context)
                for name, value in instead.items():
                    context = baggage.set_baggage(name, value, context=context)
            original(self, carrier, context, *args, **kwargs)
            obey(verdict)

        return named_like(original, inject)

    return Instrument(
        name="opentelemetry.baggage",
        library="opentelemetry-api",
        supported=">=1.27",
        points=(
            PatchPoint("opentelemetry.baggage", "set_baggage", set_baggage),
            PatchPoint("opentelemetry.baggage.propagation", "W3CBaggagePropagator.inject", inject),
        ),
        unreachable=("propagators of the app's own",),
    )
