"""Standard output and error where the setting asks for them: the objects stay what they are, and are given back."""

from __future__ import annotations

import contextlib
import io
import logging
import sys

import click
import pytest
import structlog
from click.testing import CliRunner
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from support.web import call

import rasp
from rasp.config import load
from rasp.errors import ConfigError


def console():
    """A stream as a console is one."""
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="", write_through=True)


def shown(stream):
    return stream.buffer.getvalue().decode()


@contextlib.contextmanager
def consoles():
    """Both standard streams, exchanged before rasp is installed."""
    out, err = console(), console()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield out, err


def served(view):
    app = flask_app()
    app.add_url_rule("/", "view", view)
    return call(app, "/", {"X-API-Key": KEY})


def prints():
    print("came with", request.headers["X-API-Key"])
    return "ok"


def prints_nothing_of_it():
    print("came with", request.headers["X-API-Key"][:6], len(request.headers), flush=True)
    return "ok"


def errs():
    sys.stderr.write(f"came with {request.headers['X-API-Key']}\n")
    return "ok"


@pytest.mark.parametrize(("view", "holder"), [(prints, "stdout"), (errs, "stderr")])
def test_what_the_app_prints_is_found_where_it_is_printed(install_rasp, view, holder):
    with consoles():
        installed = install_rasp(streams=["stdout", "stderr"], record=True)
        served(view)
    assert installed.judged() == [("raw-token-logged", "error", view.__name__)]
    assert installed.seen(holder) == [("expose", holder)]


def test_what_is_cut_short_is_no_exposure(install_rasp):
    with consoles() as (out, _):
        installed = install_rasp(streams=["stdout", "stderr"])
        served(prints_nothing_of_it)
    assert shown(out) == f"came with {KEY[:6]} 2\n"
    assert installed.findings == []


def test_nobody_asked_nothing_is_looked_at(install_rasp):
    with consoles() as (out, err):
        installed = install_rasp()
        assert "write" not in vars(out)
        assert "write" not in vars(err)
        served(prints)
        served(errs)
    assert installed.findings == []


def test_only_the_stream_that_is_asked_for(install_rasp):
    with consoles() as (out, _):
        installed = install_rasp(streams=["stderr"])
        assert "write" not in vars(out)
        served(prints)
        served(errs)
    assert installed.judged() == [("raw-token-logged", "error", "errs")]


def test_observe_prints_the_same_and_returns_what_write_returns(install_rasp):
    with consoles() as (out, _):
        install_rasp(streams=["stdout"])
        served(prints)
        assert sys.stdout.write("twelve chars") == 12
        assert sys.stdout is out
    assert shown(out) == f"came with {KEY}\ntwelve chars"


def test_protect_prints_the_mask_and_write_tells_what_it_was_given(install_rasp):
    with consoles() as (out, _):
        install_rasp(mode="protect", streams=["stdout"])
        counts = []

        def view():
            counts.append(sys.stdout.write(request.headers["X-API-Key"]))
            return "ok"

        served(view)
    assert counts == [len(KEY)]
    assert shown(out).startswith("[credential:api_key:")
    assert KEY[3:] not in shown(out)


def test_strict_raises_at_the_print_once_it_is_printed(install_rasp):
    with consoles() as (out, _):
        install_rasp(mode="strict", streams=["stdout"])
        with pytest.raises(rasp.RawTokenLogged) as caught:
            served(prints)
    assert caught.value.finding.location.function == "prints"
    assert KEY in shown(out)


def test_the_streams_are_given_back_exactly(install_rasp):
    with consoles() as (out, err):
        out.write = kept = out.write  # somebody's own, on the object itself
        install_rasp(streams=["stdout", "stderr"])
        assert vars(out)["write"] is not kept
        rasp.uninstall()
        assert vars(out)["write"] is kept
        assert "write" not in vars(err)
        print("still there")
    assert shown(out) == "still there\n"


def test_a_wrapper_that_came_later_stays_and_ours_is_inert(install_rasp):
    with consoles() as (out, _):
        installed = install_rasp(streams=["stdout"])
        ours = out.write
        out.write = theirs = lambda text: ours(text.upper())
        rasp.uninstall()
        assert vars(out)["write"] is theirs
        served(prints)
    assert shown(out) == f"CAME WITH {KEY.upper()}\n"
    assert installed.findings == []


def test_streams_that_are_not_there_or_cannot_be_wrapped_are_left_alone(install_rasp):
    class Slotted:
        __slots__ = ()

        def write(self, text):
            return len(text)

    with contextlib.redirect_stdout(None), contextlib.redirect_stderr(Slotted()):
        install_rasp(streams=["stdout", "stderr"])
        served(prints)
        served(errs)


