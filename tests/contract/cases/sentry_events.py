"""Sentry with its own integrations: what is sent counts, where it was put in; scrubbed and dropped things do not."""

import logging

import sentry_sdk
from flask import Flask, request
from sentry_sdk.transport import Transport

KEY = "se7Jk2Lm9Qw4Er6Ty8Ui3"
SECRETS = [KEY]
sent = []


class Kept(Transport):
    def capture_envelope(self, envelope):
        sent.append(envelope.serialize().decode())


sentry_sdk.init("https://public@sentry.invalid/1", transport=Kept, traces_sample_rate=1.0, send_default_pii=False)
app = Flask(__name__)
quiet = logging.getLogger("quiet")
quiet.propagate = False
quiet.addHandler(logging.NullHandler())


@app.get("/raises")
def raises():
    given = request.headers["X-API-Key"]
    return {"n": len(given) // 0}  # expect: raw-token-in-telemetry


@app.get("/caught")
def caught():
    key = request.headers["X-API-Key"]
    try:
        raise ValueError(f"no such key: {key}")  # expect: raw-token-in-telemetry
    except ValueError as error:
        sentry_sdk.capture_exception(error)
    return {}


@app.get("/put")
def put():
    key = request.headers["X-API-Key"]
    sentry_sdk.set_tag("who", key)  # expect: raw-token-in-telemetry
    sentry_sdk.add_breadcrumb(message=f"came with {key}")  # expect: raw-token-in-telemetry
    sentry_sdk.capture_message("seen")
    return {}


@app.get("/benign")
def benign():
    key = request.headers["X-API-Key"]
    sentry_sdk.set_tag("who", key[:4])
    sentry_sdk.set_extra("api_key", key)
    sentry_sdk.capture_message("seen")
    return {}


@app.get("/never")
def never():
    sentry_sdk.add_breadcrumb(message=request.headers["X-API-Key"])
    return {}


if __name__ == "__main__":
    client = app.test_client()
    for path, status in (("raises", 500), ("caught", 200), ("put", 200), ("benign", 200), ("never", 200)):
        assert client.get(f"/{path}", headers={"X-API-Key": KEY}).status_code == status, path
    sentry_sdk.flush()
    assert sum(KEY in envelope for envelope in sent) >= 3
