"""Tracebacks and stack walks through logging, as other people's handlers and tests do them."""

from __future__ import annotations

import logging
import traceback

import pytest


class Walks(logging.Handler):
    """Notes the file and the source line of each frame between a log call and its handler."""

    def __init__(self):
        super().__init__()
        self.walked: list[traceback.FrameSummary] = []

    def emit(self, record):
        self.walked = traceback.extract_stack()


@pytest.fixture
def asker():
    made = logging.getLogger("walked")
    made.propagate = False
    made.setLevel(logging.INFO)
    made.addHandler(Walks())
    yield made
    made.handlers.clear()
    made.propagate = True


def test_every_frame_below_a_log_call_is_in_loggings_own_file(observe, asker):
    asker.info("asked")
    walked = asker.handlers[0].walked
    start = next(at for at, frame in enumerate(walked) if frame.line == 'asker.info("asked")')
    assert {frame.filename for frame in walked[start + 1 : -1]} == {logging.__file__}


def test_a_wrapper_stands_at_the_lines_of_what_it_wraps(observe, asker):
    asker.info("asked")
    methods = (logging.Logger.handle, logging.Handler.handle.__wrapped__)
    starts = [method.__code__.co_firstlineno for method in methods]
    lines = [frame.lineno for frame in asker.handlers[0].walked if frame.name == "handle"]
    assert len(lines) == 3, "the logger's own, and the handler's below its wrapper"
    assert [line for line in lines if not any(start < line < start + 20 for start in starts)] == []
