"""Nothing that rasp writes, and no text that Python makes of its objects, shows a credential."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import gc
import io
import json
import logging
import os
import sqlite3
import sys
import threading
import traceback
import types
from functools import partial
from urllib.parse import quote

import jwt as pyjwt
import pytest
import structlog
from cachelib import SimpleCache
from flask import Flask, g, redirect, request
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support.made_up import SIGNING_KEY, api_key, jwt, text
from support.web import environ, serve

import rasp
from rasp import runtime as process
from rasp.instruments.flask_g import GDict
from rasp.instruments.kit import obey
from rasp.ledger import facts
from rasp.ledger.events import Exposed
from rasp.model import Action
from rasp.reporters import aggregate
from rasp.rules.table import RULES

KEY, OTHER, TICKET, HELD = api_key("canary"), api_key("other"), text("ticket", 30), text("held/+", 32)
TOKEN, PEEKED = jwt("canary"), jwt("peeked")
SHORT = "s3cr3t-k9"
SECRETS = (KEY, OTHER, TICKET, HELD, TOKEN, PEEKED, SIGNING_KEY)
SETTINGS = {
    "credential": [{"source": "query:ticket", "kind": "single_use"}],
    "replay_methods": ["GET", "POST"],
    "native": [{"library": "libc", "acquire": ["malloc"], "use": ["memset"], "release": ["free"]}],
    "rules": {},
}
libc = ctypes.CDLL(None)
libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
libc.free.argtypes, libc.free.restype = [ctypes.c_void_p], None


def needles(secret):
    """Everything that would give a secret away: whole, encoded, and 16 characters in a row of its secret part."""
    raw = secret.encode()
    yield from (raw.hex(), raw.hex().upper(), quote(secret, safe=""))
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw)
        yield encoded[(0, 2, 3)[offset] : (offset + len(raw)) * 8 // 6].decode()
    part = secret.rpartition(".")[2].removeprefix("rk_")
    yield from (part[at : at + 16] for at in range(len(part) - 15))


NEEDLES = {needle: secret[:6] for secret in SECRETS for needle in needles(secret)}


def shown_in(texts):
    """What of the secrets stands in these texts, by where."""
    return sorted({f"{where}: {NEEDLES[needle]}…" for where, found in texts for needle in NEEDLES if needle in found})


def canary_app(cache):
    """One route for each rule."""
    app = Flask("canary_app")
    app.logger.handlers[:] = [logging.NullHandler()]
    app.logger.propagate = False
    log = logging.Logger("canary")
    log.addHandler(logging.StreamHandler(io.StringIO()))
    kept = []

    def presented():
        return request.headers["X-API-Key"]

    def double():
        g.api_key = presented()
        del g.api_key
        del g.api_key

    def used():
        held = rasp.hold(HELD, f"vault {HELD}")
        rasp.release(HELD, f"vault {HELD}")
        held.use()

    def native_twice():
        libc.free(libc.malloc(100))
        cache.delete(f"never:{presented()}")

    def written_down():
        with contextlib.closing(sqlite3.connect(":memory:")) as database:
            database.execute("CREATE TABLE t (a)")
            database.execute(f"INSERT INTO t VALUES (?), ('{presented()}')", (presented(),))

    def telemetry():
        with trace.get_tracer("canary").start_as_current_span("work") as span:
            span.set_attribute("key", presented())

    def stolen():
        kept.append(request.headers["X-API-Key"])
        g.api_key = kept[0]

    def overlapping():
        """Another request takes the entry away meanwhile."""
        slot = f"slot:{presented()}"
        if request.args.get("second"):
            cache.delete(slot)
            return
        cache.set(slot, 1)
        other = threading.Thread(target=call, args=(app, "/overlapping?second=1"), kwargs={"key": KEY})
        other.start()
        other.join(20)
        cache.get(slot)

    def half():
        rasp.hold(HELD, f"half {HELD}")
        if request.args.get("bad"):
            return {}, 400
        rasp.release(HELD, f"half {HELD}")
        return {}

    views = {
        "inconsistent-release": half,
        **{rule: partial(judged, rule) for rule in INSTRUMENTED_LATER},
        "double-release": double,
        "use-after-release": used,
        "release-without-acquire": native_twice,
        "never-released": lambda: rasp.hold(HELD, f"kept {HELD}"),
        "raw-token-logged": lambda: log.warning("came with %s and %s", presented(), {"key": presented()}),
        "raw-token-as-key": lambda: cache.set(presented(), 1),
        "raw-token-stored": written_down,
        "raw-token-in-process-args": lambda: str(os.system(f"true {presented()}")),
        "raw-token-in-telemetry": telemetry,
        "raw-token-in-url": lambda: redirect(f"/?key={presented()}"),
        "concurrent-reuse": overlapping,
        "cross-request-leak": stolen,
        "single-use-replay": lambda: "ok",
        "unverified-token": lambda: pyjwt.decode(PEEKED, options={"verify_signature": False}),
        "unvalidated-credential": lambda: bool(presented()),
        "long-lived-token": lambda: bool(pyjwt.encode({"sub": "canary"}, SIGNING_KEY)),
        "weak-credential": lambda: "ok",
    }
    for rule, view in views.items():
        path = "/overlapping" if rule == "concurrent-reuse" else f"/{rule}"
        app.add_url_rule(path, rule, answering(view))
    app.add_url_rule("/verified", "verified", lambda: pyjwt.decode(TOKEN, SIGNING_KEY, algorithms=["HS256"]))
    return app


def judged(rule):
    """What an instrument of that rule would report of this request, with the key in its text."""
    runtime = process.active()
    ledger, scope = runtime.ledger, runtime.ledger.scopes.here()
    path = ledger.places.path(sys._getframe())
    live = ledger.values.get(request.headers["X-API-Key"])
    kind = INSTRUMENTED_LATER[rule]
    if isinstance(kind, str):
        told = f"before {live.text} after"
        obey(runtime.pipeline.handle(Exposed(kind, told, ledger.values.find(told), path, kind, f"slot {live.text}")))
    else:
        trail = (ledger.desk.occur(Action.EXPOSE, "requests", f"slot {live.text}", path, live, scope),)
        obey(runtime.pipeline.respond([kind(live=live, trail=trail, scope=scope)]))


INSTRUMENTED_LATER = {
    "raw-token-in-response": "response",
    "raw-token-sent-elsewhere": facts.SentElsewhere,
    "unvalidated-credential": facts.Unvalidated,
    "long-lived-token": facts.LongLived,
    "unauthenticated-llm-endpoint": facts.SpentOnLlm,
    "plaintext-credential": facts.SentInPlaintext,
}
"""Sinks or facts of the rules that this app meets through no library."""


def answering(view):
    """What a view answers, ``ok`` where that is nothing."""

    def answer():
        made = view()
        return made if isinstance(made, (str, dict, tuple)) or hasattr(made, "status_code") else "ok"

    return answer


def call(app, path, key=KEY, token=None):
    """One request; what it raises comes back."""
    headers = {"X-API-Key": key} | ({"Authorization": f"Bearer {token}"} if token else {})
    app.config["PROPAGATE_EXCEPTIONS"] = True
    try:
        serve(app, environ(path, headers))
    except Exception as error:
        return error
    return None


def drive(app):
    """Every rule at least once; the exceptions that came out."""
    raised = [call(app, "/verified", token=TOKEN)]
    for rule in RULES:
        path = "/overlapping" if rule == "concurrent-reuse" else f"/{rule}"
        raised.append(call(app, path + f"?ticket={TICKET}", token=PEEKED))
    raised.append(call(app, "/inconsistent-release?bad=1"))
    raised += [call(app, f"/{rule}", OTHER) for rule in ("cross-request-leak", "raw-token-logged")]
    raised.append(call(app, "/weak-credential", SHORT))
    return [error for error in raised if error is not None]


class Canary:
    """A whole run with every reporter, and all that it left."""

    def __init__(self, folder, install_rasp, mode, **settings):
        self.folder = folder
        self.spans = InMemorySpanExporter()
        self.structlog = io.StringIO()
        self.installed = install_rasp(
            mode=mode, record=True, report=True, structlog=True, otel=True, findings=str(folder / "findings.jsonl"),
            **(SETTINGS | settings),
        )  # fmt: skip

    def run(self):
        self.raised = drive(canary_app(SimpleCache()))
        self.installed.records()

    def outputs(self):
        """(where, text) of every file, stream and report."""
        yield from ((path.name, path.read_text()) for path in self.folder.glob("*.jsonl"))
        yield "structlog", self.structlog.getvalue()
        for span in self.spans.get_finished_spans():
            if "rasp" in span.name:
                yield "opentelemetry", span.to_json()
        found = aggregate.load([self.folder / "findings.jsonl"])
        for format in ("text", "markdown", "json"):
            yield format, aggregate.render(found, format)
        yield "colour", aggregate.render(found, "text", color=True)

    def tracebacks(self):
        """Exceptions as frameworks and error reporters print them."""
        for error in self.raised:
            chain = error
            while chain is not None:
                if isinstance(chain, rasp.RaspError):
                    yield "exception", f"{chain} {chain!r} {chain.args} {vars(chain)}"
                chain = chain.__cause__ or chain.__context__
            told = traceback.TracebackException.from_exception(error, capture_locals=True)
            for frame in told.stack:
                if "/rasp/" in frame.filename and "/tests/" not in frame.filename:
                    for name, value in (frame.locals or {}).items():
                        if name not in OF_THE_APP and (frame.name, name) not in G_METHODS:
                            yield f"local {frame.name}.{name}", value

    def objects(self):
        """``repr`` and ``str`` of every object of rasp's own classes that is alive."""
        for entry in gc.get_objects():
            kind = type(entry)
            if issubclass(kind, GDict):
                continue  # flask.g's own dict
            if str(getattr(kind, "__module__", None)).startswith("rasp.") and not isinstance(entry, types.ModuleType):
                with contextlib.suppress(ReferenceError):
                    yield kind.__qualname__, f"{entry!r} {entry!s}"


