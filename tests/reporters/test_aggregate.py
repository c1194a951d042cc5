"""Findings files into a report: merging, errors with file and line, and the three formats."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reporter_samples import BARE, DOUBLE, LOGGED

from rasp.errors import ConfigError, RaspError
from rasp.model import Location, Severity
from rasp.reporters.aggregate import load, merge, render, summary, totals
from rasp.reporters.markdown import escape_markdown
from rasp.reporters.serialise import finding_line

WARNED = replace(DOUBLE, severity=Severity.WARNING, key="bb")


def write(path, *findings):
    path.write_bytes(b"".join(finding_line(finding) for finding in findings))
    return path


def test_total_is_the_sum_over_instances_of_each_ones_latest_line(tmp_path):
    one = write(tmp_path / "one", DOUBLE, replace(DOUBLE, count=4), replace(DOUBLE, count=9))
    two = write(tmp_path / "two", replace(DOUBLE, instance="i2"), LOGGED, replace(DOUBLE, instance="i2", count=3))
    assert [(finding.key, finding.count) for finding in load([one, two])] == [
        (DOUBLE.key, 12),
        (LOGGED.key, 3),
    ]


def test_the_same_file_twice_counts_once(tmp_path):
    file = write(tmp_path / "f", replace(DOUBLE, count=4))
    assert load([file, file]) == load([file])


def test_the_earliest_line_is_shown(tmp_path):
    earlier = replace(DOUBLE, time="2026-01-31T11:00:00.000Z", instance="i2", process=7)
    assert merge([DOUBLE, earlier]) == [replace(earlier, count=2)]


def test_findings_stand_by_severity_then_rule_then_place():
    first = replace(DOUBLE, key="cc", location=Location("aaa.py", 1, "f"))
    assert merge([BARE, WARNED, LOGGED, DOUBLE, first]) == [first, DOUBLE, LOGGED, WARNED, BARE]


def test_empty_lines_do_not_matter_and_an_empty_file_has_no_findings(tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"\n" + finding_line(DOUBLE) + b"\n\n")
    assert load([file]) == [DOUBLE]
    file.write_bytes(b"")
    assert load([file]) == []


def test_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"findings file '.*/missing' does not exist"):
        load([tmp_path / "missing"])
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load([tmp_path])


def test_malformed_line_is_named_with_its_number(tmp_path):
    file = tmp_path / "f.jsonl"
    file.write_bytes(finding_line(DOUBLE) + finding_line(DOUBLE)[:40] + b"\n")
    with pytest.raises(RaspError) as caught:
        load([file])
    assert str(caught.value) == f"{file}:2: not valid JSON"


def test_text_has_exactly_these_bytes(project, golden):
    golden("report.txt", render(merge([DOUBLE, LOGGED, BARE]), "text"))


def test_json_has_exactly_these_bytes(golden):
    golden("report.json", render(merge([DOUBLE, LOGGED, BARE]), "json"))


def test_markdown_has_exactly_these_bytes(golden):
    golden("report.md", render(merge([DOUBLE, LOGGED, BARE]), "markdown"))


def test_report_of_no_findings_says_so():
    assert render([], "text") == "No findings.\n"
    assert render([], "markdown") == "# rasp report\n\nNo findings.\n"
    assert json.loads(render([], "json"))["findings"] == []


def test_totals_and_summary_agree():
    found = [DOUBLE, LOGGED, WARNED]
    assert totals(found) == {"findings": 3, "occurrences": 5, "error": 2, "warning": 1, "note": 0}
    assert summary(found) == "3 findings (2 errors, 1 warning, 0 notes), 5 occurrences."


def test_unknown_format_names_the_known_ones():
    with pytest.raises(RaspError, match="format 'pdf' is not known; known are text, json, markdown"):
        render([DOUBLE], "pdf")


def test_colour_is_for_text_only(project):
    assert "\x1b[" in render([DOUBLE], "text", color=True)
    assert "\x1b[" not in render([DOUBLE], "markdown", color=True) + render([DOUBLE], "json", color=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", "a\\|b"),
        ("a\\|b", "a\\\\\\|b"),
        ("`code`", "\\`code\\`"),
        ("<script>&amp;", "&lt;script&gt;&amp;amp;"),
        ("[x](http://y)", "\\[x\\]\\(http\\://y\\)"),
        ("www.example.org", "www\\.example.org"),
        ("@user #1 __init__", "\\@user \\#1 \\_\\_init\\_\\_"),
        ("- item", "\\- item"),
        ("1. item", "1\\. item"),
        ("app.py:41 in f", "app.py:41 in f"),
    ],
)
def test_markdown_shows_text_as_it_is(text, expected):
    assert escape_markdown(text) == expected


@given(st.text(alphabet="ab|\\`<>&*_", max_size=40))
def test_no_cell_or_tag_comes_of_text(text):
    escaped = escape_markdown(text)
    assert "<" not in escaped
    at = 0
    while at < len(escaped):
        assert escaped[at] not in "|`*_<>"
        at += 2 if escaped[at] == "\\" else 1
