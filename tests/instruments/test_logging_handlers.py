"""The standard library's handlers, configuration and formatters: what each writes or sends, and who is to blame."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import logging
import logging.config
import logging.handlers
import pickle
import queue
import smtplib
import socket
import socketserver
import threading

import pytest
from contract import KEY, flask_app
from flask import current_app, request
from support.web import call

import rasp

MASK = "[credential:api_key:"


def logger(*handlers):
    """A logger of its own, which nobody else hears."""
    made = logging.Logger("handlers")
    for handler in handlers:
        made.addHandler(handler)
    return made


def served(view):
    app = flask_app()
    app.add_url_rule("/", "view", view)
    return call(app, "/", {"X-API-Key": KEY})


def logs(log, *more, **options):
    """A request whose view logs the key once; its line is the finding's."""

    def view():
        log.error("key %s", request.headers["X-API-Key"], *more, **options)
        return "ok"

    served(view)
    return view.__code__.co_firstlineno + 1


@contextlib.contextmanager
def datagrams():
    """A socket that takes datagrams; ``received()`` gives all that came so far."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taking:
        taking.bind(("127.0.0.1", 0))
        taking.settimeout(20)
        yield taking


@contextlib.contextmanager
def server(handler, kind=socketserver.TCPServer):
    """A server that serves one connection on a thread; ``got`` is filled by its handler."""
    with kind(("127.0.0.1", 0), handler) as serving:
        serving.got = queue.SimpleQueue()
        thread = threading.Thread(target=serving.handle_request)
        thread.start()
        try:
            yield serving
        finally:
            thread.join(20)


class TakesAll(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.got.put(self.rfile.read())


class TakesPost(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.got.put(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        """Says nothing."""


FILES = {
    "file": logging.FileHandler,
    "watched": logging.handlers.WatchedFileHandler,
    "rotating": lambda path: logging.handlers.RotatingFileHandler(path, maxBytes=40, backupCount=5),
    "timed": logging.handlers.TimedRotatingFileHandler,
}


@pytest.mark.parametrize("make", FILES.values(), ids=FILES)
@pytest.mark.parametrize("mode", ["observe", "protect"])
def test_files_hold_the_line_or_its_mask(install_rasp, tmp_path, make, mode):
    installed = install_rasp(mode=mode, record=True)
    handler = make(tmp_path / "app.log")
    try:
        line = logs(logger(handler))
        served(lambda: (logger(handler).info("fine"), "ok")[1])
    finally:
        handler.close()
    written = "".join(path.read_text() for path in tmp_path.glob("app.log*"))
    assert (KEY in written) is (mode == "observe")
    assert (MASK in written) is (mode == "protect")
    assert installed.judged() == [("raw-token-logged", "error", "view")]
    assert installed.findings[0].location.line == line
    assert installed.seen("logging") == [("expose", "logging")]


@pytest.mark.parametrize("mode", ["observe", "protect"])
def test_syslog_is_sent_what_was_rendered(install_rasp, mode):
    installed = install_rasp(mode=mode)
    with datagrams() as taking:
        handler = logging.handlers.SysLogHandler(taking.getsockname())
        logs(logger(handler))
        handler.close()
        sent = taking.recv(65536).decode()
    assert (KEY in sent) is (mode == "observe")
    assert installed.judged() == [("raw-token-logged", "error", "view")]


@pytest.mark.parametrize("mode", ["observe", "protect"])
def test_mail_is_sent_what_was_rendered(install_rasp, monkeypatch, mode):
    installed, sent = install_rasp(mode=mode), []

    class Mail:
        def __init__(self, *args, **kwargs):
            pass

        def send_message(self, message):
            sent.append(message.as_string())

        def quit(self):
            pass

    monkeypatch.setattr(smtplib, "SMTP", Mail)
    logs(logger(logging.handlers.SMTPHandler("127.0.0.1", "a@localhost", ["b@localhost"], "failed")))
    assert (KEY in sent[0]) is (mode == "observe")
    assert installed.judged() == [("raw-token-logged", "error", "view")]


def test_a_socket_is_sent_the_record_itself_one_severity_lower(install_rasp):
    installed = install_rasp()
    with server(TakesAll) as taking:
        handler = logging.handlers.SocketHandler(*taking.server_address)
        logs(logger(handler))
        handler.close()
        sent = pickle.loads(taking.got.get(timeout=20)[4:])
    assert KEY in sent["msg"], "makePickle sends the message, and what it was made of is left out"
    assert installed.judged() == [("raw-token-logged", "warning", "view")]


def test_a_datagram_is_sent_the_record_itself_one_severity_lower(install_rasp):
    installed = install_rasp()
    with datagrams() as taking:
        handler = logging.handlers.DatagramHandler(*taking.getsockname())
        logs(logger(handler))
        handler.close()
        assert KEY in pickle.loads(taking.recv(65536)[4:])["msg"]
    assert installed.judged() == [("raw-token-logged", "warning", "view")]


def test_http_is_sent_the_records_fields_one_severity_lower(install_rasp):
    installed = install_rasp()
    with server(TakesPost, http.server.HTTPServer) as taking:
        host, port = taking.server_address
        logs(logger(logging.handlers.HTTPHandler(f"{host}:{port}", "/log", method="POST")))
        assert KEY.encode() in taking.got.get(timeout=20)
    assert installed.judged() == [("raw-token-logged", "warning", "view")]


@pytest.mark.parametrize("flush", [False, True])
def test_memory_is_judged_where_it_is_flushed_to(install_rasp, flush):
    installed = install_rasp()
    target = logging.StreamHandler(io.StringIO())
    handler = logging.handlers.MemoryHandler(100, flushLevel=logging.CRITICAL, target=target, flushOnClose=False)
    log = logger(handler)

    def view():
        log.error("key %s", request.headers["X-API-Key"])
        if flush:
            handler.flush()
        return "ok"

    served(view)
    assert (KEY in target.stream.getvalue()) is flush
    assert installed.judged() == ([("raw-token-logged", "error", "view")] if flush else [])
    handler.target = None
    handler.close()


@pytest.mark.parametrize("respect", [False, True])
def test_a_queue_is_judged_where_its_listener_writes(install_rasp, respect):
    installed = install_rasp()
    waiting, stream = queue.Queue(), io.StringIO()
    listener = logging.handlers.QueueListener(waiting, logging.StreamHandler(stream), respect_handler_level=respect)
    listener.start()
    line = logs(logger(logging.handlers.QueueHandler(waiting)))
    listener.stop()
    assert KEY in stream.getvalue()
    assert installed.judged() == [("raw-token-logged", "error", "view")]
    assert installed.findings[0].location.line == line


def test_strict_does_not_end_the_listener(install_rasp):
    install_rasp(mode="strict")
    waiting, stream = queue.Queue(), io.StringIO()
    listener = logging.handlers.QueueListener(waiting, logging.StreamHandler(stream))
    listener.start()
    log = logger(logging.handlers.QueueHandler(waiting))
    try:
        logs(log)
    except rasp.RawTokenLogged:
        pass  # the listener may have been done before the request ended
    log.error("afterwards")
    listener.stop()
    assert stream.getvalue().endswith("afterwards\n")
    rasp.uninstall()


def test_configuration_by_a_dict_works_and_is_judged(install_rasp):
    installed, stream = install_rasp(), io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {"short": {"format": "%(levelname)s|%(funcName)s|%(message)s"}},
                "handlers": {"out": {"class": "logging.StreamHandler", "stream": stream, "formatter": "short"}},
                "loggers": {"configured": {"handlers": ["out"], "level": "INFO", "propagate": False}},
            }
        )
        logs(logging.getLogger("configured"))
    finally:
        root.handlers[:], root.level = before
        logging.getLogger("configured").handlers.clear()
    assert stream.getvalue() == f"ERROR|view|key {KEY}\n"
    assert installed.judged() == [("raw-token-logged", "error", "view")]


def test_an_adapter_is_located_at_the_call(install_rasp):
    installed, stream = install_rasp(), io.StringIO()

    class Adapter(logging.LoggerAdapter):
        def process(self, message, kwargs):
            return f"[{self.extra['who']}] {message}", kwargs

    line = logs(Adapter(logger(logging.StreamHandler(stream)), {"who": "app"}))
    assert stream.getvalue().startswith("[app] key")
    assert [found.location.line for found in installed.findings] == [line]


class Hiding(logging.Filter):
    """Rewrites a record, as apps do to mask it."""

    def filter(self, record):
        record.msg, record.args = record.getMessage().replace(KEY, "***"), ()
        return True


def test_a_filter_that_rewrites_the_record_is_heard(install_rasp):
    installed, streams = install_rasp(), (io.StringIO(), io.StringIO())
    on_handler = logging.StreamHandler(streams[0])
    on_handler.addFilter(Hiding())
    logs(logger(on_handler))
    on_logger = logger(logging.StreamHandler(streams[1]))
    on_logger.addFilter(Hiding())
    logs(on_logger)
    assert [stream.getvalue() for stream in streams] == ["key ***\n"] * 2
    assert installed.findings == []


def test_a_filter_that_refuses_the_record_is_heard(install_rasp):
    installed, stream = install_rasp(), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(lambda record: False)
    logs(logger(handler))
    assert stream.getvalue() == ""
    assert installed.findings == []


@pytest.mark.parametrize("shown", [False, True])
def test_extra_is_exposed_where_the_format_shows_it(install_rasp, shown):
    installed, stream = install_rasp(), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s %(who)s" if shown else "%(message)s"))
    log = logger(handler)

    def view():
        log.error("seen", extra={"who": request.headers["X-API-Key"]})
        return "ok"

    served(view)
    assert (KEY in stream.getvalue()) is shown
    assert len(installed.findings) == int(shown)


def test_exceptions_and_stacks_are_part_of_the_text(install_rasp):
    installed, stream = install_rasp(mode="protect"), io.StringIO()
    log = logger(logging.StreamHandler(stream))

    def view():
        try:
            raise ValueError(request.headers["X-API-Key"])
        except ValueError:
            log.exception("failed", stack_info=True)
        return "ok"

    served(view)
    assert "Traceback" in stream.getvalue()
    assert "Stack (most recent call last)" in stream.getvalue()
    assert KEY[3:] not in stream.getvalue()
    assert installed.judged() == [("raw-token-logged", "error", "view")]


def test_the_last_resort_is_judged(install_rasp, capsys, monkeypatch):
    installed = install_rasp(streams=["stderr"], record=True)
    monkeypatch.setattr(logging.root, "handlers", [])
    log = logging.getLogger("nobody.listens")
    logs(log)
    assert capsys.readouterr().err == f"key {KEY}\n"
    assert installed.judged() == [("raw-token-logged", "error", "view")]
    assert installed.seen("logging", "stderr") == [("expose", "logging")]


class OwnFormat(logging.StreamHandler):
    """A handler that renders in a way of its own."""

    def format(self, record):
        return "own: " + record.getMessage()


@pytest.mark.parametrize("mode", ["observe", "protect"])
def test_a_handler_with_a_format_of_its_own_is_judged_by_it(install_rasp, mode):
    before = OwnFormat.__dict__["format"]
    installed, stream = install_rasp(mode=mode), io.StringIO()
    logs(logger(OwnFormat(stream)))
    assert (KEY in stream.getvalue()) is (mode == "observe")
    assert installed.judged() == [("raw-token-logged", "error", "view")]
    rasp.uninstall()
    assert OwnFormat.__dict__["format"] is before


class Json(logging.Formatter):
    """A JSON formatter, as most apps write one."""

    def format(self, record):
        return json.dumps({"message": record.getMessage(), "who": getattr(record, "who", None)})


def test_a_json_formatter_is_judged_in_its_escaped_text(install_rasp):
    installed, stream = install_rasp(mode="protect"), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Json())
    logs(logger(handler))
    assert json.loads(stream.getvalue())["message"].startswith(f"key {MASK}")
    assert installed.judged() == [("raw-token-logged", "error", "view")]


def test_python_json_logger_is_judged_with_its_extra_fields(install_rasp):
    formatter = pytest.importorskip("pythonjsonlogger.json")
    installed, stream = install_rasp(), io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter.JsonFormatter())
    log = logger(handler)

    def view():
        log.error("seen", extra={"who": {"headers": [request.headers["X-API-Key"]]}})
        return "ok"

    served(view)
    assert KEY in stream.getvalue()
    assert installed.judged() == [("raw-token-logged", "error", "view")]


def test_what_flask_logs_of_an_exception_is_located_at_the_view(install_rasp):
    installed, stream = install_rasp(), io.StringIO()
    app = flask_app()
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.logger.handlers[:] = [logging.StreamHandler(stream)]
    app.logger.propagate = False

    @app.get("/")
    def view():
        raise ValueError(f"no such key: {request.headers['X-API-Key']}")

    assert call(app, "/", {"X-API-Key": KEY}).status.startswith("500")
    assert f"ValueError: no such key: {KEY}" in stream.getvalue()
    assert installed.judged() == [("raw-token-logged", "error", "view")]


def test_flasks_own_logger_writes_to_wsgi_errors_once(install_rasp):
    installed = install_rasp(record=True, streams=["stderr"])
    app, errors = flask_app(), io.StringIO()
    app.logger.propagate = False

    @app.get("/")
    def view():
        current_app.logger.error("key %s", request.headers["X-API-Key"])
        return "ok"

    call(lambda environ, start: app(environ | {"wsgi.errors": errors}, start), "/", {"X-API-Key": KEY})
    if errors.getvalue():  # unless pytest's handlers are there, Flask adds its own
        assert KEY in errors.getvalue()
    assert len(installed.seen("logging", "stderr", "wsgi.errors")) <= 1


def test_a_record_that_cannot_be_rendered_is_no_failure_of_rasp(install_rasp, capsys):
    installed = install_rasp(loud=False)
    log, text = logger(logging.StreamHandler(io.StringIO())), "no place for it"
    served(lambda: (log.error(text, request.headers["X-API-Key"]), "ok")[1])
    assert "not all arguments converted" in capsys.readouterr().err
    assert installed.guard.failures == {}


@pytest.mark.parametrize("mode", ["observe", "protect"])
def test_what_logging_prints_of_a_record_it_could_not_render_is_exposed(install_rasp, capsys, mode):
    installed = install_rasp(mode=mode, loud=False)
    log, text = logger(logging.StreamHandler(io.StringIO())), "no place for it"

    def view():
        log.error(text, request.headers["X-API-Key"])
        return "ok"

    served(view)
    told = capsys.readouterr().err
    assert "Arguments: (" in told
    assert (KEY in told) is (mode == "observe")
    assert installed.judged() == [("raw-token-logged", "error", "view")]


def test_what_sentry_makes_of_a_record_is_no_log(install_rasp):
    integration = pytest.importorskip("sentry_sdk.integrations.logging")
    installed = install_rasp()
    for handler in (integration.EventHandler(), integration.BreadcrumbHandler(), integration.SentryLogsHandler()):
        logs(logger(handler))
    assert installed.findings == []


ODD = ["", "\ud800", "\x00" * 20, "%s %d %(x)s {} \\", "x" * 9000, "é" * 50]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_lines_are_written_as_without(install_rasp, text):
    installed, stream = install_rasp(), io.StringIO()
    log = logger(logging.StreamHandler(stream))
    served(lambda: (log.error(text), log.error("%s", text), "ok")[2])
    assert stream.getvalue() == f"{text}\n{text}\n"
    assert installed.findings == []


def test_many_threads_log_and_each_line_is_its_own(install_rasp):
    installed, stream = install_rasp(), io.StringIO()
    log = logger(logging.StreamHandler(stream))
    keys = [KEY + format(number, "02d") for number in range(8)]
    app = flask_app()

    @app.get("/")
    def view():
        for _ in range(20):
            log.error("key %s", request.headers["X-API-Key"])
        return "ok"

    threads = [threading.Thread(target=call, args=(app, "/", {"X-API-Key": key})) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    lines = stream.getvalue().splitlines()
    assert sorted(lines) == sorted(f"key {key}" for key in keys for _ in range(20))
    assert installed.judged() == [("raw-token-logged", "error", "view")]


def test_a_closed_file_handler_writes_nothing_and_is_not_judged(install_rasp, tmp_path):
    installed = install_rasp()
    closed = logging.FileHandler(tmp_path / "app.log", mode="w")
    closed.close()
    logs(logger(closed))
    assert (tmp_path / "app.log").read_text() == ""
    assert installed.findings == []
