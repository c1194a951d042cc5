"""What loguru's own suite does and rasp once stumbled over."""

from __future__ import annotations

import inspect
import logging

import pytest
from loguru import logger


class Intercept(logging.Handler):
    """The recipe of loguru's documentation, which many projects copy: it skips frames by logging's file name."""

    def emit(self, record):
        frame, depth = inspect.currentframe(), 0
        while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame = frame.f_back
            depth += 1
        logger.opt(depth=depth).log(record.levelname, record.getMessage())


@pytest.fixture
def intercepted():
    """What loguru makes of the records of one logger."""
    written: list[str] = []
    sink = logger.add(written.append, format="{function} {file.name} {message}")
    asker, handler = logging.getLogger("intercepted"), Intercept()
    asker.addHandler(handler)
    asker.setLevel(logging.INFO)
    yield asker, written
    asker.removeHandler(handler)
    logger.remove(sink)


def test_an_intercepted_record_keeps_its_caller(observe, intercepted):
    asker, written = intercepted
    asker.info("asked")
    assert written == ["test_an_intercepted_record_keeps_its_caller test_upstream_loguru.py asked\n"]
