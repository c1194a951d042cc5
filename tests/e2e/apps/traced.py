"""An app that exports its own spans: releases and findings inside and outside of them."""

import os

from flask import Flask, g, request
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider(resource=Resource.create({"service.name": "traced"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=os.environ["RECEIVER"])))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("traced")
app = Flask(__name__)


def clear():
    g.pop("api_key", None)


@app.get("/spans")
def spans():
    with tracer.start_as_current_span("work"):
        g.api_key = request.headers["X-API-Key"]
        with tracer.start_as_current_span("first"):
            g.pop("api_key", None)
        with tracer.start_as_current_span("second"):
            del g.api_key  # here: spans
    return {"ok": True}


@app.get("/no-spans")
def no_spans():
    g.api_key = request.headers["X-API-Key"]
    g.pop("api_key", None)
    clear()
    return {"ok": True}


@app.errorhandler(AttributeError)
def gone(error):
    return {"error": "gone"}, 409
