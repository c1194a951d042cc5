"""structlog: what its processors render, with call sites as they were."""

from __future__ import annotations

import io
import logging

import pytest
import structlog
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from structlog.processors import CallsiteParameter, CallsiteParameterAdder, JSONRenderer, KeyValueRenderer
from support.web import call

SITE = CallsiteParameterAdder(
    {CallsiteParameter.FUNC_NAME, CallsiteParameter.LINENO, CallsiteParameter.MODULE, CallsiteParameter.FILENAME}
)


class Refusing:
    """A processor that raises what it is given."""

    def __init__(self, error):
        self.error = error

    def __call__(self, logger, name, event):
        raise self.error


def printing(stream, *processors):
    return structlog.wrap_logger(structlog.PrintLogger(stream), processors=list(processors))


class TestStructlog(InstrumentContract):
    name = "structlog"
    hooks = ("structlog.process_event",)
    holder = "structlog"
    clean = ()
    defective = ("expose",)
    finding = ("raw-token-logged", "error", "defect")
    masks = True

    def subject(self, folder):
        app = flask_app()
        stream = io.StringIO()
        log = printing(stream, SITE, JSONRenderer())

        @app.get("/clean")
        def clean():
            log.bind(user="ann").info("seen", key=request.headers["X-API-Key"][:6])
            return {"ok": True}

        @app.get("/defect")
        def defect():
            log.info("seen", key=request.headers["X-API-Key"])
            return {"ok": True}

        return Subject(app, stream.getvalue)

    def raises(self, subject):
        error = LookupError("no such field")
        with pytest.raises(LookupError) as caught:
            printing(io.StringIO(), Refusing(error)).info("lost")
        return error, caught.value


def exposed(log):
    app = flask_app()

    @app.get("/")
    def view():
        log.info("seen", key=request.headers["X-API-Key"])
        return "ok"

    return call(app, "/", {"X-API-Key": KEY})


def test_call_sites_are_unchanged_through_structlogs_own_loggers(install_rasp):
    lines = []
    for installed in (False, True):
        if installed:
            install_rasp()
        stream = io.StringIO()
        exposed(printing(stream, SITE, KeyValueRenderer(sort_keys=True)))
        lines.append(stream.getvalue())
    assert "func_name='view'" in lines[0]
    assert lines[0] == lines[1]


def stdlib(stream):
    """structlog in front of logging, its call site added in a handler's formatter."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, KeyValueRenderer(sort_keys=True)],
            foreign_pre_chain=[SITE],
        )
    )
    target = logging.Logger("contract")
    target.addHandler(handler)
    return target, structlog.wrap_logger(
        target,
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[SITE, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    )


def test_call_sites_are_unchanged_in_front_of_logging(install_rasp):
    lines = []
    for installed in (False, True):
        if installed:
            install_rasp()
        stream = io.StringIO()
        target, log = stdlib(stream)
        exposed(log)

        def foreign(target=target):
            target.warning("plain")

        foreign()
        lines.append(stream.getvalue())
    assert "func_name='view'" in lines[0]
    assert "func_name='foreign'" in lines[0]
    assert lines[0] == lines[1]


def test_in_front_of_logging_it_is_one_exposure_of_the_handler(install_rasp):
    installed = install_rasp(record=True)
    exposed(stdlib(io.StringIO())[1])
    assert installed.judged() == [("raw-token-logged", "error", "view")]
    assert installed.seen("structlog", "logging") == [("expose", "logging")]


def test_a_processor_that_drops_or_redacts_the_event_exposes_nothing(install_rasp):
    installed = install_rasp()

    def redact(logger, name, event):
        return event | {"key": "***"}

    def drop(logger, name, event):
        raise structlog.DropEvent

    stream = io.StringIO()
    exposed(printing(stream, redact, JSONRenderer()))
    exposed(printing(stream, drop, JSONRenderer()))
    assert installed.findings == []
    assert stream.getvalue().count("***") == 1


def test_bytes_and_fields_are_judged_too(install_rasp):
    installed = install_rasp()
    written = []

    class Fields:
        def info(self, *args, **kwargs):
            written.append((args, kwargs))

    exposed(structlog.wrap_logger(Fields(), processors=[]))
    assert written == [((), {"key": KEY, "event": "seen"})]
    out = io.BytesIO()
    exposed(structlog.wrap_logger(structlog.BytesLogger(out), processors=[lambda *e: JSONRenderer()(*e).encode()]))
    assert KEY.encode() in out.getvalue()
    assert [found.rule for found in installed.findings] == ["raw-token-logged"]
