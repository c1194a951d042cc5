"""Sentry: what its client hands to the transport, after scrubbers, ``before_send`` and sampling.

A value is located where the app put it in (a tag, an extra, a context, a breadcrumb, a span's data), else where the
captured exception was raised, else where the event was captured. What Sentry replaced by ``[Filtered]`` is not there
any more. Logs, metrics and streamed spans are judged when they enter their batch, on the app's own thread.

Not patched: ``SpotlightClient``, which sends to a developer's own machine, and the worker behind a transport. Sentry
swallows what is raised while it works, so ``strict`` raises at the request's end.
"""

from __future__ import annotations

import sys
from collections import Counter
from types import ModuleType
from typing import Any

from rasp.instruments import documents
from rasp.instruments.documents import Text
from rasp.instruments.kit import Kit
from rasp.instruments.puts import Put, Puts
from rasp.ledger.events import Exposed
from rasp.ledger.places import CallPath
from rasp.ledger.scopes import RequestScope
from rasp.ledger.value import LiveValue
from rasp.model import Location
from rasp.patching.installer import Instrument
from rasp.patching.local import Local
from rasp.patching.patches import Patch, PatchPoint, named_like, undo

_NO_TEXT = frozenset(
    {"modules", "sdk", "event_id", "timestamp", "start_timestamp", "platform", "release", "type", "level", "_meta"}
)
"""Members of an event that the app puts nothing into; ``modules`` lists every installed distribution."""
_JUDGED = frozenset({"event", "transaction", "check_in", "attachment"})
"""Items of an envelope that were not judged before they came into it."""
_METHODS = ("capture_envelope", "capture_event")
_PUTS = {
    "set_tag": "tags", "set_tags": "tags", "set_extra": "extra", "set_context": "contexts", "set_user": "user",
    "add_breadcrumb": "breadcrumbs", "set_attribute": "attributes", "set_attributes": "attributes",
}  # fmt: skip
_SPAN_PUTS = ("set_data", "set_tag", "set_attribute", "set_attributes")


class Depth:
    """Whether this thread is inside a transport: one that wraps another sends one thing."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = 0


class SentryHooks:
    """Remembers where values were put in, and judges what is sent."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._puts = Puts(kit)
        self.put = self._puts.put

    def envelope(self, envelope: Any) -> None:
        """An envelope is handed to the transport."""
        for item in envelope.items:
            kind, payload = item.headers.get("type"), item.payload
            if kind not in _JUDGED:
                continue
            if isinstance(payload.json, dict):
                if self.document(payload.json, ended=kind == "transaction"):
                    payload.bytes = None  # the debug printer has rendered it already
            elif isinstance(payload.bytes, bytes):
                holder = {"attachment": payload.bytes}
                if self.document(holder):
                    payload.bytes = holder["attachment"]

    def document(self, event: dict[str, Any], ended: bool = False) -> bool:
        """An event, a log or a span is sent; whether something was masked in it.

        A transaction ends when its request is over already: ``ended``.
        """
        found = documents.texts(event, self._kit.ledger.values, _NO_TEXT)
        if not found:
            return False
        scopes = self._kit.ledger.scopes
        current = scopes.here()
        scope = current or (scopes.of_thread() if ended else None)
        thrown = _raised_at(event, self._kit)
        # Once the request is over, whatever app code is on the stack is the server's or a test's.
        here = self._kit.here(sys._getframe(1)) if thrown is None and scope is current else ()
        replaced: set[LiveValue] = set()
        for live, entries in documents.by_value(found).items():
            told: set[CallPath | None] = set()
            for part, put in self._places(live, entries, scope):
                path = here if put is None else put.path
                if path in told:
                    continue
                told.add(path)
                place = thrown if put is None else None
                if self._judge(live, entries[0], (part, path, place), scope, put):
                    replaced.add(live)
        return documents.masked(found, replaced)

    def _places(self, live: LiveValue, entries: list[Text], scope: RequestScope | None) -> list[tuple[str, Put | None]]:
        """Where the value came into each part; ``None`` where it is not known."""
        places: list[tuple[str, Put | None]] = []
        for part, count in Counter(entry.part for entry in entries).items():
            known = self._puts.known(live, part, scope) or self._puts.known(live, "spans", scope)
            places += [(part, put) for put in known[-count:]] if known else [(part, None)]
        return places

    def _judge(
        self,
        live: LiveValue,
        entry: Text,
        where: tuple[str, CallPath, Location | None],
        scope: RequestScope | None,
        put: Put | None,
    ) -> bool:
        part, path, place = where
        hits = [hit for hit in entry.hits if hit.live is live]
        event = Exposed("report", entry.text, hits, path, "sentry", part, place, False, True, False, scope)
        verdict = self._puts.handle(event, put)
        return verdict is not None and verdict.text is not None


