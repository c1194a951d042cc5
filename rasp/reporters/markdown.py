"""Findings as GitHub-flavoured Markdown, for a pull request's comment or a job's summary."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rasp.model import Finding
from rasp.reporters.safe import safe_finding
from rasp.reporters.text import labels, place

_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKUP = re.compile(r"[\\`*_{}\[\]()#+!|~@$]|:(?=//)|(?<=www)\.|^[-=]|^\d+(?=[.)])", re.IGNORECASE)


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is: no markup, table cell, HTML, link or mention comes of it."""
    marked = _MARKUP.sub(lambda found: _backslashed(found.group()), text)
    return "".join(_HTML.get(character, character) for character in marked)


def render_markdown(findings: Sequence[Finding], summary: str) -> str:
    """A table of all findings, then each with its trail."""
    shown = [safe_finding(finding) for finding in findings]
    lines = ["# rasp report", "", summary, ""]
    if shown:
        lines += ["| severity | rule | location | credential | count |", "|---|---|---|---|---:|"]
        lines += [_row(finding) for finding in shown]
        lines.append("")
    for number, finding in enumerate(shown, 1):
        lines += _section(number, finding)
    return "\n".join(lines[:-1]) + "\n"


def _row(finding: Finding) -> str:
    credential = finding.credential
    cells = (
        finding.severity.word,
        f"{finding.rule} ({finding.id})",
        place(finding.location),
        "" if credential is None else f"{credential.kind} {credential.fingerprint}",
        str(finding.count),
    )
    return "| " + " | ".join(escape_markdown(cell) for cell in cells) + " |"


def _section(number: int, finding: Finding) -> list[str]:
    cwe = "".join(f", CWE-{each}" for each in finding.cwe)
    head = f"{finding.severity.word}: {finding.rule} ({finding.id}{cwe})"
    lines = [f"## {number}. {escape_markdown(head)}", "", escape_markdown(finding.message.strip()), ""]
    lines += [f"- {name}: {escape_markdown(text)}" for name, text in _facts(finding).items()]
    lines.append("")
    for at, (step, label) in enumerate(zip(finding.trail, labels(finding.trail), strict=True), 1):
        slot = "" if step.slot is None else f", slot {step.slot}"
        where = "(no app code on the stack)" if step.location is None else f"at {place(step.location)}"
        lines.append(f"{at}. {label}: {escape_markdown(f'{step.holder}{slot} {where}')}")
    return [*lines, ""] if finding.trail else lines


def _facts(finding: Finding) -> dict[str, str]:
    facts = {"location": place(finding.location)}
    credential = finding.credential
    if credential is not None:
        length = "" if credential.length is None else f", {credential.length} characters"
        facts["credential"] = f"{credential.kind} {credential.fingerprint} from {credential.source}{length}"
    request = finding.request
    if request is not None:
        facts["request"] = f"{request.id} {request.method} {request.route or '(no route)'} -> {request.status or '?'}"
    facts["mode"] = f"{finding.mode}, action taken: {finding.action_taken}"
    facts["seen"] = f"{finding.count} {'time' if finding.count == 1 else 'times'}"
    facts["fix"] = f"rasp explain {finding.rule}"
    return facts


def _backslashed(found: str) -> str:
    return f"{found}\\" if found.isdigit() else f"\\{found}"
