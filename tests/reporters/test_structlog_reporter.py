"""Findings as lines of the app's own structlog."""

import asyncio
import logging
import sys
from dataclasses import replace

import pytest
import structlog
from reporter_samples import BARE, DOUBLE, JWT, LOGGED, RECORD, TOKEN
from structlog.testing import capture_logs

from rasp.model import Severity
from rasp.reporters.structlog_reporter import StructlogReporter, fields


@pytest.fixture(autouse=True)
def _defaults():
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


def test_finding_is_one_line_with_flat_fields():
    with capture_logs() as lines:
        StructlogReporter().finding(DOUBLE)
    assert lines == [
        {
            "event": "rasp double-release",
            "log_level": "error",
            "rule": "double-release",
            "rule_id": "RASP101",
            "severity": "error",
            "cwe": [1341],
            "summary": "cache key released twice in one request",
            "location": "app.py:41 in get_data",
            "trail": [
                f"acquired here: cachelib.simple {JWT.mask} at app.py:30 in get_data",
                f"first released here: cachelib.simple {JWT.mask} at app.py:38 in get_data",
                f"released again here: cachelib.simple {JWT.mask} at app.py:41 in get_data",
            ],
            "action_taken": "none",
            "key": "6c1f9be2a7d04412",
            "count": 1,
            "credential": "[credential:jwt:9f3c0a1b2c3d4e5f]",
            "source": "header:authorization",
            "request_id": "0b7e5d11",
            "route": "/api/data",
            "status": 401,
        }
    ]


@pytest.mark.parametrize(
    ("severity", "level"), [(Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.NOTE, "info")]
)
def test_level_follows_the_severity_also_of_counts(severity, level):
    with capture_logs() as lines:
        StructlogReporter().recount(replace(DOUBLE, severity=severity, count=4))
    assert [(line["log_level"], line["count"]) for line in lines] == [(level, 4)]


def test_records_are_not_logged():
    reporter = StructlogReporter()
    with capture_logs() as lines:
        reporter.record(RECORD, (DOUBLE,))
        reporter.close()
    assert lines == []


def test_nothing_raw_is_logged():
    assert TOKEN not in str(fields(replace(LOGGED, message=f"found {TOKEN}")))


def test_fields_may_become_attributes_of_a_standard_record():
    reserved = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
    assert not reserved & (set(fields(DOUBLE)) | set(fields(BARE)))


def test_asynchronous_loggers_are_used_synchronously(caplog):
    structlog.configure(
        processors=[structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.AsyncBoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )

    async def handler():
        StructlogReporter().finding(DOUBLE)

    asyncio.run(handler())
    assert [(record.name, record.levelname, record.rule) for record in caplog.records] == [
        ("rasp", "ERROR", "double-release")
    ]


def test_app_without_structlog_gets_no_import(monkeypatch):
    monkeypatch.delitem(sys.modules, "structlog")
    StructlogReporter().finding(DOUBLE)
    assert "structlog" not in sys.modules
