"""OpenTelemetry: what is on a sampled span when it ends, located where it was put in."""

from __future__ import annotations

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
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


@pytest.mark.parametrize("put", [in_event, in_event_name, in_list, in_name, in_exception, in_attributes])
def test_wherever_on_a_span_it_stands_it_is_found_where_it_was_put(install_rasp, put):
    installed = install_rasp()
    tracer, _, provider = tracing()
    traced(put, tracer=tracer)
    provider.shutdown()
    assert installed.judged() == [("raw-token-in-telemetry", "error", put.__name__)]


@pytest.mark.parametrize("put", [in_event, in_list, in_attributes])
def test_protect_exports_the_mask(install_rasp, put):
    install_rasp(mode="protect")
    tracer, exported, provider = tracing()
    traced(put, tracer=tracer)
    provider.shutdown()
    assert KEY[3:] not in str(exported())
    assert "[credential:api_key:" in str(exported())


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