def _raised_at(event: dict[str, Any], kit: Kit) -> Location | None:
    """The innermost app frame of the captured exception."""
    for thrown in reversed(_entries(event.get("exception"), "values")):
        for frame in reversed(_entries(thrown.get("stacktrace"), "frames")):
            file, line = frame.get("abs_path"), frame.get("lineno")
            if isinstance(file, str) and isinstance(line, int) and kit.ledger.places.is_app(file):
                return kit.ledger.places.location(file, line, str(frame.get("function") or "<unknown>"))
    return None


def _entries(document: Any, name: str) -> list[dict[str, Any]]:
    """The list of this name in a part of an event, as far as it is one."""
    entries = document.get(name) if isinstance(document, dict) else None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


class Transports:
    """Wraps the ``capture_envelope`` of every class of transports that a client is given."""

    def __init__(self, kit: Kit, hooks: SentryHooks) -> None:
        self._depth = Local(Depth)
        self._patches: list[Patch] = []
        self._known: set[type] = set()
        self._send = {
            "capture_envelope": kit.hook("sentry.envelope", hooks.envelope),
            "capture_event": kit.hook("sentry.event", hooks.document),
        }
        self.learn = kit.hook("sentry.transport", self._learn)

    def _learn(self, transport: type) -> None:
        for cls in transport.__mro__:
            if cls in self._known or cls is object:
                continue
            self._known.add(cls)
            for method in _METHODS:
                own = cls.__dict__.get(method)
                if callable(own) and not getattr(own, "__isabstractmethod__", False):
                    replacement = self._wrapped(own, self._send[method])
                    setattr(cls, method, replacement)
                    self._patches.append(Patch(cls, method, own, inherited=False, replacement=replacement))

    def _wrapped(self, original: Any, send: Any) -> Any:
        local = self._depth

        def capture(self: Any, sent: Any, *args: Any, **kwargs: Any) -> Any:
            depth = local.get()
            if not depth.now:
                send(sent)
            depth.now += 1
            try:
                return original(self, sent, *args, **kwargs)
            finally:
                depth.now -= 1

        return named_like(original, capture)

    def installed(self, module: ModuleType) -> None:
        """The transports of clients that were made before."""
        if module.__name__ == "sentry_sdk.client":
            found = [sys.modules["sentry_sdk.transport"].Transport]
            for cls in found:
                found += cls.__subclasses__()
                self._learn(cls)  # inside the guard already

    def removed(self) -> None:
        """Takes all wrappers off again."""
        undo(self._patches)
        self._patches.clear()
        self._known.clear()


def instrument(kit: Kit) -> Instrument:
    """The instrument of Sentry's SDK."""
    hooks = SentryHooks(kit)
    transports = Transports(kit, hooks)
    put, batched = kit.hook("sentry.put", hooks.put), kit.hook("sentry.batch", hooks.document)

    def making(original: Any) -> Any:
        def make_transport(*args: Any, **kwargs: Any) -> Any:
            made = original(*args, **kwargs)
            if made is not None:
                transports.learn(type(made))
            return made

        return named_like(original, make_transport)

    def putting(part: str) -> Any:
        def make(original: Any) -> Any:
            def putter(self: Any, *args: Any, **kwargs: Any) -> Any:
                put(part, (*args, kwargs) if kwargs else args)
                return original(self, *args, **kwargs)

            return named_like(original, putter)

        return make

    def adding(original: Any) -> Any:
        def add(self: Any, item: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(item, dict):
                batched(item)
            return original(self, item, *args, **kwargs)

        return named_like(original, add)

    scopes = [PatchPoint("sentry_sdk.scope", f"Scope.{name}", putting(part), True) for name, part in _PUTS.items()]
    spans = [PatchPoint("sentry_sdk.tracing", f"Span.{name}", putting("spans"), True) for name in _SPAN_PUTS]
    return Instrument(
        name="sentry",
        library="sentry-sdk",
        supported=">=1.40,<3",
        points=(
            PatchPoint("sentry_sdk.client", "make_transport", making),
            *scopes,
            *spans,
            PatchPoint("sentry_sdk._batcher", "Batcher.add", adding, optional=True),
            PatchPoint("sentry_sdk._log_batcher", "LogBatcher.add", adding, optional=True, own_only=True),
        ),
        unreachable=(
            "a transport that is put in a client's place after it was made, unless its class is known by then",
            "what a proxy such as Relay scrubs later: an event is judged as it leaves the process",
        ),
        on_install=transports.installed,
        on_uninstall=transports.removed,
    )
