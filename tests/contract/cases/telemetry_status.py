"""A span's status leaves the process with the trace, like its attributes."""

from flask import Flask, request
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Status, StatusCode

KEY = "ts7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)
tracer = TracerProvider().get_tracer("api")


@app.get("/")
def index():
    with tracer.start_as_current_span("a") as span:
        status = Status(StatusCode.ERROR, "bad " + request.headers["X-API-Key"])
        span.set_status(status)  # expect: raw-token-in-telemetry
    return {}


if __name__ == "__main__":
    assert app.test_client().get("/", headers={"X-API-Key": KEY}).status_code == 200
