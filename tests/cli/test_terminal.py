"""Text for people: colours only where they are seen, tables that fit."""

from __future__ import annotations

import io
import os
import pty
import subprocess

import pytest

from rasp.cli.terminal import colours, paint, table


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_a_terminal_shows_colours():
    assert colours(Terminal())


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", ""), ("NO_COLOR", "1"), ("TERM", "dumb")])
def test_the_environment_can_say_no(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert not colours(Terminal())


def test_a_file_shows_none():
    assert not colours(io.StringIO())
    assert paint("text", "red", wanted=False) == "text"


def test_explain_on_a_terminal_shows_headings_and_code_without_their_marks(rasp):
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*rasp.prefix, "explain", "101"],
        cwd=rasp.folder,
        env=rasp.environ | {"TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
    ):
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 65536):
                shown += chunk
        except OSError:
            pass  # how a terminal says that its other side is closed
    os.close(ours)
    assert shown.startswith(b"\x1b[1mRASP101 double-release\x1b[0m\r\n")
    assert b"\x1b[1mThe fix\x1b[0m" in shown
    assert b"```" not in shown


def test_the_last_column_is_wrapped_to_the_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "36")
    rows = [("a", "one two three four five six seven")]
    assert table(("id", "finds"), rows, wrap=True) == "\n".join(
        ["id  finds", "a   one two three four five six", "    seven"]
    )
    assert table(("id", "finds"), rows, wrap=False).splitlines()[1] == "a   one two three four five six seven"
