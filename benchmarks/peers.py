"""Who is compared: how each agent is installed, and how an app starts it.

``start`` runs in the process that is measured, before the app is imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

APP = ("flask", "pyjwt", "cachelib", "gunicorn")
EXPORT = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")
OTLP, SINK = "BENCH_OTLP", "BENCH_SINK"
"""Variables that hold the URLs of the collector and of a server that takes anything."""


@dataclass(frozen=True)
class Peer:
    """One variant of the app.

    Attributes:
        name: what tables call it.
        needs: what its environment holds beside the app.
        rasp: whether its environment holds rasp, from this checkout.
        start: switches it on.
        optional: measured only when asked for.
    """

    name: str
    start: Callable[[], None]
    needs: tuple[str, ...] = ()
    rasp: bool = False
    optional: bool = False


def nothing() -> None:
    """The bare app."""


def rasp_in(mode: str) -> Callable[[], None]:
    """rasp, as ``rasp run`` switches it on; what lies beside this file is the app's code, wherever it is run from."""

    def start() -> None:
        import rasp

        rasp.install({"mode": mode, "report": False, "project_root": str(Path(__file__).resolve().parent)})

    return start


def export() -> None:
    """A tracer provider with a batch processor that sends to the collector over OTLP/HTTP."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(os.environ[OTLP] + "/v1/traces")))
    trace.set_tracer_provider(provider)


def rasp_with_spans() -> None:
    """rasp in an app that exports spans."""
    export()
    rasp_in("observe")()


def open_telemetry() -> None:
    """OpenTelemetry's own instrumentation of Flask."""
    from opentelemetry.instrumentation.flask import FlaskInstrumentor  # type: ignore[import-not-found, unused-ignore]

    export()
    FlaskInstrumentor().instrument()


def zen() -> None:
    """Aikido's agent, with its background process, which talks to a server of ours."""
    os.environ |= {
        "AIKIDO_TOKEN": "AIK_RUNTIME_1_1_made_up",
        "AIKIDO_ENDPOINT": os.environ[SINK],
        "AIKIDO_REALTIME_ENDPOINT": os.environ[SINK],
    }
    import aikido_zen  # type: ignore[import-not-found, unused-ignore]

    aikido_zen.protect()


def sentry() -> None:
    """Sentry without tracing: errors only, and there are none."""
    import sentry_sdk

    sentry_sdk.init(dsn=os.environ[SINK].replace("http://", "http://made-up@") + "/1")


def datadog(iast: str) -> Callable[[], None]:
    """Datadog's tracer, by its environment variables."""

    def start() -> None:
        os.environ |= {
            "DD_TRACE_AGENT_URL": os.environ[SINK],
            "DD_IAST_ENABLED": iast,
            "DD_IAST_REQUEST_SAMPLING": "100",
            "DD_REMOTE_CONFIGURATION_ENABLED": "false",
            "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        }
        import ddtrace.auto  # type: ignore[import-not-found, unused-ignore]  # noqa: F401 - it starts itself

    return start


PEERS = (
    Peer("bare", nothing),
    Peer("bare again", nothing),
    Peer("rasp off", rasp_in("off"), rasp=True),
    Peer("rasp observe", rasp_in("observe"), rasp=True),
    Peer("rasp observe, spans exported", rasp_with_spans, EXPORT, rasp=True),
    Peer("OpenTelemetry Flask", open_telemetry, (*EXPORT, "opentelemetry-instrumentation-flask")),
    Peer("Zen", zen, ("aikido_zen",)),
    Peer("Sentry, errors only", sentry, ("sentry-sdk",)),
    Peer("Datadog tracer", datadog("false"), ("ddtrace",), optional=True),
    Peer("Datadog tracer, IAST", datadog("true"), ("ddtrace",), optional=True),
)
BY_NAME = {peer.name: peer for peer in PEERS}
OWN = ("bare", "rasp off", "rasp observe")
"""What can be measured without a virtual environment, wherever rasp and the app can be imported."""


def settle() -> None:
    """Waits until what an agent still has to write about past requests is written: it is part of their cost."""
    import sys

    process = sys.modules.get("rasp.runtime")
    runtime = None if process is None else process.active()
    drain = getattr(getattr(runtime, "recorder", None), "drain", None)
    if drain is not None:
        drain()
    trace = sys.modules.get("opentelemetry.trace")
    flush = None if trace is None else getattr(trace.get_tracer_provider(), "force_flush", None)
    if flush is not None:
        flush()
