"""OpenTelemetry SDK: what the app and other instrumentations put on spans, judged when a sampled span ends.

Where a value was put in is remembered at ``set_attribute``, ``add_event``, ``add_link`` and where a resource is made;
whether it is still there is asked at ``end()``. Raising there is too late, so ``strict`` raises at the request's end.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

from rasp.allowance import ALLOWED
from rasp.instruments.kit import Kit, caller
from rasp.ledger.events import Exposed
from rasp.ledger.hits import Hit
from rasp.ledger.places import CallPath
from rasp.ledger.scopes import RequestScope
from rasp.patching.installer import Instrument
from rasp.patching.patches import Make, PatchPoint, named_like

_NAME = 0
_STATUS = 1
_RESOURCES = 64
Noted = dict[str | int, tuple[CallPath, RequestScope | None, frozenset[str]]]


class SpanHooks:
    """Remembers where values were put on spans, and judges the spans when they end."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._noted: weakref.WeakKeyDictionary[Any, Noted] = weakref.WeakKeyDictionary()
        self._resources: dict[int, tuple[weakref.ref[Any], CallPath]] = {}

    def attributes(self, span: Any, attributes: Mapping[str, Any] | None) -> None:
        """Attributes were set."""
        for key, value in (attributes or {}).items():
            if self._hits(value):
                self._note(span, key)

    def started(self, span: Any) -> None:
        """A span begins, with what it was started with."""
        self.attributes(span, span.attributes)
        self.named(span, span.name)
        for number, link in enumerate(span.links or ()):
            self._linked(span, number, link.attributes)

    def linked(self, span: Any, attributes: Mapping[str, Any] | None) -> None:
        """A link was added."""
        self._linked(span, len(span.links) - 1, attributes)

    def _linked(self, span: Any, number: int, attributes: Mapping[str, Any] | None) -> None:
        if attributes and any(self._hits(value) for value in attributes.values()):
            self._note(span, f"link:{number}")

    def resource(self, resource: Any) -> None:
        """A resource was made: its attributes go with every span of its provider."""
        if any(self._hits(value) for value in resource.attributes.values()):
            # By identity: resources are equal where their attributes are.
            self._resources[id(resource)] = (weakref.ref(resource), self._kit.here(caller(3)))
            while len(self._resources) > _RESOURCES:
                self._resources.pop(next(iter(self._resources)))

    def event(self, span: Any, name: str, attributes: Mapping[str, Any] | None) -> None:
        """An event was added: its place stands for all events of the span that hold the same text."""
        if self._hits(name) or any(self._hits(value) for value in (attributes or {}).values()):
            self._note(span, f"event:{len(span.events)}")

    def named(self, span: Any, name: str) -> None:
        """The span was renamed."""
        if self._hits(name):
            self._note(span, _NAME)

    def status(self, span: Any, description: object) -> None:
        """The span's status was set, with a text of the app's."""
        if self._hits(description):
            self._note(span, _STATUS)

    def _note(self, span: Any, key: str | int) -> None:
        path = self._kit.here(caller(4))
        self._noted.setdefault(span, {})[key] = (path, self._kit.ledger.scopes.here(), ALLOWED.get())

    def _hits(self, value: Any) -> list[Hit]:
        if isinstance(value, str):
            return self._kit.ledger.values.find(value)
        if isinstance(value, (list, tuple)):
            return [hit for entry in value if isinstance(entry, str) for hit in self._kit.ledger.values.find(entry)]
        return []

    def ending(self, span: Any) -> None:
        """A span is about to be exported: what is still on it is exposed."""
        noted = self._noted.pop(span, None)
        if self._resources:
            self._resource_ending(span)
        if not noted or not span.is_recording() or not span.get_span_context().trace_flags.sampled:
            return
        for key, (path, scope, allowed) in noted.items():
            token = ALLOWED.set(ALLOWED.get() | allowed)
            try:
                self._entry_ending(span, key, path, scope)
            finally:
                ALLOWED.reset(token)

    def _entry_ending(self, span: Any, key: str | int, path: CallPath, scope: RequestScope | None) -> None:
        if key == _NAME:
            masked = self._judge(span, span.name, "name", path, scope)
            if masked is not None:
                span._name = masked
        elif key == _STATUS:
            masked = self._judge(span, span.status.description, "status", path, scope)
            if masked is not None:
                span._status = type(span.status)(span.status.status_code, masked)
        elif isinstance(key, str) and key.startswith("event:"):
            self._event_ending(span, int(key[6:]), path, scope)
        elif isinstance(key, str) and key.startswith("link:"):
            self._link_ending(span, int(key[5:]), path, scope)
        elif span.attributes is not None and key in span.attributes:
            masked = self._judge(span, span.attributes[key], str(key), path, scope)
            if masked is not None:
                span._attributes[key] = masked

    def _event_ending(self, span: Any, number: int, path: CallPath, scope: RequestScope | None) -> None:
        events = span._events
        if number >= len(events):
            return
        event = list(events)[number]
        self._fixed(span, event, f"event {event.name}", path, scope)
        masked = self._judge(span, event.name, "event", path, scope)
        if masked is not None:
            event._name = masked

    def _link_ending(self, span: Any, number: int, path: CallPath, scope: RequestScope | None) -> None:
        links = list(span.links or ())
        if number < len(links):
            self._fixed(span, links[number], "link", path, scope)

    def _resource_ending(self, span: Any) -> None:
        """A resource is told of once, with the first span that is exported with it."""
        resource = span.resource
        known = self._resources.get(id(resource))
        if known is None or known[0]() is not resource or not span.get_span_context().trace_flags.sampled:
            return
        del self._resources[id(resource)]
        self._fixed(span, resource, "resource", known[1], None)

    def _fixed(self, span: Any, holder: Any, slot: str, path: CallPath, scope: RequestScope | None) -> None:
        """Judges attributes that nobody can set again: of an event, a link, a resource."""
        masks = {}
        for key, value in dict(holder.attributes or {}).items():
            masked = self._judge(span, value, f"{slot}: {key}", path, scope)
            if masked is not None:
                masks[key] = masked
        inner = holder._attributes
        if masks and isinstance(inner, dict):
            inner.update(masks)
        elif masks:
            frozen, inner._immutable = inner._immutable, False
            try:
                for key, value in masks.items():
                    inner[key] = value
            finally:
                inner._immutable = frozen

    def _judge(self, span: Any, value: Any, slot: str, path: CallPath, scope: RequestScope | None) -> Any:
        """Judges one value; returns what to export instead, if anything."""
        if isinstance(value, (list, tuple)):
            masked = [self._judge(span, entry, slot, path, scope) for entry in value]
            changed = any(entry is not None for entry in masked)
            return tuple(new or old for new, old in zip(masked, value, strict=True)) if changed else None
        hits = self._hits(value)
        if not hits:
            return None
        live_scope = scope if scope is not None and not scope.ended else None
        verdict = self._kit.pipeline.handle(
            Exposed("telemetry", value, hits, path, "opentelemetry", slot, None, False, True, False, live_scope)
        )
        return verdict.text if verdict is not None else None


