"""What Python prints about errors: warnings, tracebacks, uncaught exceptions, records that logging could not render."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import sys
import threading
import traceback
import types
import warnings
from wsgiref.handlers import SimpleHandler

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app, states
from flask import request
from support.web import call, environ

import rasp


def printing_of_warnings():
    """``warnings``' own way to print, which pytest has taken away for the time of a test."""
    spec = importlib.util.spec_from_file_location("fresh_warnings", warnings.__file__)
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    return types.FunctionType(fresh._showwarnmsg_impl.__code__, vars(warnings))


PRINTING = printing_of_warnings()


@contextlib.contextmanager
def printed():
    """What is written to standard error, warnings included."""
    stream = io.StringIO()
    with contextlib.redirect_stderr(stream), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings._showwarnmsg_impl = PRINTING
        yield stream


class Printing(InstrumentContract):
    """A subject whose views write to standard error."""

    clean = ()
    defective = ("expose",)
    finding = ("raw-token-logged", "error", "defect")
    masks = True

    def tell(self, text):
        """Writes a text with the library."""
        raise NotImplementedError

    def subject(self, folder):
        app, streams = flask_app(), []

        @app.get("/clean")
        def clean():
            self.tell(request.headers["X-API-Key"][:6])
            return {"ok": True}

        @app.get("/defect")
        def defect():
            self.tell(request.headers["X-API-Key"])
            return {"ok": True}

        def served(environ, start_response):
            with printed() as stream:
                streams.append(stream)
                return app(environ, start_response)

        return Subject(served, lambda: [self.shown(stream.getvalue()) for stream in streams])

    def shown(self, text):
        """What is compared of it; the source lines of wrappers around the library are not."""
        return text

    def test_a_library_that_is_not_there_is_waited_for(self):
        before, after = states()
        assert before[self.name] == after[self.name] == "installed", "Python itself has loaded it"


class TestWarnings(Printing):
    name = "warnings"
    hooks = ("warnings.print",)
    holder = "warnings"

    def tell(self, text):
        warnings.warn(f"deprecated caller {text}", stacklevel=2)

    def raises(self, subject):
        error = OSError(28, "No space left on device")

        def refuse(*args):
            raise error

        with printed(), pytest.MonkeyPatch.context() as patched:
            patched.setattr(warnings, "formatwarning", refuse)
            with pytest.raises(OSError) as caught:
                warnings.warn("lost", stacklevel=1)
        return error, caught.value

    finding = ("raw-token-logged", "error", "tell")


class TestTraceback(Printing):
    name = "traceback"
    hooks = ("traceback.print",)
    holder = "traceback"
    finding = ("raw-token-logged", "error", "tell")

    def tell(self, text):
        try:
            raise ValueError(f"no such key: {text}")
        except ValueError:
            traceback.print_exc()

    def raises(self, subject):
        error = OSError(28, "No space left on device")

        class Full(io.StringIO):
            def write(self, text):
                raise error

        with pytest.raises(OSError) as caught:
            traceback.print_exception(ValueError("x"), file=Full())
        return error, caught.value


class TestExcepthook(Printing):
    name = "excepthook"
    hooks = ("excepthook.print",)
    holder = "excepthook"
    finding = ("raw-token-logged", "error", "tell")

    def tell(self, text):
        try:
            raise ValueError(f"no such key: {text}")
        except ValueError:
            sys.excepthook(*sys.exc_info())

    def shown(self, text):
        return text.splitlines()[-1]

    def raises(self, subject):
        with pytest.raises(TypeError) as caught:
            sys.excepthook(None)
        return None, caught.value

    def test_an_exception_stays_the_apps_own(self, install_rasp, tmp_path):
        with pytest.raises(TypeError):
            sys.excepthook(None)
        install_rasp()
        with pytest.raises(TypeError):
            sys.excepthook(None)

    def test_a_version_without_a_patch_point_is_left_alone(self):
        """Every Python has them."""


class TestLoggingErrors(Printing):
    name = "logging.errors"
    hooks = ("logging.error",)
    holder = "logging"
    finding = ("raw-token-logged", "error", "tell")

    def tell(self, text):
        # What ``log.info("came", key)`` comes to: there is no place for the argument.
        record = logging.LogRecord("app", logging.INFO, __file__, 1, "came", (text,), None, "tell")
        handler = logging.StreamHandler(io.StringIO())
        try:
            raise TypeError("not all arguments converted during string formatting")
        except TypeError:
            handler.handleError(record)

    def shown(self, text):
        return text.splitlines()[-2:]

    def raises(self, subject):
        error = ValueError("broken")

        class Broken(io.StringIO):
            def write(self, text):
                raise error

        record = logging.LogRecord("app", logging.INFO, __file__, 1, "came", (), None)
        try:
            raise TypeError("x")
        except TypeError:
            with contextlib.redirect_stderr(Broken()), pytest.raises(ValueError) as caught:
                logging.Handler().handleError(record)
        return error, caught.value

    def test_a_library_that_is_not_there_is_waited_for(self):
        before, after = states()
        assert (before[self.name], after[self.name]) == ("waiting", "installed")


