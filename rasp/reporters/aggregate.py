"""Findings files of many processes into one list, and that list into a report: what ``rasp report`` shows."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rasp.errors import ConfigError, RaspError
from rasp.model import Finding, Severity
from rasp.reporters.markdown import render_markdown
from rasp.reporters.native_calls import (
    NativeCall,
    merged,
    native_calls_json,
    native_calls_markdown,
    native_calls_of,
    render_native_calls,
)
from rasp.reporters.parse import finding_from_line
from rasp.reporters.serialise import SCHEMA, finding_dict
from rasp.reporters.text import render as render_text

FORMATS = ("text", "json", "markdown")
"""The formats that ``render`` knows."""


def native_calls(paths: Iterable[str | os.PathLike[str]]) -> list[NativeCall]:
    """The native calls that received a credential, of the events files among these.

    Raises:
        ConfigError: a file is missing or cannot be read.
    """
    found: list[NativeCall] = []
    for path in paths:
        for _, line in _lines(os.fspath(path)):
            record = _record(line)
            if record is not None:
                found += native_calls_of(record)
    return merged(found)


def load(paths: Iterable[str | os.PathLike[str]]) -> list[Finding]:
    """Reads findings files and merges their lines into one finding a defect, the worst first.

    Raises:
        ConfigError: a file is missing or cannot be read.
        RaspError: a line is no finding; the text names file, line and field.
    """
    return merge(finding for path in paths for finding in _read(path))


def merge(findings: Iterable[Finding]) -> list[Finding]:
    """One finding a defect: its earliest line, with the sum over all processes of each one's latest count."""
    shown: dict[str, Finding] = {}
    counts: dict[tuple[str, str], int] = {}
    for finding in findings:
        earliest = shown.setdefault(finding.key, finding)
        if finding.time < earliest.time:
            shown[finding.key] = finding
        each = (finding.key, finding.instance)
        # Counts only grow, so the latest is the highest, also where two threads wrote their lines in turn.
        counts[each] = max(counts.get(each, 0), finding.count)
    totals: Counter[str] = Counter()
    for (key, _instance), count in counts.items():
        totals[key] += count
    return sorted((replace(finding, count=totals[key]) for key, finding in shown.items()), key=_order)


def render(findings: Sequence[Finding], format: str, color: bool = False, calls: Sequence[NativeCall] = ()) -> str:
    """A report of findings, and of the native calls that deep mode listed; raises RaspError for an unknown format."""
    if format == "text":
        shown = "".join(render_text(finding, color) + "\n" for finding in findings) + summary(findings) + "\n"
        return shown + ("\n" + render_native_calls(calls) if calls else "")
    if format == "json":
        content = {
            "schema": SCHEMA,
            "totals": totals(findings),
            "findings": [finding_dict(f) for f in findings],
            **({"native_calls": native_calls_json(calls)} if calls else {}),
        }
        return json.dumps(content, indent=2, allow_nan=False) + "\n"
    if format == "markdown":
        return render_markdown(findings, summary(findings)) + native_calls_markdown(calls)
    raise RaspError(f"format {format!r} is not known; known are {', '.join(FORMATS)}")


def totals(findings: Sequence[Finding]) -> dict[str, Any]:
    """How many findings there are, of which severity, and how often they were seen."""
    by_severity = Counter(finding.severity for finding in findings)
    return {
        "findings": len(findings),
        "occurrences": sum(finding.count for finding in findings),
        **{severity.word: by_severity[severity] for severity in sorted(Severity, reverse=True)},
    }


def summary(findings: Sequence[Finding]) -> str:
    """The totals as a sentence."""
    if not findings:
        return "No findings."
    known = totals(findings)
    parts = [_number(known[severity.word], severity.word) for severity in sorted(Severity, reverse=True)]
    return (
        f"{_number(known['findings'], 'finding')} ({', '.join(parts)}), {_number(known['occurrences'], 'occurrence')}."
    )


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _order(finding: Finding) -> tuple[int, str, str, int, str]:
    return (-finding.severity, finding.rule, finding.location.file, finding.location.line, finding.key)


def _read(path: str | os.PathLike[str]) -> Iterator[Finding]:
    name = os.fspath(path)
    for number, line in _lines(name):
        finding = _parsed(line, name, number)
        if finding is not None:
            yield finding


def _lines(name: str) -> Iterator[tuple[int, bytes]]:
    try:
        with open(name, "rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except FileNotFoundError:
        raise ConfigError(f"findings file {name!r} does not exist") from None
    except OSError as error:
        raise ConfigError(f"findings file {name!r} cannot be read: {error.strerror}") from None


def _parsed(line: bytes, name: str, number: int) -> Finding | None:
    try:
        return finding_from_line(line)
    except RaspError as error:
        if _record(line) is not None:
            return None
        raise RaspError(f"{name}:{number}: {error}") from None


def _record(line: bytes) -> Mapping[str, Any] | None:
    """A line of an events file, ``None`` for any other."""
    if b'"events"' not in line:
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "events" in record and "rule" not in record else None
