"""Spans: start attributes, lists, events, exceptions; and what is overwritten or never sampled."""

from flask import Flask, request
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

KEY = "ot7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)
tracer = TracerProvider().get_tracer("api")
unsampled = TracerProvider(sampler=ALWAYS_OFF).get_tracer("api")


@app.get("/")
def index():
    key = request.headers["X-API-Key"]
    with unsampled.start_as_current_span("a") as span:
        span.set_attribute("key", key)
    with tracer.start_as_current_span("b") as span:
        span.set_attribute("key", key)
        span.set_attribute("key", "***")
    span.set_attribute("key", key)
    with tracer.start_as_current_span("c", attributes={"key": key}):  # expect: raw-token-in-telemetry
        pass
    with tracer.start_as_current_span("d") as span:
        span.set_attribute("keys", ["x", key])  # expect: raw-token-in-telemetry
        span.set_attributes({"a": 1, "key": f"Bearer {key}"})  # expect: raw-token-in-telemetry
        span.add_event("seen", {"key": key})  # expect: raw-token-in-telemetry
        span.record_exception(ValueError(key))  # expect: raw-token-in-telemetry
    return {}


if __name__ == "__main__":
    assert app.test_client().get("/", headers={"X-API-Key": KEY}).status_code == 200
