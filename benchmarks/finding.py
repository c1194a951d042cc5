"""What a request pays when rasp finds something: from the log call that holds a token to the queued report.

A view logs the caller's token. The time of that log call, less the time of the same call with the token's digest,
is what the finding cost: seeing the token in the text, judging, writing the finding's line. The first time each
statement does so its source is read and a line is written; later times only count. Thread CPU time, in-process,
rasp in `observe` with a findings file. Half of the statements' views are called first, so that none is measured cold.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import tables
from measured_app import environ_of, serve, token
from rounds import progress

LIMIT = 300.0
HEAD = """
import hashlib, logging, time
from flask import Flask, g, request

app, log, took = Flask(__name__), logging.getLogger("api"), []
log.handlers, log.propagate = [logging.FileHandler("/dev/null")], False
log.setLevel(logging.INFO)

@app.before_request
def authenticate():
    g.token = request.headers["Authorization"].removeprefix("Bearer ")
    g.digest = hashlib.sha256(g.token.encode()).hexdigest()

@app.teardown_request
def clear(error):
    g.pop("token", None)
"""
VIEW = """
@app.get("/{word}/{number}")
def {word}_{number}():
    began = time.thread_time_ns()
    log.info("statement {number} for %s", g.{word})
    took.append((time.thread_time_ns() - began) / 1e3)
    return "ok"
"""


def app_in(folder: Path, statements: int) -> Any:
    """A module whose app has one view for each statement, and one that logs the digest instead."""
    path = folder / "leaking.py"
    views = [VIEW.format(word=word, number=number) for number in range(statements) for word in ("token", "digest")]
    path.write_text(HEAD + "".join(views), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("leaking", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["leaking"] = module
    spec.loader.exec_module(module)
    return module


def measured(module: Any, word: str, numbers: range) -> list[float]:
    """Microseconds of each log call."""
    module.took.clear()
    for number in numbers:
        serve(module.app, environ_of(f"/{word}/{number}", token(0)))
    return list(module.took)


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"exit status: 0 a finding costs at most {LIMIT:g} us (median), 1 it costs more, 2 none was made",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--statements", type=int, default=100, metavar="N", help="leaking statements, one file (default: 100)"
    )
    parser.add_argument("--repeats", type=int, default=20, metavar="N", help="times each leaks again (default: 20)")
    parser.add_argument("--markdown", action="store_true", help="a table to paste into docs/performance.md")
    options = parser.parse_args()
    import rasp

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        findings = folder / "findings.jsonl"
        rasp.install({"report": False, "otel": False, "findings": str(findings), "project_root": name})
        module = app_in(folder, options.statements)
        half = options.statements // 2
        progress(f"{options.statements} statements")
        clean = measured(module, "digest", range(options.statements))
        cold = measured(module, "token", range(1))
        measured(module, "token", range(1, half))
        first = measured(module, "token", range(half, options.statements))
        again: list[float] = []
        for number in range(options.repeats):
            progress(f"repeat {number + 1}/{options.repeats}")
            clean = measured(module, "digest", range(options.statements))
            again += measured(module, "token", range(options.statements))
        rasp.uninstall()
        told = [json.loads(line) for line in findings.read_text(encoding="utf-8").splitlines()]
        keys = {finding["key"] for finding in told if finding["rule"] == "raw-token-logged"}
    if len(keys) != options.statements:
        print(f"finding: {len(keys)} findings instead of {options.statements}", file=sys.stderr)
        return 2
    base = statistics.median(clean)
    rows = {"the process's first": cold, "the first of its statement": first, "repeated": again}
    tables.heading("A finding, in microseconds from the log call to the queued report", markdown=options.markdown)
    tables.show(
        ["finding", "median (quartiles)", "p99", "limit"],
        [
            [
                name,
                tables.spread([one - base for one in took], 0),
                f"{sorted(took)[int(len(took) * 0.99)] - base:.0f}",
                "" if took is cold else tables.verdict(statistics.median(took) - base, LIMIT),
            ]
            for name, took in rows.items()
        ],
        markdown=options.markdown,
    )
    return 1 if max(statistics.median(first), statistics.median(again)) - base > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
