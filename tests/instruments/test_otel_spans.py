"""OpenTelemetry: what is on a sampled span when it ends, located where it was put in."""

from __future__ import annotations

import gc

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Link, SpanContext, StatusCode
from support.web import call

import rasp


class Refusing(SpanProcessor):
    def __init__(self, error):
        self.error = error

    def on_end(self, span):
        raise self.error


def tracing(**options):
    """A tracer and the spans it exported, as (name, attributes, events)."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False, **options)
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def exported():
        return [
            (span.name, dict(span.attributes), [(event.name, dict(event.attributes)) for event in span.events])
            for span in exporter.get_finished_spans()
        ]

    return provider.get_tracer("contract"), exported, provider


class TestOpenTelemetry(InstrumentContract):
    name = "opentelemetry"
    hooks = ("opentelemetry.attributes", "opentelemetry.event", "opentelemetry.name", "opentelemetry.end")
    holder = "opentelemetry"
    clean = ()
    defective = ("expose",)
    finding = ("raw-token-in-telemetry", "error", "defect")
    masks = True

    def subject(self, folder):
        app = flask_app()
        tracer, exported, provider = tracing()

        @app.get("/clean")
        def clean():
            with tracer.start_as_current_span("clean", attributes={"first": 1}) as span:
                span.set_attribute("key", request.headers["X-API-Key"][:6])
                span.set_attributes({"numbers": [1, 2], "on": True})
                span.add_event("looked", {"found": "yes"})
                span.update_name("cleaned")
            return {"ok": True}

        @app.get("/defect")
        def defect():
            with tracer.start_as_current_span("defect") as span:
                span.set_attribute("key", request.headers["X-API-Key"])
            return {"ok": True}

        return Subject(app, exported, provider.shutdown)

    def raises(self, subject):
        error = OSError("collector is gone")
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(Refusing(error))
        span = provider.get_tracer("contract").start_span("lost")
        with pytest.raises(OSError) as caught:
            span.end()
        return error, caught.value


def traced(put, *, tracer):
    """One request in whose span ``put`` leaves the key."""
    app = flask_app()

    @app.get("/")
    def view():
        with tracer.start_as_current_span("work") as span:
            put(span, request.headers["X-API-Key"])
        return "ok"

    return call(app, "/", {"X-API-Key": KEY})


def in_event(span, key):
    span.add_event("seen", {"key": key})


def in_event_name(span, key):
    span.add_event(f"seen {key}")


def in_list(span, key):
    span.set_attribute("keys", ["a", key])


def in_name(span, key):
    span.update_name(f"work {key}")


def in_exception(span, key):
    span.record_exception(ValueError(f"bad key {key}"))


def in_attributes(span, key):
    span.set_attributes({"key": key, "other": 1})


def in_link(span, key):
    span.add_link(SpanContext(1, 2, False), {"key": key})


def in_status(span, key):
    span.set_status(StatusCode.ERROR, f"refused {key}")


EVERYWHERE = [in_event, in_event_name, in_list, in_name, in_exception, in_attributes, in_link, in_status]


@pytest.mark.parametrize("put", EVERYWHERE)
def test_wherever_on_a_span_it_stands_it_is_found_where_it_was_put(install_rasp, put):
    installed = install_rasp()
    tracer, _, provider = tracing()
    traced(put, tracer=tracer)
    provider.shutdown()
    assert installed.judged() == [("raw-token-in-telemetry", "error", put.__name__)]


@pytest.mark.parametrize("put", EVERYWHERE)
def test_protect_exports_the_mask(install_rasp, put):
    install_rasp(mode="protect")
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traced(put, tracer=provider.get_tracer("contract"))
    provider.shutdown()
    (span,) = exporter.get_finished_spans()
    assert KEY[3:] not in span.to_json()
    assert "[credential:api_key:" in span.to_json()


def test_links_given_at_the_start_are_judged(install_rasp):
    installed = install_rasp()
    tracer, _, provider = tracing()
    app = flask_app()

    @app.get("/")
    def view():
        link = Link(SpanContext(1, 2, False), {"key": request.headers["X-API-Key"]})
        tracer.start_span("work", links=[link]).end()
        return "ok"

    call(app, "/", {"X-API-Key": KEY})
    provider.shutdown()
    assert installed.judged() == [("raw-token-in-telemetry", "error", "view")]


def resourceful(key):
    """A provider whose every span goes with the app's own key."""
    return tracing(resource=Resource.create({"service.name": "app", "service.key": key}))


