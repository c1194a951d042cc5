"""Whatever an app reports a credential to, no output, object or exception of rasp's own shows it."""

from __future__ import annotations

import contextlib
import gc
import io
import traceback

import pytest
import structlog
from flask import Flask, request
from support.busy_reports import Reports
from support.made_up import api_key, jwt, text
from support.web import call

import rasp
from rasp.instruments.flask_g import GDict
from rasp.reporters import aggregate

KEYS = (
    api_key("canary reports"),
    jwt("canary reports"),
    "k.é-" + api_key("odd") + "+/=~",
    "".join(text(str(n), 60) for n in range(130)),
)


@pytest.fixture
def reports():
    made = Reports()
    yield made
    made.close()
    structlog.reset_defaults()


def parts(secret):
    """What a leak would hold: the secret part, or a stretch of it."""
    secret = secret.rpartition(".")[2]
    return [secret[at : at + 16] for at in range(0, len(secret) - 15, 8)]


def objects():
    """``repr`` of every object of rasp's own classes that is alive."""
    for entry in gc.get_objects():
        module = str(getattr(type(entry), "__module__", None))
        if module.startswith("rasp.") and not isinstance(entry, GDict):
            with contextlib.suppress(ReferenceError):
                yield f"{entry!r} {entry!s}"


@pytest.mark.parametrize("mode", ["observe", "protect", "strict"])
@pytest.mark.parametrize("key", KEYS, ids=["key", "jwt", "odd", "8 kB"])
def test_nothing_of_rasps_own_shows_what_an_app_reports(install_rasp, tmp_path, capfd, reports, mode, key):
    events = io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(events))
    findings = tmp_path / "findings.jsonl"
    installed = install_rasp(mode=mode, record=True, report=True, structlog=True, findings=str(findings))
    app, raised = Flask("canary_reports"), []
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.get("/")
    def view():
        return reports.make(request.headers["X-API-Key"])

    try:
        call(app, "/", {"X-API-Key": key})
    except rasp.RaspViolation as error:
        raised += [str(error), repr(error), *traceback.format_exception_only(error)]
    installed.records()
    told = capfd.readouterr()
    outputs = [path.read_text() for path in tmp_path.glob("*.jsonl")] + [told.err, told.out, events.getvalue(), *raised]
    outputs += [aggregate.render(aggregate.load([findings]), format) for format in ("text", "markdown", "json")]
    assert {found.rule for found in installed.findings} >= {"raw-token-in-telemetry"}
    assert (mode == "strict") is bool(raised)
    shown = "\n".join([*outputs, *objects()])
    assert [part for part in parts(key) if part in shown] == []
