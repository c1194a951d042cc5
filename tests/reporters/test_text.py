"""The report on stderr: exact bytes, colours only on a terminal, and no control character from outside."""

import io
import os
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reporter_samples import BARE, DOUBLE, JWT, LOGGED, RECORD, TOKEN, step

from rasp.model import Action, Location
from rasp.reporters.text import TextReport, labels, render, source_line, wants_color


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_report_of_a_double_release_has_exactly_these_bytes(project, golden):
    golden("double_release.txt", render(DOUBLE))


def test_coloured_report_has_exactly_these_bytes(project, golden):
    golden("double_release.ansi.txt", render(DOUBLE, color=True))


def test_report_without_request_length_and_locations_has_exactly_these_bytes(project, golden):
    golden("unknown_places.txt", render(LOGGED) + render(BARE))


def test_source_lines_are_masked(project):
    assert TOKEN not in render(DOUBLE)
    assert 'cache.delete("[masked]")' in render(DOUBLE)


def test_absolute_path_is_read_before_the_relative_one_and_not_shown(project, tmp_path):
    (tmp_path / "other.py").write_text("first\n")
    location = Location("app.py", 1, "f", str(tmp_path / "other.py"))
    assert source_line(location) == "first"
    assert str(tmp_path) not in render(replace(DOUBLE, location=location))


def test_what_is_no_regular_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo.py")
    for file in ("fifo.py", "/dev/zero", "<string>", "", "missing.py"):
        assert source_line(Location(file, 1, "f")) == ""


@given(st.text(max_size=80), st.booleans())
def test_no_control_character_from_outside_reaches_the_terminal(text, color):
    hostile = f"\x1b[2J\x9b31m\r\n\u202e{text}"
    place = Location(hostile, 3, hostile)
    finding = replace(
        DOUBLE,
        message=hostile,
        rule=hostile,
        location=place,
        request=replace(DOUBLE.request, route=hostile, method=hostile),
        credential=replace(JWT, source=hostile),
        trail=(step(Action.USE, 3, 0.0, holder=hostile, slot=hostile, location=place, thread=hostile),),
    )
    shown = re.sub(r"\x1b\[[0-9;]+m", "", render(finding, color)) if color else render(finding)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    expected = render(replace(finding, message="m"))
    assert shown.count("\n") == expected.count("\n")


def test_an_acquire_after_which_nothing_came_was_left_held():
    acts = (Action.ACQUIRE, Action.RELEASE, Action.ACQUIRE)
    assert labels(tuple(step(action, at, 0.0) for at, action in enumerate(acts))) == [
        "acquired here",
        "released here",
        "acquired and left held here",
    ]


def test_labels_tell_the_story():
    acts = [
        Action.ACQUIRE,
        Action.USE,
        Action.RELEASE,
        Action.RELEASE,
        Action.USE,
        Action.RELEASE,
        Action.EXPOSE,
    ]
    assert labels(tuple(step(action, 1, 0.0) for action in acts)) == [
        "acquired here",
        "used here",
        "first released here",
        "released again here",
        "used after release here",
        "released again here",
        "exposed here",
    ]
    acts = [Action.ACQUIRE, Action.ACQUIRE, Action.RELEASE, Action.VERIFY]
    assert labels(tuple(step(action, 1, 0.0) for action in acts)) == [
        "acquired here",
        "acquired again here",
        "released here",
        "verified here",
    ]


@pytest.mark.parametrize(
    ("environ", "terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"TERM": "dumb"}, True, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, True, False),
    ],
)
def test_colours_follow_the_terminal_and_the_conventions(environ, terminal, expected):
    assert wants_color(Terminal() if terminal else io.StringIO(), environ) is expected


def test_stream_that_is_no_file_gets_no_colours():
    closed = io.StringIO()
    closed.close()
    assert not wants_color(closed, {})
    assert not wants_color(object(), {})


def test_reporter_writes_once_a_finding_in_colour_on_a_terminal(project):
    writes = []

    class Counted(Terminal):
        def write(self, text):
            writes.append(text)
            return len(text)

    TextReport(Counted(), {}).finding(DOUBLE)
    assert writes == ["\n" + render(DOUBLE, color=True)]


def test_reporter_writes_to_what_is_stderr_now(project, capsys):
    reporter = TextReport(environ={})
    reporter.finding(DOUBLE)
    reporter.record(RECORD, (DOUBLE,))
    reporter.close()
    assert capsys.readouterr().err == "\n" + render(DOUBLE)


def test_count_is_one_line(capsys):
    TextReport(environ={}).recount(replace(DOUBLE, count=5))
    assert capsys.readouterr().err == "==4242==rasp: double-release at app.py:41 in get_data: seen 5 times so far\n"


def test_characters_that_the_stream_cannot_hold_are_escaped():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, "ascii")
    TextReport(stream, {}).finding(replace(DOUBLE, message="schl\u00fcssel"))
    assert b"schl\\xfcssel" in raw.getvalue()


def test_process_without_stderr_is_left_alone(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    TextReport(environ={}).finding(DOUBLE)


def test_closed_stream_raises_oserror():
    stream = io.StringIO()
    stream.close()
    with pytest.raises(OSError, match="closed"):
        TextReport(stream, {}).finding(DOUBLE)
