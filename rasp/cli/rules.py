"""``rasp rules``: lists the rules."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from rasp.cli.commands import COMMANDS
from rasp.cli.terminal import colours, is_terminal, paint, table

if TYPE_CHECKING:
    from rasp.cli.commands import Subparsers
    from rasp.rules.spec import Rule


def add(subparsers: Subparsers) -> None:
    """Adds ``rules`` to the command line."""
    parser = subparsers.add_parser(
        "rules",
        help=COMMANDS["rules"],
        description="Lists the rules: what each finds, and its highest severity. See: rasp explain RULE",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def run(args: argparse.Namespace) -> int:
    """Prints the table of rules."""
    from rasp.rules.table import RULES

    if args.format == "json":
        print(json.dumps([_row(rule) for rule in RULES.values()], indent=2))
        return 0
    rows = [(rule.id, rule.name, rule.severity.word, _cwe(rule), rule.summary) for rule in RULES.values()]
    text = table(("id", "name", "severity", "CWE", "finds"), rows, wrap=is_terminal())
    head, _, rest = text.partition("\n")
    print(paint(head, "bold", colours()), rest, sep="\n")
    return 0


def _row(rule: Rule) -> dict[str, object]:
    cwe = [rule.cwe] if rule.native_cwe is None else [rule.cwe, rule.native_cwe]
    return {
        "id": rule.id,
        "name": rule.name,
        "severity": rule.severity.word,
        "cwe": cwe,
        "category": rule.category,
        "summary": rule.summary,
    }


def _cwe(rule: Rule) -> str:
    return str(rule.cwe) if rule.native_cwe is None else f"{rule.cwe}, native {rule.native_cwe}"
