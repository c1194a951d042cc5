"""An exception with the key in its text leaves the span's block: the SDK records it as an event of that span."""

from flask import Flask, request
from opentelemetry.sdk.trace import TracerProvider

KEY = "oe7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]

app = Flask(__name__)
tracer = TracerProvider().get_tracer("api")


@app.get("/")
def index():
    try:
        with tracer.start_as_current_span("b"):  # expect: raw-token-in-telemetry
            raise ValueError(request.headers["X-API-Key"])
    except ValueError:
        return {}


if __name__ == "__main__":
    assert app.test_client().get("/", headers={"X-API-Key": KEY}).status_code == 200
