"""One app with several agents in its process: started in the order given, driven, ended, and driven once more.

Prints one JSON document: what rasp found, what callers got, and whether everything is as it was before rasp came.
"""

import importlib
import json
import logging
import sys
import wsgiref.util

KEY = "rk_9VbnQ2xTz7LmWs4KfYp83HdJcA6r"
PATHS = ("/clean", "/log", "/cache", "/broken", "/clean")
PLACES = (
    ("flask.app", "Flask", "__call__"),
    ("flask.app", "Flask", "wsgi_app"),
    ("flask.app", "Flask", "full_dispatch_request"),
    ("flask.ctx", "AppContext", "__init__"),
    ("logging", "Handler", "format"),
    ("cachelib.simple", "SimpleCache", "delete"),
    ("jwt.api_jwt", "PyJWT", "decode"),
)


def start_sentry():
    import sentry_sdk
    from sentry_sdk.transport import Transport

    class Nowhere(Transport):
        def capture_envelope(self, envelope):
            sent.append(str(envelope.get_event() or envelope.get_transaction_event()))

    sentry_sdk.init("https://0123456789abcdef@sentry.example/1", transport=Nowhere, traces_sample_rate=1.0)


def start_otel():
    from opentelemetry import trace
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter := InMemorySpanExporter()))
    trace.set_tracer_provider(provider)
    spans.append(exporter)
    FlaskInstrumentor().instrument()


def start_zen():
    import aikido_zen

    aikido_zen.protect(mode="daemon_disabled")


def start_rasp():
    import rasp

    if all(name in sys.modules for name in ("flask.app", "cachelib.simple", "jwt.api_jwt")):
        before.update(standing())
    rasp.install({"report": False})


def end_otel():
    from opentelemetry.instrumentation.flask import FlaskInstrumentor

    FlaskInstrumentor().uninstrument()


def end_rasp():
    import rasp

    rasp.uninstall()


def standing():
    """What stands at each place that rasp patches."""
    return {place: vars(getattr(importlib.import_module(place[0]), place[1])).get(place[2]) for place in PLACES}


def make():
    import jwt
    from cachelib import SimpleCache
    from flask import Flask, request

    app = Flask("together")
    cache = SimpleCache()
    log = logging.getLogger("together")

    @app.get("/clean")
    def clean():
        token = jwt.encode({"sub": "ann", "exp": 4102444800}, "a signing key of 32 characters, x")
        return {"sub": jwt.decode(token, "a signing key of 32 characters, x", algorithms=["HS256"])["sub"]}

    @app.get("/log")
    def leak():
        log.warning("caller %s", request.headers["X-API-Key"])
        return "logged"

    @app.get("/cache")
    def twice():
        name = "user:" + request.headers["X-API-Key"][:0] + digest(request.headers["X-API-Key"])
        cache.set(name, "ann")
        cache.delete(name)
        drop(cache, name)
        return "dropped"

    @app.get("/broken")
    def broken():
        raise RuntimeError("broken")

    return app


def drop(cache, name):
    cache.delete(name)


def digest(text):
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def drive(app):
    """Status and body of each request."""
    answers = []
    for path in PATHS:
        environ = {"PATH_INFO": path, "HTTP_X_API_KEY": KEY, "REMOTE_ADDR": "127.0.0.1"}
        wsgiref.util.setup_testing_defaults(environ)
        begun = []
        body = app(environ, lambda status, headers, exc_info=None, begun=begun: begun.append(status))
        answers.append([begun[0], b"".join(body).decode()])
        body.close()
    return answers


sent, spans, before = [], [], {}


def main(order, early):
    logging.basicConfig(stream=sys.stderr)
    if early:
        for name in ("flask", "cachelib", "jwt"):
            importlib.import_module(name)
    for tool in order:
        globals()[f"start_{tool}"]()
    app = make()
    answers = drive(app)
    found = []
    if "rasp" in order:
        import rasp

        found = [[f.rule, f.severity.word, f.location.function, f.count] for f in rasp.findings()]
    for tool in order:
        globals().get(f"end_{tool}", lambda: None)()
    after = {place: value for place, value in standing().items() if before and value is not before[place]}
    document = {
        "answers": answers,
        "again": drive(app) == answers,
        "found": sorted(found),
        "moved": [".".join(place) for place in after],
        "spans": len(spans[0].get_finished_spans()) if spans else 0,
        "sent": len(sent),
        "leaked": KEY in "".join(sent),
    }
    print(json.dumps(document))


if __name__ == "__main__":
    main([tool for tool in sys.argv[1].split(",") if tool], "early" in sys.argv[2:])
