"""Writes the page about the rules: ``python -m rasp.rules.document > docs/rules.md``."""

from __future__ import annotations

import sys

from rasp.rules.spec import Rule
from rasp.rules.table import RULES

_INTRODUCTION = """\
<!-- Generated: change rasp/rules/ and run `python -m rasp.rules.document > docs/rules.md`. -->

# Rules

A rule judges what rasp saw happen to a credential and makes a finding of it. `rasp rules` lists the
rules, and `rasp explain double-release` (or `RASP101`, or `101`) prints one of the texts below.

The severity says how sure and how bad a finding is. The table has the highest that a rule gives; by
evidence it may give a lower one. In mode `strict`, an `error` or a `warning` raises the exception named
beside the rule (all are `RaspViolation`), and a `note` is only recorded. `observe` leaves the app as it is,
except that it passes no second release of a native handle on; `protect` changes only what is dangerous.

Each text ends with the ways to say that a finding is fine: a `with rasp.allow(...)` block, the `[rules]`
table of `rasp.toml`, and the marker `@pytest.mark.rasp_allow(...)`. The code shows an app with the defect
and then only the parts of it that the fix changes.
"""


def document() -> str:
    """The whole page, in Markdown."""
    rows = [
        "| id | name | CWE | severity | raises | finds |",
        "|---|---|---|---|---|---|",
        *(_table_row(rule) for rule in RULES.values()),
    ]
    parts = [_INTRODUCTION, "\n".join(rows) + "\n"]
    return "\n".join([*parts, *map(_section, RULES.values())])


def _table_row(rule: Rule) -> str:
    link = f"[`{rule.name}`](#{rule.id.lower()}-{rule.name})"
    cells = (rule.id, link, _cwes(rule), rule.severity.word, f"`{rule.violation.__name__}`", rule.summary)
    return f"| {' | '.join(cells)} |"


def _section(rule: Rule) -> str:
    facts = (
        f"family {rule.category}",
        f"CWE {_cwes(rule)}",
        f"severity {rule.severity.word}",
        f"raises `{rule.violation.__name__}`",
    )
    return f"## {rule.id} {rule.name}\n\n{rule.summary}\n\n{' · '.join(facts)}\n\n{rule.help}"


def _cwes(rule: Rule) -> str:
    return str(rule.cwe) if rule.native_cwe is None else f"{rule.cwe} (native {rule.native_cwe})"


if __name__ == "__main__":
    sys.stdout.write(document())