def value_makers(kit: Kit, hooks: SpanHooks) -> dict[str, Make]:
    """The wrappers of what puts a value on a span."""
    attributes = kit.hook("opentelemetry.attributes", hooks.attributes)
    event = kit.hook("opentelemetry.event", hooks.event)
    named = kit.hook("opentelemetry.name", hooks.named)
    status = kit.hook("opentelemetry.status", hooks.status)
    linked = kit.hook("opentelemetry.link", hooks.linked)

    def set_attribute(original: Any) -> Any:
        def set_attribute(self: Any, key: Any, value: Any) -> Any:
            attributes(self, {key: value})
            return original(self, key, value)

        return named_like(original, set_attribute)

    def set_attributes(original: Any) -> Any:
        def set_attributes(self: Any, values: Any) -> Any:
            attributes(self, values)
            return original(self, values)

        return named_like(original, set_attributes)

    def add_event(original: Any) -> Any:
        def add_event(self: Any, name: Any, attributes: Any = None, *args: Any, **kwargs: Any) -> Any:
            event(self, name, attributes)
            return original(self, name, attributes, *args, **kwargs)

        return named_like(original, add_event)

    def update_name(original: Any) -> Any:
        def update_name(self: Any, name: Any) -> Any:
            named(self, name)
            return original(self, name)

        return named_like(original, update_name)

    def set_status(original: Any) -> Any:
        def set_status(self: Any, value: Any, description: Any = None) -> Any:
            status(self, description if description is not None else getattr(value, "description", None))
            return original(self, value, description)

        return named_like(original, set_status)

    def add_link(original: Any) -> Any:
        def add_link(self: Any, context: Any, attributes: Any = None) -> Any:
            result = original(self, context, attributes)
            if attributes:
                linked(self, attributes)
            return result

        return named_like(original, add_link)

    made = (set_attribute, set_attributes, add_event, update_name, set_status, add_link)
    return {make.__name__: make for make in made}


def life_makers(kit: Kit, hooks: SpanHooks) -> dict[str, Make]:
    """The wrappers of a span's start, which may bring values, and its end."""
    started = kit.hook("opentelemetry.start", hooks.started)
    ending = kit.hook("opentelemetry.end", hooks.ending)

    def start(original: Any) -> Any:
        def start(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(self, *args, **kwargs)
            started(self)
            return result

        return named_like(original, start)

    def end(original: Any) -> Any:
        def end(self: Any, *args: Any, **kwargs: Any) -> Any:
            ending(self)
            return original(self, *args, **kwargs)

        return named_like(original, end)

    return {"start": start, "end": end}


def instrument(kit: Kit) -> Instrument:
    """The instrument of the OpenTelemetry SDK's spans."""
    hooks = SpanHooks(kit)
    makers = value_makers(kit, hooks) | life_makers(kit, hooks)
    made = kit.hook("opentelemetry.resource", hooks.resource)

    def resource(original: Any) -> Any:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            made(self)

        return named_like(original, __init__)

    spans = [PatchPoint("opentelemetry.sdk.trace", f"Span.{name}", make) for name, make in makers.items()]
    return Instrument(
        name="opentelemetry",
        library="opentelemetry-sdk",
        supported=">=1.27",
        points=(*spans, PatchPoint("opentelemetry.sdk.resources", "Resource.__init__", resource)),
        unreachable=(
            "what an exporter or collector removes later: a span is judged as it ends",
            "a resource that was made before rasp was installed",
        ),
    )
