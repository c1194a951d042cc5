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
