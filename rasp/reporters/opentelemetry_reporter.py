"""Findings and releases as OpenTelemetry spans and metrics, beside the app's own traces.

Spans are built after the request, with explicit times, through the app's tracer provider. Its sampler decides
here too: a request that the caller sampled out may get no spans, only lines in the findings file.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from rasp.model import Action, Finding, RequestRecord, Severity
from rasp.reporters.meters import Meters
from rasp.reporters.safe import safe_finding, safe_record
from rasp.reporters.span_parts import finding_attributes, release_attributes, request_attributes
from rasp.reporters.traceparent import parse_traceparent

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import SpanContext, Tracer, TracerProvider

REMEMBERED = 1000
"""Requests whose span later findings can still be linked to."""

_SAMPLED = 1
_SUPPRESS = True


class OpenTelemetryReporter:
    """Emits spans where the app has set up an SDK, and metrics where it uses the metrics API.

    ``occurrence`` counts every finding, and emits the span of one that happens outside a request or after its
    request's record; the spans of all others come with ``record``.
    """

    def __init__(self, tracers: TracerProvider | None = None, meters: MeterProvider | None = None) -> None:
        """Takes the global providers, looked up at each emission, for those not given."""
        self._given = tracers
        self._meters = Meters(meters)
        self._emitted: deque[tuple[str, SpanContext]] = deque(maxlen=REMEMBERED)

    def ready(self) -> bool:
        """Whether spans have somewhere to go.

        The SDK shuts itself down by an exit handler that it registers when it is made, and exit handlers run
        last in, first out: a caller that registers its drain once this is true drains before that.
        """
        return self._provider() is not None

    def finding(self, finding: Finding) -> None:
        """Takes every occurrence instead."""

    def recount(self, finding: Finding) -> None:
        """Takes every occurrence instead."""

    def occurrence(self, finding: Finding) -> None:
        shown = safe_finding(finding)
        self._meters.finding(shown)
        request = None if shown.request is None else self._span_of(shown.request.id)
        if shown.request is not None and request is None:
            return  # its request's record is still to come
        provider = self._provider()
        if provider is not None:
            with _suppressed():
                self._emit(_tracer(provider), shown, request, None)

    def record(self, record: RequestRecord, findings: tuple[Finding, ...]) -> None:
        self._meters.dropped(record.dropped)
        if not (record.credentials or record.events or findings):
            return  # a request in which there was nothing to follow: no span beside the app's own
        provider = self._provider()
        if provider is None:
            return
        with _suppressed():
            tracer = _tracer(provider)
            own = _emit_request(tracer, safe_record(record))
            self._emitted.append((record.request.id, own))
            for finding in findings:
                self._emit(tracer, safe_finding(finding), own, record)

    def overhead(self, seconds: float) -> None:
        """Records what rasp cost one request."""
        self._meters.overhead(seconds)

    def close(self) -> None:
        """Leaves the providers to the app."""

    def _provider(self) -> TracerProvider | None:
        if self._given is not None:
            return self._given
        trace = sys.modules.get("opentelemetry.trace")
        if trace is None or "opentelemetry.sdk.trace" not in sys.modules:
            return None
        provider: TracerProvider = trace.get_tracer_provider()
        return provider if hasattr(provider, "add_span_processor") else None

    def _span_of(self, request: str | None) -> SpanContext | None:
        return next((span for known, span in tuple(self._emitted) if known == request), None)

    def _emit(
        self, tracer: Tracer, finding: Finding, request: SpanContext | None, record: RequestRecord | None
    ) -> None:
        """Emits the span of a finding; ``request`` is the span of its request, ``record`` its record."""
        from opentelemetry.trace import Link, Status, StatusCode

        moment = _nanoseconds(finding.time)
        if record is not None:
            moment = min(max(moment, record.started), record.ended)
        release = self._first_release(finding)
        span = tracer.start_span(
            f"rasp {finding.rule}",
            context=_below(_current(finding, record) or request),
            attributes=finding_attributes(finding),
            links=[] if release is None else [Link(release)],
            start_time=moment,
        )
        if finding.severity is Severity.ERROR:
            span.set_status(Status(StatusCode.ERROR, finding.message))
        span.end(moment)

    def _first_release(self, finding: Finding) -> SpanContext | None:
        """The span in which the trail's first release happened, else that of its request, where known."""
        step = next((step for step in finding.trail if step.action is Action.RELEASE), None)
        if step is None:
            return None
        found = None if step.span is None else _context(*step.span)
        return found or self._span_of(step.request)


def _emit_request(tracer: Tracer, record: RequestRecord) -> SpanContext:
    """Emits the span of a request with its releases; its context is what findings hang below."""
    parent = None if record.parent is None else _context(*record.parent)
    caller = parse_traceparent(record.traceparent)
    if parent is None and caller is not None:
        parent = _context(caller.trace_id, caller.span_id, caller.flags, remote=True)
    span = tracer.start_span(
        "rasp.request",
        context=_below(parent),
        attributes=request_attributes(record),
        start_time=record.started,
    )
    for event in record.events:
        if event.step.action is Action.RELEASE:
            moment = record.started + round((event.step.t_ms or 0.0) * 1e6)
            span.add_event("rasp.release", release_attributes(event), timestamp=moment)
    span.end(record.ended)
    return span.get_span_context()


def _current(finding: Finding, record: RequestRecord | None) -> SpanContext | None:
    """The span that was current when a finding happened."""
    ids = (finding.trace_id, finding.span_id)
    caller = None if record is None or record.parent is not None else parse_traceparent(record.traceparent)
    if caller is not None and ids == (caller.trace_id, caller.span_id):
        return None  # none was: the ids are the caller's, whose child is the request's span
    return _context(*ids)


def _context(
    trace_id: str | None, span_id: str | None, flags: int = _SAMPLED, *, remote: bool = False
) -> SpanContext | None:
    """A span's context from its ids in hex; ``None`` where they name no span."""
    from opentelemetry.trace import SpanContext, TraceFlags

    try:
        context = SpanContext(
            int(trace_id or "", 16), int(span_id or "", 16), is_remote=remote, trace_flags=TraceFlags(flags)
        )
    except ValueError:
        return None
    return context if context.is_valid else None


def _below(parent: SpanContext | None) -> Context:
    """A context in which a span is the parent's child, or a root; never what is current on this thread."""
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, set_span_in_context

    return Context() if parent is None else set_span_in_context(NonRecordingSpan(parent), Context())


def _tracer(provider: TracerProvider) -> Tracer:
    return provider.get_tracer("rasp")


@contextmanager
def _suppressed() -> Iterator[None]:
    """Keeps OpenTelemetry's instrumentations from tracing an export; the SDK's own tracer goes on."""
    from opentelemetry import context

    # The instrumentations ask for the plain key, the SDK's exporters set one of their own.
    current = context.get_current()
    for key in ("suppress_instrumentation", getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", None)):
        current = current if key is None else context.set_value(key, _SUPPRESS, current)
    token = context.attach(current)
    try:
        yield
    finally:
        context.detach(token)


def _nanoseconds(time: str) -> int:
    """ISO 8601 as nanoseconds since the epoch."""
    return round(datetime.fromisoformat(time).timestamp() * 1000) * 1_000_000
