"""loguru: what its sinks write, located by the record's own place."""

from __future__ import annotations

import io

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from loguru import logger
from support.web import call

FORMAT = "{function}:{line} {module} {message}"


class TestLoguru(InstrumentContract):
    name = "loguru"
    hooks = ("loguru.write",)
    holder = "loguru"
    clean = ()
    defective = ("expose",)
    finding = ("raw-token-logged", "error", "defect")
    masks = True

    def subject(self, folder):
        app = flask_app()
        stream, lines, file = io.StringIO(), [], folder / "loguru.log"
        logger.remove()
        logger.add(stream, format=FORMAT)
        logger.add(lines.append, format=FORMAT)
        logger.add(file, format=FORMAT)

        @app.get("/clean")
        def clean():
            logger.info("caller {}", request.headers["X-API-Key"][:6])
            return {"ok": True}

        @app.get("/defect")
        def defect():
            logger.info("caller {}", request.headers["X-API-Key"])
            return {"ok": True}

        return Subject(app, lambda: (stream.getvalue(), [str(line) for line in lines], file.read_text()), logger.remove)

    def raises(self, subject):
        error = OSError(28, "No space left on device")

        def refuse(message):
            raise error

        logger.add(refuse, catch=False)
        with pytest.raises(OSError) as caught:
            logger.info("full")
        return error, caught.value


@pytest.fixture
def lines():
    """What one sink gets."""
    logger.remove()
    found = []
    logger.add(found.append, format=FORMAT)
    yield found
    logger.remove()


def exposed(log=logger):
    app = flask_app()

    @app.get("/")
    def view():
        log.info(f"key {request.headers['X-API-Key']}")
        return "ok"

    return call(app, "/", {"X-API-Key": KEY})


def test_function_and_line_are_unchanged(install_rasp, lines):
    exposed()
    install_rasp(mode="protect")
    exposed()
    bare, under = lines
    assert bare.startswith("view:")
    assert under.partition(" ")[0] == bare.partition(" ")[0]
    assert under.record["function"] == "view"
    assert KEY[3:] not in under


def test_a_record_patched_before_the_sink_exposes_nothing(install_rasp, lines):
    installed = install_rasp()
    exposed(logger.patch(lambda record: record.update(message="key ***")))
    assert "***" in lines[0]
    assert installed.findings == []


def test_the_defect_is_located_at_the_log_call(install_rasp, lines):
    installed = install_rasp()
    exposed()
    (found,) = installed.findings
    assert found.location.function == "view"
    assert str(found.location.line) == lines[0].partition(" ")[0].partition(":")[2]


def served(view):
    app = flask_app()
    app.add_url_rule("/", "view", view)
    return call(app, "/", {"X-API-Key": KEY})


@pytest.fixture
def sink():
    """``sink(**options)``: the lines of one more sink."""
    logger.remove()

    def add(**options):
        found = []
        logger.add(found.append, **options)
        return found

    yield add
    logger.remove()


def in_local():
    key = request.headers["X-API-Key"]
    try:
        return {"n": len(key) // 0}
    except ZeroDivisionError:
        logger.opt(exception=True).error("failed")
    return "ok"


@pytest.mark.parametrize("colorize", [False, True])
def test_local_variables_that_diagnose_shows_are_exposed(install_rasp, sink, colorize):
    installed = install_rasp(mode="protect")
    shown = sink(diagnose=True, backtrace=True, colorize=colorize)
    served(in_local)
    assert "ZeroDivisionError" in shown[0]
    assert KEY[3:] not in shown[0]
    assert installed.judged() == [("raw-token-logged", "error", "in_local")]


def test_without_diagnose_no_local_is_shown(install_rasp, sink):
    installed = install_rasp()
    shown = sink(diagnose=False, backtrace=True)
    served(in_local)
    assert "ZeroDivisionError" in shown[0]
    assert installed.findings == []


def with_bind():
    logger.bind(key=request.headers["X-API-Key"]).info("seen")
    return "ok"


def with_contextualize():
    with logger.contextualize(key=request.headers["X-API-Key"]):
        logger.info("seen")
    return "ok"


def with_patch():
    key = request.headers["X-API-Key"]
    logger.patch(lambda record: record["extra"].update(key=key)).info("seen")
    return "ok"


def with_catch():
    with logger.catch():
        raise ValueError(request.headers["X-API-Key"])
    return "ok"


@pytest.mark.parametrize("view", [with_bind, with_contextualize, with_patch, with_catch])
@pytest.mark.parametrize(
    "options", [{"serialize": True}, {"format": "{message} {extra}\n{exception}"}], ids=["json", "text"]
)
def test_however_it_came_into_the_record_it_is_one_exposure(install_rasp, sink, view, options):
    installed = install_rasp(record=True)
    shown = sink(**options)
    served(view)
    assert KEY in shown[0]
    assert installed.judged() == [("raw-token-logged", "error", view.__name__)]
    assert installed.seen("loguru") == [("expose", "loguru")]


@pytest.mark.parametrize("view", [with_bind, with_contextualize, with_patch])
def test_what_the_format_does_not_show_is_no_exposure(install_rasp, sink, view):
    installed = install_rasp()
    shown = sink(format="{message}")
    served(view)
    assert shown[0] == "seen\n"
    assert installed.findings == []


def test_a_queue_is_judged_on_its_own_thread_by_the_records_place(install_rasp, sink):
    installed = install_rasp()
    shown = sink(format="{message}", enqueue=True)

    def view():
        logger.info("key {}", request.headers["X-API-Key"])
        logger.complete()
        return "ok"

    served(view)
    assert KEY in shown[0]
    assert [(found.rule, found.location.function) for found in installed.findings] == [("raw-token-logged", "view")]


def test_protect_masks_the_record_that_a_sink_may_write_too(install_rasp, sink):
    install_rasp(mode="protect")
    shown = sink(format="{message} {extra}")
    served(with_bind)
    (message,) = shown
    assert KEY[3:] not in str(message)
    assert KEY[3:] not in str(message.record)
    assert message.record["function"] == "with_bind"
    assert message.record["file"].name == "test_loguru_sinks.py"


@pytest.mark.parametrize("mode", ["observe", "protect"])
def test_a_record_that_loguru_prints_since_its_sink_failed_is_exposed(install_rasp, mode, capsys):
    installed = install_rasp(mode=mode)
    logger.remove()

    def refuse(message):
        raise OSError("no space left")

    logger.add(refuse, format="{message}", catch=True)
    try:
        served(with_bind)
    finally:
        logger.remove()
    told = capsys.readouterr().err
    assert "Logging error in Loguru Handler" in told
    assert (KEY in told) is (mode == "observe")
    assert ("[credential:api_key:" in told) is (mode == "protect")
    assert installed.judged() == [("raw-token-logged", "error", "with_bind")]


def test_a_function_that_prints_is_one_exposure_of_loguru(install_rasp, capsys):
    installed = install_rasp(streams=["stdout"], record=True)
    logger.remove()
    logger.add(lambda message: print(message, end=""), format="{message}")
    try:
        exposed()
    finally:
        logger.remove()
    assert KEY in capsys.readouterr().out
    assert installed.seen("loguru", "stdout") == [("expose", "loguru")]