OF_THE_APP = {"environ", "headers", "args", "kwargs", "value", "slot"}
"""What the app hands over, in its own words: it stands in the app's frames right beside."""
G_METHODS = {(name, "self") for name in ("__setitem__", "__delitem__", "pop", "update", "setdefault")}
"""The ``__dict__`` of ``flask.g``, which shows what the app has put there, as ever."""


@pytest.fixture
def provider(monkeypatch):
    """The app's own tracer provider, for this test only."""
    made = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", made)
    yield made
    made.shutdown()


@pytest.fixture
def canary(tmp_path, install_rasp, provider, request):
    running = Canary(tmp_path, install_rasp, **request.param)
    provider.add_span_processor(SimpleSpanProcessor(running.spans))
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(running.structlog))
    yield running
    structlog.reset_defaults()


MODES = [{"mode": mode} for mode in ("observe", "protect", "strict")]


def test_the_search_finds_what_it_looks_for():
    for secret in SECRETS:
        raw = secret.encode()
        for told in (secret, raw.hex(), base64.b64encode(b"u:" + raw).decode(), f"x{secret[-16:]}"):
            assert shown_in([("here", f"<{told}>")]) != []
    assert shown_in([("here", "[credential:api_key:0011223344556677]")]) == []


@pytest.mark.parametrize("canary", [MODES[0]], indirect=True)
def test_every_rule_and_every_reporter_is_there(canary):
    canary.run()
    assert {found.rule for found in canary.installed.findings} == set(RULES)
    places = {where for where, told in canary.outputs() if told}
    assert places == {
        "findings.jsonl", "events.jsonl", "structlog", "opentelemetry", "text", "markdown", "json", "colour",
    }  # fmt: skip
    written = [json.loads(line) for line in (canary.folder / "findings.jsonl").read_text().splitlines()]
    assert {found["rule"] for found in written} == set(RULES)


