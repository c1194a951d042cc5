"""logging: the text that a handler renders, with the caller's function and line as they were."""

from __future__ import annotations

import io
import logging
import logging.handlers
import queue

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from support.web import call

import rasp

CALLER = "%(levelname)s %(funcName)s:%(lineno)d %(module)s %(filename)s %(message)s"


class Raw(logging.Handler):
    """Writes the message by itself, and may be told to fail."""

    def __init__(self, written, error=None):
        super().__init__()
        self.written = written
        self.error = error

    def emit(self, record):
        if self.error is not None:
            raise self.error
        self.written.append(record.getMessage())


def logger(*handlers, format=CALLER):
    """A logger of its own, which nobody else hears."""
    made = logging.Logger("contract")
    for handler in handlers:
        if handler.formatter is None:
            handler.setFormatter(logging.Formatter(format))
        made.addHandler(handler)
    return made


class TestLogging(InstrumentContract):
    name = "logging"
    hooks = ("logging.format", "logging.handle")
    paths = ("/clean", "/defect", "/raw")
    holder = "logging"
    clean = ()
    defective = ("expose",)
    finding = ("raw-token-logged", "error", "defect")
    masks = True

    def subject(self, folder):
        app = flask_app()
        stream, other, written = io.StringIO(), io.StringIO(), []
        log = logger(logging.StreamHandler(stream), logging.StreamHandler(other))
        raw = logger(Raw(written))

        @app.get("/clean")
        def clean():
            log.info("caller %s", request.headers["X-API-Key"][:6])
            return {"ok": True}

        @app.get("/defect")
        def defect():
            log.warning("caller %s", request.headers["X-API-Key"])
            return {"ok": True}

        @app.get("/raw")
        def raw_view():
            raw.info("caller %s", request.headers["X-API-Key"][:6])
            return {"ok": True}

        return Subject(app, lambda: (stream.getvalue(), other.getvalue(), list(written)))

    def raises(self, subject):
        error = OSError(28, "No space left on device")
        log = logger(Raw([], error))
        with pytest.raises(OSError) as caught:
            log.info("full")
        return error, caught.value


@pytest.fixture
def logged():
    """``logged(handler, mode...)``: one request whose view logs the key once through these handlers."""

    def run(*handlers, format=CALLER):
        log = logger(*handlers, format=format)
        app = flask_app()

        @app.get("/")
        def view():
            log.error("key %s", request.headers["X-API-Key"])
            return "ok"

        return call(app, "/", {"X-API-Key": KEY})

    return run


def test_the_callers_function_and_line_are_unchanged(install_rasp, logged):
    bare, under = io.StringIO(), io.StringIO()
    logged(logging.StreamHandler(bare))
    install_rasp()
    logged(logging.StreamHandler(under))
    assert "ERROR view:" in bare.getvalue()
    assert under.getvalue() == bare.getvalue()


def test_stack_info_and_exceptions_render_as_before(install_rasp):
    stream = io.StringIO()
    log = logger(logging.StreamHandler(stream), format="%(funcName)s %(message)s")

    def fail():
        stream.seek(0)
        stream.truncate()
        try:
            raise ValueError("nothing")
        except ValueError:
            log.exception("failed", stack_info=True)
        return stream.getvalue()

    both = []
    for installed in (False, True):
        if installed:
            install_rasp()
        both.append(fail())
    assert both[0] == both[1]


def test_two_handlers_are_one_exposure(install_rasp, logged):
    installed = install_rasp(record=True)
    logged(logging.StreamHandler(io.StringIO()), logging.StreamHandler(io.StringIO()), Raw([]))
    assert [(found.rule, found.count) for found in installed.findings] == [("raw-token-logged", 1)]
    assert installed.seen("logging") == [("expose", "logging")]


def test_a_handler_that_renders_by_itself_is_one_severity_lower(install_rasp, logged):
    installed = install_rasp()
    written = []
    logged(Raw(written))
    assert written == [f"key {KEY}"]
    assert installed.judged() == [("raw-token-logged", "warning", "view")]


def test_a_disabled_level_and_a_masking_formatter_expose_nothing(install_rasp, logged):
    class Masking(logging.Formatter):
        def format(self, record):
            return super().format(record).replace(KEY, "***")

    installed = install_rasp()
    silent = logging.StreamHandler(io.StringIO())
    silent.setLevel(logging.CRITICAL)
    masking = logging.StreamHandler(io.StringIO())
    masking.setFormatter(Masking("%(message)s"))
    logged(silent, masking)
    assert installed.findings == []


def test_a_queue_is_judged_where_its_listener_renders(install_rasp, logged):
    installed = install_rasp()
    waiting = queue.SimpleQueue()
    logged(logging.handlers.QueueHandler(waiting))
    assert installed.findings == []
    assert KEY in waiting.get().getMessage()


def test_strict_raises_after_every_handler_has_written(install_rasp, logged):
    install_rasp(mode="strict")
    first, last, written = io.StringIO(), io.StringIO(), []
    with pytest.raises(rasp.RawTokenLogged):
        logged(logging.StreamHandler(first), logging.StreamHandler(last), Raw(written))
    assert KEY in first.getvalue()
    assert KEY in last.getvalue()
    assert len(written) == 1


def test_protect_masks_in_every_handler_that_renders(install_rasp, logged):
    install_rasp(mode="protect")
    streams = io.StringIO(), io.StringIO()
    logged(*map(logging.StreamHandler, streams))
    for stream in streams:
        assert KEY[3:] not in stream.getvalue()
        assert "key [credential:api_key:" in stream.getvalue()


def test_the_access_line_of_a_server_is_judged_by_what_it_holds(install_rasp):
    installed = install_rasp()
    access = logging.Logger("werkzeug")
    access.addHandler(logging.StreamHandler(io.StringIO()))
    app = flask_app()
    app.add_url_rule("/", "view", lambda: "ok")
    call(app, f"/?api_key={KEY}")
    access.info('"GET /?api_key=%s HTTP/1.1" 200 -', KEY)
    assert [(found.rule, found.severity.word) for found in installed.findings] == [("raw-token-in-url", "error")]
