"""structlog: what its processors render, with call sites as they were."""

from __future__ import annotations

import asyncio
import io
import logging

import pytest
import structlog
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from structlog.processors import CallsiteParameter, CallsiteParameterAdder, JSONRenderer, KeyValueRenderer
from support.web import call

import rasp

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


def served(view):
    app = flask_app()
    app.add_url_rule("/", "view", view)
    return call(app, "/", {"X-API-Key": KEY})


def logging_view(log, **fields):
    def view():
        log.info("seen", key=request.headers["X-API-Key"], **fields)
        return "ok"

    return view


def to_bytes(*event):
    return JSONRenderer()(*event).encode()


LOGGERS = {
    "print": (io.StringIO, structlog.PrintLogger, JSONRenderer()),
    "write": (io.StringIO, structlog.WriteLogger, JSONRenderer()),
    "bytes": (io.BytesIO, structlog.BytesLogger, to_bytes),
    "console": (io.StringIO, structlog.PrintLogger, structlog.dev.ConsoleRenderer(colors=True)),
    "logfmt": (io.StringIO, structlog.PrintLogger, structlog.processors.LogfmtRenderer()),
}


@pytest.mark.parametrize(("stream", "logger", "renderer"), LOGGERS.values(), ids=LOGGERS)
@pytest.mark.parametrize("mode", ["observe", "protect"])
def test_every_logger_of_structlogs_own_is_judged_once(install_rasp, mode, stream, logger, renderer):
    installed = install_rasp(mode=mode, record=True)
    out = stream()
    served(logging_view(structlog.wrap_logger(logger(out), processors=[renderer])))
    written = str(out.getvalue())
    assert (KEY in written) is (mode == "observe")
    assert ("[credential:api_key:" in written) is (mode == "protect")
    assert installed.judged() == [("raw-token-logged", "error", "view")]
    assert installed.seen("structlog") == [("expose", "structlog")]


def test_fields_that_a_logger_gets_as_arguments_are_masked_in_copies(install_rasp):
    install_rasp(mode="protect")
    written, given = [], {}

    class Fields:
        def info(self, *args, **kwargs):
            written.append((args, kwargs))

    def view():
        given["headers"] = [request.headers["X-API-Key"], 5]
        structlog.wrap_logger(Fields(), processors=[]).info("seen", given=given, n=3)
        return "ok"

    served(view)
    assert KEY[3:] not in str(written)
    assert written[0][1]["n"] == 3
    assert written[0][1]["given"]["headers"][1] == 5
    assert given["headers"][0] == KEY, "the app's own objects are as they were"


def test_locals_in_rendered_tracebacks_are_exposed(install_rasp):
    installed = install_rasp()
    out = io.StringIO()
    transformer = structlog.tracebacks.ExceptionDictTransformer(show_locals=True)
    log = printing(out, structlog.processors.ExceptionRenderer(transformer), JSONRenderer())

    def view():
        given = request.headers["X-API-Key"]
        try:
            return {"n": len(given) // 0}
        except ZeroDivisionError:
            log.exception("failed")
        return "ok"

    served(view)
    assert KEY in out.getvalue()
    assert installed.judged() == [("raw-token-logged", "error", "view")]


def test_locals_that_are_not_shown_are_no_exposure(install_rasp):
    installed = install_rasp()
    out = io.StringIO()
    transformer = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    log = printing(out, structlog.processors.ExceptionRenderer(transformer), JSONRenderer())

    def view():
        given = request.headers["X-API-Key"]
        try:
            return {"n": len(given) // 0}
        except ZeroDivisionError:
            log.exception("failed")
        return "ok"

    served(view)
    assert "ZeroDivisionError" in out.getvalue()
    assert installed.findings == []


@pytest.mark.parametrize("method", ["ainfo", "awarning", "alog"])
def test_an_asynchronous_call_is_located_where_it_is_awaited(install_rasp, method):
    installed = install_rasp()
    out = io.StringIO()
    wrapper = structlog.make_filtering_bound_logger(logging.INFO)
    log = structlog.wrap_logger(structlog.PrintLogger(out), processors=[JSONRenderer()], wrapper_class=wrapper)

    async def work(key):
        level = (logging.INFO,) if method == "alog" else ()
        await getattr(log, method)(*level, "seen", key=key)

    def view():
        asyncio.run(work(request.headers["X-API-Key"]))
        return "ok"

    served(view)
    assert KEY in out.getvalue()
    assert installed.judged() == [("raw-token-logged", "error", "work")]
    assert installed.findings[0].request.method == "GET"


def test_strict_raises_where_an_asynchronous_call_is_awaited(install_rasp):
    install_rasp(mode="strict")
    out = io.StringIO()
    wrapper = structlog.make_filtering_bound_logger(logging.INFO)
    log = structlog.wrap_logger(structlog.PrintLogger(out), processors=[JSONRenderer()], wrapper_class=wrapper)
    caught = []

    async def work(key):
        try:
            await log.ainfo("seen", key=key)
        except rasp.RawTokenLogged as error:
            caught.append(error)
            raise

    def view():
        asyncio.run(work(request.headers["X-API-Key"]))
        return "ok"

    with pytest.raises(rasp.RawTokenLogged):
        served(view)
    assert len(caught) == 1


def test_a_wrapper_class_of_the_apps_own_is_judged(install_rasp):
    installed = install_rasp()
    out = io.StringIO()

    class Own(structlog.BoundLogger):
        def audit(self, event, **fields):
            return self._proxy_to_logger("info", f"audit: {event}", **fields)

    log = structlog.wrap_logger(structlog.PrintLogger(out), processors=[JSONRenderer()], wrapper_class=Own)

    def view():
        log.audit("seen", key=request.headers["X-API-Key"])
        return "ok"

    served(view)
    assert installed.judged() == [("raw-token-logged", "error", "audit")]


def test_an_adapter_of_logging_is_one_exposure_of_the_handler(install_rasp):
    installed = install_rasp(record=True)
    target = logging.Logger("contract")
    target.addHandler(logging.StreamHandler(io.StringIO()))
    served(logging_view(structlog.wrap_logger(logging.LoggerAdapter(target, {}), processors=[JSONRenderer()])))
    assert installed.seen("structlog", "logging") == [("expose", "logging")]


def test_loggers_that_only_keep_what_tests_look_at_expose_nothing(install_rasp):
    installed = install_rasp()
    served(logging_view(structlog.wrap_logger(structlog.testing.CapturingLogger(), processors=[JSONRenderer()])))
    served(logging_view(structlog.wrap_logger(structlog.testing.ReturnLogger(), processors=[JSONRenderer()])))
    with structlog.testing.capture_logs() as captured:
        served(logging_view(structlog.get_logger()))
    assert captured[0]["key"] == KEY
    assert installed.findings == []
