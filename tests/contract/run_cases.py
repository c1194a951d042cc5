"""Judges contract cases: small apps that run under rasp, each alone, and say in comments what rasp must report.

A line that ends in ``# expect: <rule>`` gets a warning or an error of that rule, and no other line of the
file gets one.
``# note: <rule>`` demands a note there. Module constants: ``SECRETS`` (raw values that no output may hold), ``QUIET``
(rules that report nothing, notes included), ``ENV`` (environment variables), ``MODE`` (default ``observe``),
``STATUS`` (exit status, default 0), ``CONFIG`` (the text of ``rasp.toml``).
"""

from __future__ import annotations

import ast
import base64
import json
import os
import re
import subprocess
import sys
import tempfile
import tokenize
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CASES = Path(__file__).resolve().parent / "cases"
_MARK = re.compile(r"#\s*(expect|note):\s*([a-z0-9-]+(?:\s*,\s*[a-z0-9-]+)*)\s*\Z")
_JUDGED = ("warning", "error")
_TIMEOUT = 60

Place = tuple[str, int]


@dataclass
class Outcome:
    """What one run left behind."""

    status: int
    out: str
    err: str
    findings: list[dict[str, Any]] = field(default_factory=list)
    text: str = ""


def marked(case: Path) -> dict[str, set[Place]]:
    """``{"expect": ..., "note": ...}``: rules and lines, from the trailing comments."""
    found: dict[str, set[Place]] = {"expect": set(), "note": set()}
    with tokenize.open(case) as source:
        for token in tokenize.generate_tokens(source.readline):
            match = _MARK.search(token.string) if token.type == tokenize.COMMENT else None
            if match:
                found[match.group(1)] |= {(rule.strip(), token.start[0]) for rule in match.group(2).split(",")}
    return found


def constants(case: Path) -> dict[str, Any]:
    """The module-level literals of a case; names inside ``SECRETS`` are resolved. Nothing is imported."""
    values: dict[str, Any] = {}
    for node in ast.parse(case.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        name = node.targets[0].id
        if isinstance(node.value, ast.List) and name == "SECRETS":
            values[name] = [e.value if isinstance(e, ast.Constant) else values[ast.unparse(e)] for e in node.value.elts]
        else:
            try:
                values[name] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return values


def leaks(secret: str, text: str) -> bool:
    """Whether a text holds a secret whole, encoded, or 16 characters of its secret part in a row."""
    core = re.split(r"[.|]", secret)[-1]
    raw = secret.encode()
    whole = {secret, raw.hex(), base64.b64encode(raw).decode().rstrip("="), urllib.parse.quote(secret, safe="")}
    windows = (core[at : at + 16] for at in range(max(len(core) - 15, 1)))
    return any(form in text for form in whole) or any(part in text for part in windows)


def run(case: Path, python: str = sys.executable, arguments: tuple[str, ...] = ()) -> Outcome:
    """Runs a case under rasp in an empty folder of its own."""
    facts = constants(case)
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RASP_", "_RASP_", "OTEL_"))}
    env.update(facts.get("ENV", {}), PYTHONDONTWRITEBYTECODE="1")
    with tempfile.TemporaryDirectory(prefix="rasp-contract-") as folder:
        findings = Path(folder, "findings.jsonl")
        if "CONFIG" in facts:
            Path(folder, "rasp.toml").write_text(facts["CONFIG"], encoding="utf-8")
        command = [python, "-m", "rasp", "run", "--mode", facts.get("MODE", "observe"), "--findings", str(findings)]
        command += [*arguments, "--", python, str(case)]
        ended = subprocess.run(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False
        )
        text = findings.read_text(encoding="utf-8") if findings.exists() else ""
    outcome = Outcome(ended.returncode, ended.stdout.decode(errors="replace"), ended.stderr.decode(errors="replace"))
    outcome.text = text
    outcome.findings = [json.loads(line) for line in text.splitlines()]
    return outcome


def problems(case: Path, outcome: Outcome) -> list[str]:
    """What does not hold, as sentences; empty if the case holds."""
    facts, wanted = constants(case), marked(case)
    found: list[str] = []
    if outcome.status != facts.get("STATUS", 0):
        found.append(f"exit {outcome.status}: {(outcome.err.strip().splitlines() or ['no message'])[-1]}")
    found += [f"{f['rule']} has no place" for f in outcome.findings if f["location"]["line"] < 1]
    here = [f for f in outcome.findings if Path(f["location"]["file"]).name == case.name]
    judged = {_place(f) for f in here if f["severity"] in _JUDGED}
    notes = {_place(f) for f in here if f["severity"] == "note"}
    found += [f"missing {rule} at line {line}" for rule, line in sorted(wanted["expect"] - judged)]
    found += [f"unexpected {rule} at line {line}" for rule, line in sorted(judged - wanted["expect"])]
    found += [f"missing note {rule} at line {line}" for rule, line in sorted(wanted["note"] - notes)]
    loud = {f["rule"] for f in outcome.findings} & set(facts.get("QUIET", ()))
    found += [f"{rule} is reported" for rule in sorted(loud)]
    for name, text in (("findings", outcome.text), ("stderr", outcome.err), ("stdout", outcome.out)):
        found += [f"SECRETS[{at}] leaks into {name}" for at, value in enumerate(facts["SECRETS"]) if leaks(value, text)]
    return found


def _place(finding: dict[str, Any]) -> Place:
    return finding["rule"], finding["location"]["line"]


def main() -> int:
    """Runs the cases named, by default all; a line for each that does not hold."""
    cases = [Path(name).resolve() for name in sys.argv[1:]] or sorted(CASES.glob("*.py"))
    failed = 0
    for case in cases:
        wrong = problems(case, run(case))
        failed += bool(wrong)
        if wrong:
            print(f"FAIL {case.stem}: {'; '.join(wrong)}")
    print(f"{len(cases)} cases: {len(cases) - failed} hold, {failed} fail")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
