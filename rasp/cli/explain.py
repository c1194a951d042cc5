"""``rasp explain``: what a rule finds, why it matters, and how to fix it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from rasp.cli.commands import COMMANDS
from rasp.cli.terminal import colours, paint

if TYPE_CHECKING:
    from rasp.cli.commands import Subparsers
    from rasp.rules.spec import Rule

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


def add(subparsers: Subparsers) -> None:
    """Adds ``explain`` to the command line."""
    parser = subparsers.add_parser(
        "explain",
        help=COMMANDS["explain"],
        description="Explains a rule: what happened, the danger, the defect and its fix, when it is fine.",
    )
    parser.add_argument("rule", metavar="RULE", help="its name, id or number: double-release, RASP101, 101")


def run(args: argparse.Namespace) -> int:
    """Prints the rule's help text."""
    from rasp.rules.table import find

    rule = find(args.rule)
    color = colours()
    print("\n".join([*_head(rule, color), "", *_body(rule.help, color)]))
    return 0


def _head(rule: Rule, color: bool) -> list[str]:
    cwe = f"CWE-{rule.cwe}" + (f" (native: CWE-{rule.native_cwe})" if rule.native_cwe else "")
    severity = paint(rule.severity.word, _COLOURS[rule.severity.word], color)
    return [
        paint(f"{rule.id} {rule.name}", "bold", color),
        rule.summary,
        "",
        f"{rule.category}, {cwe}, at most {severity}; mode strict raises {rule.violation.__name__}",
    ]


def _body(text: str, color: bool) -> list[str]:
    """The Markdown as it stands; on a terminal headings are bold and code is cyan, without their marks."""
    if not color:
        return text.rstrip().splitlines()
    lines = []
    code = False
    for line in text.rstrip().splitlines():
        if line.startswith("```"):
            code = not code
        elif code:
            lines.append("    " + paint(line, "cyan", color) if line else "")
        elif line.startswith("#"):
            lines.append(paint(line.lstrip("# "), "bold", color))
        else:
            lines.append(line)
    return lines