@pytest.mark.parametrize("mode", ["observe", "protect"])
def test_a_resource_is_told_of_once_where_it_was_made(install_rasp, mode):
    installed = install_rasp(mode=mode, record=True)
    rasp.track(KEY, kind="service")
    tracer, _, provider = resourceful(KEY)
    with tracer.start_as_current_span("first") as span:
        pass
    tracer.start_span("second").end()
    provider.shutdown()
    assert (KEY in span.resource.to_json()) is (mode == "observe")
    assert installed.judged() == [("raw-token-in-telemetry", "error", "resourceful")]
    assert installed.findings[0].count == 1


def test_a_resource_no_span_goes_with_is_no_exposure(install_rasp):
    installed = install_rasp()
    rasp.track(KEY, kind="service")
    Resource.create({"service.key": KEY})
    dropped, _, provider = tracing(resource=Resource({"service.key": KEY}), sampler=ALWAYS_OFF)
    dropped.start_span("work").end()
    provider.shutdown()
    assert installed.findings == []


def test_nothing_is_remembered_where_nothing_matches(install_rasp):
    install_rasp()
    tracer, _, provider = tracing()

    def benign(span, key):
        noted = span_hooks()._noted
        in_attributes(span, key[:6])
        in_event(span, "fine")
        assert len(noted) == 0

    traced(benign, tracer=tracer)
    provider.shutdown()


def span_hooks():
    """The instrument's own state."""
    return [entry for entry in gc.get_objects() if type(entry).__name__ == "SpanHooks"][-1]


HEADERS = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST"


def test_headers_that_flasks_instrumentation_captures_are_found_at_the_view(install_rasp, monkeypatch):
    flask = pytest.importorskip("opentelemetry.instrumentation.flask")
    monkeypatch.setenv(HEADERS, "x-api-key")
    installed = install_rasp()
    _, _, provider = tracing()
    app = flask_app()
    flask.FlaskInstrumentor().instrument_app(app, tracer_provider=provider)

    @app.get("/")
    def view():
        return "ok"

    call(app, "/", {"X-API-Key": KEY})
    provider.shutdown()
    assert installed.judged() == [("raw-token-in-telemetry", "error", "view")]
    assert installed.findings[0].request.route == "/"


def test_attributes_given_at_the_start_are_judged(install_rasp):
    installed = install_rasp()
    tracer, _, provider = tracing()
    app = flask_app()

    @app.get("/")
    def view():
        tracer.start_span("work", attributes={"key": request.headers["X-API-Key"]}).end()
        return "ok"

    call(app, "/", {"X-API-Key": KEY})
    provider.shutdown()
    assert installed.judged() == [("raw-token-in-telemetry", "error", "view")]


def test_what_was_overwritten_or_not_sampled_is_no_exposure(install_rasp):
    installed = install_rasp()

    def overwrite(span, key):
        span.set_attribute("key", key)
        span.set_attribute("key", "***")

    kept, exported, provider = tracing()
    traced(overwrite, tracer=kept)
    dropped, _, other = tracing(sampler=ALWAYS_OFF)
    traced(in_list, tracer=dropped)
    provider.shutdown()
    other.shutdown()
    assert exported()[0][1] == {"key": "***"}
    assert installed.findings == []


def test_strict_raises_at_the_requests_end(install_rasp):
    installed = install_rasp(mode="strict")
    tracer, exported, provider = tracing()
    with pytest.raises(rasp.RawTokenInTelemetry):
        traced(in_list, tracer=tracer)
    provider.shutdown()
    assert len(exported()) == 1, "the span was exported"
    assert installed.runtime.pipeline.pending == []
