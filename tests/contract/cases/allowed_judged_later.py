"""Fine: the code says itself why; also where the judgement comes later than the code."""

import jwt
from flask import Flask, request
from opentelemetry.sdk.trace import TracerProvider

import rasp

SIGNING_KEY = "p00zKLMcyKHKi7M07QbbStdd8AgdmX2sau4rEE7n"
SECRETS = [SIGNING_KEY]

app = Flask(__name__)
tracer = TracerProvider().get_tracer("api")


@app.get("/span")
def span():
    with tracer.start_as_current_span("a") as current, rasp.allow("RASP203", reason="sandbox keys"):
        current.set_attribute("key", request.headers["X-API-Key"])
    return {}


@app.get("/jwt")
def peek():
    with rasp.allow("unverified-token", reason="the gateway has verified it"):
        return jwt.decode(request.headers["X-Access-Token"], options={"verify_signature": False})


@app.get("/hold")
def keep():
    with rasp.allow("never-released", reason="the pool's own thread releases it"):
        rasp.hold(request.headers["X-API-Key"], "pool")
    return {"ok": True}


if __name__ == "__main__":
    client = app.test_client()
    token = jwt.encode({"sub": "alice"}, SIGNING_KEY, "HS256")
    for path in ("span", "jwt", "hold"):
        assert client.get(f"/{path}", headers={"X-API-Key": "al7Jk2Lm9Qw4Er6Ty8Ui3", "X-Access-Token": token}).data
