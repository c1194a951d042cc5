"""What the busy app reports: to Sentry, OpenTelemetry's logs and baggage, warnings, tracebacks, gunicorn's errors."""

from __future__ import annotations

import contextlib
import io
import logging
import traceback
import warnings
from typing import Any

import sentry_sdk
from gunicorn.config import Config
from gunicorn.http.wsgi import WSGIErrorsWrapper
from loguru import logger as loguru_logger
from opentelemetry import baggage, propagate, trace
from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs import export as log_export
from opentelemetry.sdk.trace import TracerProvider
from sentry_sdk.transport import Transport
from werkzeug.debug.tbtools import DebugTraceback


class Kept(Transport):
    """Sends nothing."""

    def __init__(self) -> None:
        super().__init__({"dsn": "https://public@sentry.invalid/1"})
        self.sent: list[Any] = []

    def capture_envelope(self, envelope: Any) -> None:
        for item in envelope.items:
            event = item.payload.json
            self.sent.append((event["message"], event.get("tags"), event.get("breadcrumbs")))


class Exporter(log_export.LogRecordExporter):
    """Exports nothing."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def export(self, batch: Any) -> Any:
        self.sent += [(data.log_record.body, dict(data.log_record.attributes)) for data in batch]

    def shutdown(self) -> None:
        """Has nothing to end."""

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


class Reports:
    """All of them, and what they sent and printed."""

    def __init__(self) -> None:
        self.transport, self.exporter, self.stream = Kept(), Exporter(), io.StringIO()
        self.carriers: list[dict[str, str]] = []
        self.logs = LoggerProvider(shutdown_on_exit=False)
        self.logs.add_log_record_processor(log_export.SimpleLogRecordProcessor(self.exporter))
        sentry_sdk.init(
            "https://public@sentry.invalid/1",
            transport=self.transport,
            default_integrations=False,
            auto_enabling_integrations=False,
        )
        self.errors = WSGIErrorsWrapper(Config())
        self.errors.streams = [self.stream]

    def written(self) -> Any:
        return self.transport.sent, self.exporter.sent, self.carriers, self.stream.getvalue()

    def close(self) -> None:
        """Lets go of what is global."""
        self.logs.shutdown()
        sentry_sdk.get_client().close(timeout=0)
        sentry_sdk.Scope.get_global_scope().set_client(None)
        sentry_sdk.Scope.get_isolation_scope().clear()

    def make(self, key: str) -> Any:
        """Every kind once, with the key in it."""
        with sentry_sdk.isolation_scope() as scope:
            scope.set_tag("who", key)
            sentry_sdk.capture_message(f"came with {key}")
        self.logs.get_logger("busy").emit(LogRecord(body=f"came with {key}", attributes={"key": key}))
        carrier: dict[str, str] = {}
        propagate.inject(carrier, baggage.set_baggage("who", key))
        self.carriers.append(carrier)
        with TracerProvider(shutdown_on_exit=False).get_tracer("busy").start_as_current_span("linked") as span:
            span.add_link(trace.SpanContext(1, 2, False), {"key": key})
        self.errors.write(f"came with {key}\n")
        self._print(key)
        return {"ok": True}

    def _print(self, key: str) -> None:
        with contextlib.redirect_stderr(io.StringIO()) as printed:
            self.stream.write(warnings._formatwarnmsg(warnings.WarningMessage(key, UserWarning, "busy.py", 1)))  # type: ignore[attr-defined]
            try:
                raise ValueError(f"bad key {key}")
            except ValueError as error:
                traceback.print_exc()
                logging.Handler().handleError(logging.LogRecord("busy", 20, "busy.py", 1, "no place", (key,), None))
                DebugTraceback(error).render_traceback_text()
            self._sink_that_fails(key)
        lines = [line for line in printed.getvalue().splitlines() if key in line or "credential:" in line]
        self.stream.write("\n".join(line for line in lines if not line.startswith(("Record was", " "))))

    def _sink_that_fails(self, key: str) -> None:
        def refuse(message: Any) -> None:
            raise OSError("no space left")

        sink = loguru_logger.add(refuse, format="{message}", catch=True)
        loguru_logger.bind(key=key).info("lost")
        loguru_logger.remove(sink)
