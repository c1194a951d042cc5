"""OpenTelemetry's log records and baggage: what is exported or injected, located where it was put in."""

from __future__ import annotations

import logging
import warnings

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from opentelemetry import baggage, context, propagate
from opentelemetry._logs import LogRecord
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.sdk import _logs as sdk_logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs import export as log_export
from support.web import call

import rasp

InMemory = getattr(log_export, "InMemoryLogRecordExporter", None) or log_export.InMemoryLogExporter


class Refusing(log_export.LogRecordExporter):
    def __init__(self, error):
        self.error = error

    def export(self, batch):
        raise self.error

    def shutdown(self):
        pass


class Redacting(sdk_logs.LogRecordProcessor):
    """The app's own, which stands before the exporting one."""

    def on_emit(self, log_record):
        log_record.log_record.body = "***"

    emit = on_emit

    def shutdown(self):
        pass

    def force_flush(self, timeout_millis=30000):
        return True


def logs(*processors, batch=False):
    """A provider, and what it exported as (body, attributes)."""
    exporter, provider = InMemory(), LoggerProvider(shutdown_on_exit=False)
    for processor in processors:
        provider.add_log_record_processor(processor)
    kind = log_export.BatchLogRecordProcessor if batch else log_export.SimpleLogRecordProcessor
    provider.add_log_record_processor(kind(exporter))

    def exported():
        provider.force_flush()
        return [(log.log_record.body, dict(log.log_record.attributes or {})) for log in exporter.get_finished_logs()]

    return provider, exported


class TestOpenTelemetryLogs(InstrumentContract):
    name = "opentelemetry.logs"
    hooks = ("opentelemetry.log",)
    holder = "opentelemetry.logs"
    clean = ()
    defective = ("expose",)
    finding = ("raw-token-in-telemetry", "error", "defect")
    masks = True

    def subject(self, folder):
        app = flask_app()
        provider, exported = logs()
        logger = provider.get_logger("contract")

        @app.get("/clean")
        def clean():
            logger.emit(LogRecord(body=f"came with {request.headers['X-API-Key'][:6]}", attributes={"n": 1}))
            return {"ok": True}

        @app.get("/defect")
        def defect():
            logger.emit(LogRecord(body="came", attributes={"key": request.headers["X-API-Key"]}))
            return {"ok": True}

        return Subject(app, exported, provider.shutdown)

    def test_a_version_without_a_patch_point_is_left_alone(self, install_rasp, monkeypatch):
        monkeypatch.delattr(log_export.SimpleLogRecordProcessor, "on_emit")
        installed = install_rasp()
        assert installed.state(self.name) == ("installed", "")
        assert "on_emit" not in vars(log_export.SimpleLogRecordProcessor)
        assert hasattr(log_export.BatchLogRecordProcessor.on_emit, "__wrapped__")
        rasp.uninstall()

    def raises(self, subject):
        record = object()
        with pytest.raises(AttributeError) as caught:
            log_export.BatchLogRecordProcessor.on_emit(None, record)
        return None, caught.value


class TestOpenTelemetryBaggage(InstrumentContract):
    name = "opentelemetry.baggage"
    hooks = ("opentelemetry.baggage.set", "opentelemetry.baggage")
    holder = "opentelemetry.baggage"
    clean = ()
    defective = ("expose",)
    finding = ("raw-token-in-telemetry", "error", "defect")
    masks = True

    def subject(self, folder):
        app, sent = flask_app(), []

        @app.get("/clean")
        def clean():
            sent.append(injected(baggage.set_baggage("caller", request.headers["X-API-Key"][:6])))
            return {"ok": True}

        @app.get("/defect")
        def defect():
            sent.append(injected(baggage.set_baggage("caller", request.headers["X-API-Key"])))
            return {"ok": True}

        return Subject(app, lambda: [carrier["baggage"].replace("%3A", ":").replace("%5B", "[") for carrier in sent])

    def raises(self, subject):
        error = OSError("no carrier")

        class Refusing:
            def set(self, carrier, key, value):
                raise error

        filled = baggage.set_baggage("a", "b")
        with pytest.raises(OSError) as caught:
            W3CBaggagePropagator().inject({}, filled, Refusing())
        return error, caught.value


def injected(filled):
    """The headers of an outbound request; no place of this function is to blame."""
    carrier = {}
    propagate.inject(carrier, filled)
    return carrier


def served(view):
    app = flask_app()
    app.add_url_rule("/", "view", view)
    return call(app, "/", {"X-API-Key": KEY})


def emitting(provider, **record):
    """One request whose view emits a record; ``KEY`` in it is the caller's."""

    def view():
        provider.get_logger("app").emit(LogRecord(**record))
        return "ok"

    return served(view)