def test_what_logging_and_structlog_write_is_their_own_finding(install_rasp):
    with consoles() as (out, err):
        installed = install_rasp(streams=["stdout", "stderr"], record=True)
        log = logging.Logger("app")
        log.addHandler(logging.StreamHandler(err))
        events = structlog.wrap_logger(structlog.PrintLogger(out), processors=[structlog.processors.JSONRenderer()])

        def view():
            log.error("came with %s", request.headers["X-API-Key"])
            events.info("came", key=request.headers["X-API-Key"])
            return "ok"

        served(view)
    assert installed.seen("logging", "structlog", "stdout", "stderr") == [
        ("expose", "logging"),
        ("expose", "structlog"),
    ]


def test_clicks_echo_and_its_test_runner_work_as_before(install_rasp):
    @click.command()
    def command():
        click.echo("a line")

    with consoles() as (out, _):
        installed = install_rasp(streams=["stdout"])
        assert CliRunner().invoke(command).output == "a line\n"

        def view():
            click.echo(f"came with {request.headers['X-API-Key']}")
            return "ok"

        served(view)
    assert KEY in shown(out)
    assert installed.judged() == [("raw-token-logged", "error", "view")]


def test_pytests_capture_works_as_before(install_rasp, capsys):
    installed = install_rasp(streams=["stdout", "stderr"])
    served(prints)
    assert capsys.readouterr().out == f"came with {KEY}\n"
    assert installed.judged() == [("raw-token-logged", "error", "prints")]


def test_odd_texts_and_wrong_arguments_are_as_before(install_rasp):
    odd = "\ud83d\ude00 \x00 [credential:x] (.*)+ é" + "k" * 9000
    with consoles() as (out, _):
        install_rasp(streams=["stdout"])

        def view():
            for wrong in (b"bytes", None, 5):
                with pytest.raises(TypeError):
                    sys.stdout.write(wrong)
            with pytest.raises(UnicodeEncodeError):
                sys.stdout.write("\ud83d")
            print(odd.encode("utf-16", "surrogatepass").decode("utf-16"))
            return "ok"

        served(view)
    assert "k" * 9000 in shown(out)


def test_the_setting_names_streams():
    assert load({"streams": ["stdout", "stdout"]}, environ={}).streams == ("stdout",)
    assert load({}, environ={"RASP_STREAMS": "stdout, stderr"}).streams == ("stdout", "stderr")
    with pytest.raises(ConfigError, match=r"streams.*'stdin' is none of stdout, stderr"):
        load({"streams": ["stdin"]}, environ={})


class TestGunicornErrors(InstrumentContract):
    """What an app writes to ``wsgi.errors`` under gunicorn; other servers give it ``sys.stderr``."""

    name = "wsgi.errors"
    hooks = ("streams.write",)
    holder = "wsgi.errors"
    clean = ()
    defective = ("expose",)
    finding = ("raw-token-logged", "error", "defect")
    masks = True

    def subject(self, folder):
        from gunicorn.config import Config
        from gunicorn.http.wsgi import WSGIErrorsWrapper

        app, stream = flask_app(), io.StringIO()
        errors = WSGIErrorsWrapper(Config())
        errors.streams = [stream]

        @app.get("/clean")
        def clean():
            request.environ["wsgi.errors"].write(f"came with {request.headers['X-API-Key'][:6]}\n")
            return {"ok": True}

        @app.get("/defect")
        def defect():
            request.environ["wsgi.errors"].write(f"came with {request.headers['X-API-Key']}\n")
            return {"ok": True}

        def served(environ, start_response):
            return app(environ | {"wsgi.errors": errors}, start_response)

        return Subject(served, stream.getvalue)

    def raises(self, subject):
        from gunicorn.config import Config
        from gunicorn.http.wsgi import WSGIErrorsWrapper

        error = OSError(28, "No space left on device")

        class Full(io.StringIO):
            def write(self, text):
                raise error

        errors = WSGIErrorsWrapper(Config())
        errors.streams = [Full()]
        with pytest.raises(OSError) as caught:
            errors.write("full")
        return error, caught.value

    def test_a_version_without_a_patch_point_is_left_alone(self, install_rasp, monkeypatch):
        from gunicorn.http.wsgi import WSGIErrorsWrapper

        monkeypatch.delattr(WSGIErrorsWrapper, "write")
        installed = install_rasp()
        assert installed.state("wsgi.errors") == ("installed", "")
        assert "write" not in vars(WSGIErrorsWrapper)
        rasp.uninstall()
