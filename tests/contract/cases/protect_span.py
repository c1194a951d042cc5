"""protect exports the mask in place of the key: attribute, list, event."""

from flask import Flask, request
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

KEY = "pt7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]
MODE = "protect"

app = Flask(__name__)
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("api")


@app.get("/")
def index():
    key = request.headers["X-API-Key"]
    with tracer.start_as_current_span("a", attributes={"k": key}) as span:  # expect: raw-token-in-telemetry
        span.set_attribute("ks", ["x", key])  # expect: raw-token-in-telemetry
        span.add_event("e", {"k": f"<{key}>"})  # expect: raw-token-in-telemetry
    return {}


if __name__ == "__main__":
    assert app.test_client().get("/", headers={"X-API-Key": KEY}).status_code == 200
    (span,) = exporter.get_finished_spans()
    assert KEY not in span.to_json()
    assert span.to_json().count("[credential:api_key:") == 3
