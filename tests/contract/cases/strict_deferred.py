"""strict raises at the request's end what can only be judged there: an unverified token, a span's attribute."""

import jwt
from flask import Flask, request
from opentelemetry.sdk.trace import TracerProvider

import rasp

SIGNING_KEY = "p00zKLMcyKHKi7M07QbbStdd8AgdmX2sau4rEE7n"
SECRETS = [SIGNING_KEY]
MODE = "strict"

app = Flask(__name__)
tracer = TracerProvider().get_tracer("api")
reached = []


@app.get("/jwt")
def peek():
    claims = jwt.decode(request.headers["X-API-Key"], options={"verify_signature": False})  # expect: unverified-token
    reached.append("jwt")
    return claims


@app.get("/span")
def span():
    with tracer.start_as_current_span("a") as current:
        current.set_attribute("key", request.headers["X-API-Key"])  # expect: raw-token-in-telemetry
    reached.append("span")
    return {}


@app.get("/hold")
def hold():
    rasp.hold(request.headers["X-API-Key"], "pool")  # expect: never-released
    reached.append("hold")
    return {}


if __name__ == "__main__":
    names = {"jwt": "UnverifiedToken", "span": "RawTokenInTelemetry", "hold": "NeverReleased"}
    for number, (path, name) in enumerate(names.items()):
        token = jwt.encode({"sub": str(number)}, SIGNING_KEY, "HS256")
        caught = None
        try:
            app.test_client().get(f"/{path}", headers={"X-API-Key": token}).data
        except Exception as error:
            caught = error
        assert type(caught).__name__ == name, caught
    assert reached == list(names)