def served(view):
    """One request to a view; what it printed."""
    app = flask_app()
    app.add_url_rule("/", "view", view)
    with printed() as stream:
        call(app, "/", {"X-API-Key": KEY})
    return stream.getvalue()


def test_a_warning_is_located_at_the_call_that_warns(install_rasp):
    installed = install_rasp()

    def view():
        warnings.warn(f"old key {request.headers['X-API-Key']}", DeprecationWarning, stacklevel=1)
        return "ok"

    assert KEY in served(view)
    (found,) = installed.findings
    assert found.location.line == view.__code__.co_firstlineno + 1


def quiet():
    warnings.warn(f"old key {request.headers['X-API-Key']}", stacklevel=1)
    return "ok"


def test_a_warning_that_is_ignored_recorded_or_masked_is_no_exposure(install_rasp, monkeypatch):
    installed = install_rasp()

    def ignored():
        warnings.simplefilter("ignore")
        return quiet()

    def recorded():
        with warnings.catch_warnings(record=True):
            return quiet()

    served(ignored)
    served(recorded)
    monkeypatch.setattr(warnings, "formatwarning", lambda message, *rest: "a warning\n")
    assert "a warning" in served(quiet)
    assert installed.findings == []


def test_captured_by_logging_a_warning_is_one_exposure_of_the_handler(install_rasp):
    installed = install_rasp(record=True)
    log, handler = logging.getLogger("py.warnings"), logging.StreamHandler(io.StringIO())
    log.addHandler(handler)

    def view():
        logging.captureWarnings(True)
        try:
            return quiet()
        finally:
            logging.captureWarnings(False)

    try:
        served(view)
    finally:
        log.removeHandler(handler)
    assert KEY in handler.stream.getvalue()
    assert installed.seen("logging", "warnings") == [("expose", "logging")]
    assert installed.judged() == [("raw-token-logged", "error", "quiet")]


def test_strict_raises_a_warning_at_the_call(install_rasp):
    install_rasp(mode="strict")
    caught = []

    def view():
        with pytest.raises(rasp.RawTokenLogged) as raised:
            quiet()
        caught.append(raised.value)
        raise raised.value

    with pytest.raises(rasp.RawTokenLogged):
        served(view)
    assert KEY[3:] not in str(caught)


def test_a_traceback_that_is_only_rendered_is_no_exposure(install_rasp):
    installed = install_rasp()

    def view():
        try:
            raise ValueError(request.headers["X-API-Key"])
        except ValueError as error:
            traceback.format_exc()
            traceback.print_exc(file=io.StringIO())
            traceback.print_exception(error, file=io.StringIO())
        return "ok"

    assert served(view) == ""
    assert installed.findings == []


def test_a_traceback_in_a_file_is_an_exposure_with_its_causes(install_rasp, tmp_path):
    installed = install_rasp(mode="protect")

    def view():
        try:
            try:
                raise LookupError(request.headers["X-API-Key"])
            except LookupError as error:
                raise ValueError("refused") from error
        except ValueError:
            with open(tmp_path / "errors.log", "w") as file:
                traceback.print_exc(file=file)
        return "ok"

    served(view)
    written = (tmp_path / "errors.log").read_text()
    assert "[credential:api_key:" in written
    assert KEY[3:] not in written
    assert "direct cause" in written
    assert installed.judged() == [("raw-token-logged", "error", "view")]


def failing():
    app = flask_app()

    @app.get("/")
    def view():
        raise ValueError(f"no such key: {request.headers['X-API-Key']}")

    return app, view.__code__.co_firstlineno + 2


DEBUGGED = """
import io
from flask import Flask, request
from werkzeug.debug import DebuggedApplication
from werkzeug.test import Client

app = Flask(__name__)
app.config["PROPAGATE_EXCEPTIONS"] = True


@app.get("/")
def view():
    raise ValueError(f"no such key: {request.headers['X-API-Key']}")


debugged = DebuggedApplication(app, evalex=True, pin_security=False)
client, errors = Client(debugged), io.StringIO()
answer = client.get("/", headers={"X-API-Key": "KEY"}, errors_stream=errors)
print(answer.status_code, answer.text.count("KEY"), errors.getvalue().splitlines()[-1])
asked = {"__debugger__": "yes", "cmd": "40 + 2", "frm": [*debugged.frames][-1], "s": debugged.secret}
for _ in range(2):
    reply = client.get("/", query_string=asked)
    print(reply.status_code, "42" in reply.text)
"""


def test_werkzeugs_debugger_works_and_what_it_writes_is_found_where_it_was_raised(scripts):
    source = DEBUGGED.replace("KEY", KEY).replace("X-API-" + KEY, "X-API-Key")
    plain = scripts.plain(source)
    ran = scripts.under_rasp(source)
    assert plain.stdout.splitlines()[1:] == ["200 True", "200 True"], plain.stderr
    assert ran.stdout == plain.stdout
    assert f"ValueError: no such key: {KEY}" in plain.stdout
    logged = [found for found in ran.findings if found["trail"][-1]["holder"] == "werkzeug.debug"]
    assert [(found["rule"], found["location"]["line"]) for found in logged] == [("raw-token-logged", 13)]
    assert logged[0]["request"]["route"] == "/"