@pytest.mark.parametrize("canary", MODES, indirect=True, ids=lambda param: param["mode"])
def test_no_output_shows_a_credential(canary, capfd):
    canary.run()
    assert shown_in(canary.outputs()) == []
    told = capfd.readouterr()
    assert "double-release" in told.err, "the report on standard error is on"
    assert shown_in([("stderr", told.err), ("stdout", told.out)]) == []


@pytest.mark.parametrize("canary", MODES, indirect=True, ids=lambda param: param["mode"])
def test_no_object_shows_a_credential(canary):
    canary.run()
    assert shown_in(canary.objects()) == []


@pytest.mark.parametrize("canary", MODES, indirect=True, ids=lambda param: param["mode"])
def test_no_exception_or_traceback_of_rasp_shows_a_credential(canary):
    canary.run()
    shown = list(canary.tracebacks())
    if canary.installed.runtime.config.mode == "strict":
        assert any(where == "exception" for where, _ in shown)
    assert shown_in(shown) == []


@pytest.mark.parametrize("canary", [{"mode": mode["mode"], "loud": False} for mode in MODES], indirect=True, ids=str)
def test_what_rasp_says_when_it_fails_shows_no_credential(canary, capfd):
    guard = canary.installed.guard
    guard.sabotage(*(name for name in guard.names if not name.startswith("install.")))
    canary.run()
    told = capfd.readouterr()
    assert "failed with Sabotage" in told.err
    assert shown_in([("stderr", told.err), *canary.objects(), *canary.tracebacks()]) == []