RECORDS = {
    "body": {"body": f"came with {KEY}"},
    "nested body": {"body": {"headers": [{"x-api-key": KEY}, ("a", KEY)]}},
    "attribute": {"body": "came", "attributes": {"key": KEY, "other": 1}},
    "listed attribute": {"body": "came", "attributes": {"keys": ["a", KEY]}},
    "bytes": {"body": KEY.encode()},
}


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
@pytest.mark.parametrize("batch", [False, True], ids=["simple", "batch"])
def test_wherever_in_a_record_it_stands_it_is_found_at_the_call(install_rasp, record, batch):
    installed = install_rasp()
    provider, exported = logs(batch=batch)
    emitting(provider, **record)
    assert len(exported()) == 1
    provider.shutdown()
    assert installed.judged() == [("raw-token-in-telemetry", "error", "view")]


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_protect_exports_the_mask_and_leaves_the_apps_objects(install_rasp, record):
    install_rasp(mode="protect")
    provider, exported = logs()
    emitting(provider, **record)
    provider.shutdown()
    assert KEY[3:] not in str(exported())
    assert "[credential:api_key:" in str(exported())
    assert KEY in str(record), "the app's own objects are as they were"


def test_what_a_processor_redacts_before_is_no_exposure(install_rasp):
    installed = install_rasp()
    provider, exported = logs(Redacting())
    emitting(provider, **RECORDS["body"])
    provider.shutdown()
    assert exported() == [("***", {})]
    assert installed.findings == []


def test_two_exporters_are_one_exposure(install_rasp):
    installed = install_rasp(record=True)
    provider, _ = logs(log_export.SimpleLogRecordProcessor(InMemory()))
    emitting(provider, **RECORDS["body"])
    emitting(provider, **RECORDS["body"])
    provider.shutdown()
    assert installed.seen("opentelemetry.logs") == [("expose", "opentelemetry.logs")] * 2


def test_strict_raises_at_the_requests_end(install_rasp):
    install_rasp(mode="strict")
    provider, exported = logs()
    with pytest.raises(rasp.RawTokenInTelemetry):
        emitting(provider, **RECORDS["body"])
    provider.shutdown()
    assert len(exported()) == 1


def handler(provider):
    """The SDK's handler, as of now deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sdk_logs.LoggingHandler(logger_provider=provider)


def test_a_record_of_logging_is_located_at_the_log_call(install_rasp):
    installed = install_rasp()
    provider, exported = logs()
    log = logging.Logger("app")
    log.addHandler(handler(provider))

    def view():
        log.error("came with %s", request.headers["X-API-Key"], extra={"who": "caller"})
        return "ok"

    served(view)
    provider.shutdown()
    assert KEY in str(exported())
    found = {(found.rule, found.location.line) for found in installed.findings}
    assert ("raw-token-in-telemetry", view.__code__.co_firstlineno + 1) in found


def test_a_record_of_logging_is_not_counted_twice(install_rasp):
    installed = install_rasp(record=True)
    provider, _ = logs()
    log = logging.Logger("app")
    log.addHandler(handler(provider))

    def view():
        log.error("came with %s", request.headers["X-API-Key"])
        return "ok"

    served(view)
    provider.shutdown()
    assert [found.rule for found in installed.findings] == ["raw-token-in-telemetry"]


def test_baggage_that_is_never_injected_is_no_exposure(install_rasp):
    installed = install_rasp()

    def view():
        token = context.attach(baggage.set_baggage("caller", request.headers["X-API-Key"]))
        context.detach(token)
        injected(baggage.set_baggage("caller", "somebody"))
        return "ok"

    served(view)
    assert installed.findings == []


def test_baggage_that_is_taken_out_again_is_no_exposure(install_rasp):
    installed = install_rasp()

    def view():
        filled = baggage.set_baggage("caller", request.headers["X-API-Key"])
        injected(baggage.remove_baggage("caller", filled))
        return "ok"

    served(view)
    assert installed.findings == []


def test_baggage_is_located_where_it_was_set(install_rasp):
    installed = install_rasp()

    def view():
        filled = baggage.set_baggage("caller", request.headers["X-API-Key"])
        filled = baggage.set_baggage("plan", "free", context=filled)
        assert KEY in injected(filled)["baggage"]
        return "ok"

    served(view)
    assert [found.location.line for found in installed.findings] == [view.__code__.co_firstlineno + 1]


def test_baggage_that_a_caller_sent_is_blamed_on_what_sends_it_on(install_rasp):
    installed = install_rasp()

    def view():
        got = propagate.extract({"baggage": f"key={request.headers['X-API-Key']}"})
        propagate.inject({}, got)
        return "ok"

    served(view)
    assert installed.judged() == [("raw-token-in-telemetry", "error", "view")]


def test_protect_keeps_the_other_entries(install_rasp):
    install_rasp(mode="protect")
    sent = []

    def view():
        filled = baggage.set_baggage("caller", request.headers["X-API-Key"])
        filled = baggage.set_baggage("plan", "free", context=filled)
        sent.append(injected(filled)["baggage"])
        assert baggage.get_baggage("caller", filled) == KEY, "the app's own context is as it was"
        return "ok"

    served(view)
    assert "plan=free" in sent[0]
    assert KEY[3:] not in sent[0]


def test_strict_raises_where_it_is_injected(install_rasp):
    install_rasp(mode="strict")

    def view():
        filled = baggage.set_baggage("caller", request.headers["X-API-Key"])
        with pytest.raises(rasp.RawTokenInTelemetry) as caught:
            injected(filled)
        raise caught.value

    with pytest.raises(rasp.RawTokenInTelemetry):
        served(view)