def test_what_a_server_prints_of_a_failed_request_is_found_where_it_was_raised(install_rasp):
    installed = install_rasp()
    app, line = failing()
    with printed() as stream:
        SimpleHandler(io.BytesIO(), io.BytesIO(), sys.stderr, environ("/", {"X-API-Key": KEY})).run(app)
    assert f"ValueError: no such key: {KEY}" in stream.getvalue()
    assert [(found.rule, found.location.line) for found in installed.findings] == [("raw-token-logged", line)]


THREAD = """
import sys, threading
from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def view():
    key = request.headers["X-API-Key"]

    def work():
        raise ValueError(f"bad key {key}")

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    thread.join()
    return "ok"


app.test_client().get("/", headers={"X-API-Key": "KEY"})
raise SystemExit(0)
"""


@pytest.mark.parametrize("mode", ["observe", "strict"])
def test_an_exception_that_ends_a_thread_is_printed_and_found_where_it_was_raised(scripts, mode):
    ran = scripts.under_rasp(THREAD.replace("KEY", KEY), "--mode", mode)
    assert ran.judged() == [("raw-token-logged", 13)]
    assert "Exception in thread worker" in ran.stderr
    assert f"ValueError: bad key {KEY}" in ran.stderr


SERVICE_THREAD = """
import os, threading

def work():
    raise ValueError("bad key " + os.environ["SERVICE_API_KEY"])

thread = threading.Thread(target=work, name="worker")
thread.start()
thread.join()
"""


def test_protect_prints_the_mask_of_a_service_key(scripts):
    plain = scripts.plain(SERVICE_THREAD, SERVICE_API_KEY=KEY)
    ran = scripts.under_rasp(SERVICE_THREAD, "--mode", "protect", SERVICE_API_KEY=KEY)
    assert KEY in plain.stderr
    assert KEY[3:] not in ran.stderr
    first, _, last = plain.stderr.partition(KEY)
    assert first in ran.stderr
    assert f"bad key [credential:service:{ran.findings[0]['credential']['fingerprint']}]{last}" in ran.stderr


PROCESS = """
import os, sys
KEPT = os.environ["SERVICE_API_KEY"]
{before}
raise ValueError("refused " + KEPT)
"""


def test_an_exception_that_ends_the_process_shows_a_service_key(scripts):
    plain = scripts.plain(PROCESS.format(before=""), SERVICE_API_KEY=KEY)
    ran = scripts.under_rasp(PROCESS.format(before=""), SERVICE_API_KEY=KEY)
    assert ran.returncode == plain.returncode == 1
    assert ran.stderr.endswith(plain.stderr) or plain.stderr in ran.stderr
    assert ran.judged() == [("raw-token-logged", 5)]


def test_the_default_excepthook_is_known_as_such(install_rasp, monkeypatch):
    for module in (sys, threading):
        monkeypatch.setattr(module, "excepthook", module.__excepthook__)
    bare = sys.__excepthook__, threading.__excepthook__
    installed = install_rasp()
    assert installed.state("excepthook")[0] == "installed"
    for module in (sys, threading):
        assert module.excepthook is module.__excepthook__
    assert sys.excepthook is not bare[0]
    rasp.uninstall()
    assert (sys.__excepthook__, threading.__excepthook__) == (sys.excepthook, threading.excepthook) == bare


def test_an_excepthook_of_the_apps_own_may_call_the_default_one(install_rasp, monkeypatch):
    def own(*error):
        sys.__excepthook__(*error)

    monkeypatch.setattr(sys, "excepthook", own)
    bare = sys.__excepthook__
    install_rasp()
    assert sys.excepthook is own
    assert sys.__excepthook__ is not bare
    rasp.uninstall()
    assert sys.__excepthook__ is bare


def test_an_excepthook_of_the_apps_own_is_left_alone(scripts):
    before = "sys.excepthook = lambda kind, error, trace: print('ended by', kind.__name__)"
    ran = scripts.under_rasp(PROCESS.format(before=before), SERVICE_API_KEY=KEY)
    assert ran.stdout == "ended by ValueError\n"
    assert ran.findings == []


def test_a_hook_that_was_not_pythons_own_stays_in_place(install_rasp, monkeypatch):
    def own(*args):
        raise AssertionError

    monkeypatch.setattr(sys, "excepthook", own)
    monkeypatch.setattr(threading, "excepthook", own)
    install_rasp()
    assert sys.excepthook is own
    assert threading.excepthook is own
    rasp.uninstall()


def test_nothing_is_rendered_while_no_credential_is_live(install_rasp, monkeypatch):
    install_rasp()
    rendered, format = [], traceback.TracebackException.format
    monkeypatch.setattr(
        traceback.TracebackException, "format", lambda self, **how: (rendered.append(1), format(self, **how))[1]
    )
    with printed():
        try:
            raise ValueError("x")
        except ValueError:
            traceback.print_exc()
    assert len(rendered) == 1
