"""Runs rasp, OpenTelemetry's Flask instrumentation, Sentry and Zen in one process, started in every order.

In a virtual environment of its own, since OpenTelemetry's instrumentation pins releases that the newest SDK does not
fit. Exits 0 only if callers get the same answers in every order, each defect is found once, nothing recurses, and
nothing of rasp is left where nobody else has wrapped it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
APP = REPOSITORY / "tests" / "e2e" / "apps" / "together.py"
NEEDS = (
    "aikido_zen==1.2.37",
    "sentry-sdk==2.75.0",
    "opentelemetry-sdk==1.45.1",
    "opentelemetry-instrumentation-flask==0.66b1",
    "flask==3.1.3",
    "cachelib",
    "pyjwt",
    "structlog",
    "wrapt>=1.17",
)
TOOLS = ("rasp", "otel", "sentry", "zen")
BESIDE = {"raw-token-in-telemetry", "long-lived-token", "unvalidated-credential"}
"""What Sentry sends of the log line, and notes about the app's tokens."""
OURS = [["double-release", "warning", "drop", 1], ["raw-token-logged", "error", "leak", 1]]
MOVED = {"flask.app.Flask.__call__", "flask.app.Flask.full_dispatch_request"}
"""What Sentry and Zen wrap: around rasp's wrapper, if they come later."""


def environment(folder: Path) -> Path:
    """The interpreter of an environment with all four."""
    python = folder / "bin" / "python"
    stamp = folder / "wanted"
    if not stamp.exists() or stamp.read_text() != "\n".join(NEEDS):
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *NEEDS], check=True, stdin=subprocess.DEVNULL)
        stamp.write_text("\n".join(NEEDS))
    return python


def run(python: Path, order: str, *options: str) -> tuple[dict[str, object], str]:
    """What one process came to, and what it wrote to standard error."""
    foreign = ("RASP_", "_RASP_", "OTEL_", "FLASK_", "AIKIDO_", "SENTRY_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    done = subprocess.run(
        [python, APP, order, *options],
        env=kept | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        return {}, done.stderr
    document: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return document, done.stderr


def faults(order: tuple[str, ...], found: dict[str, object], plain: dict[str, object], errors: str) -> list[str]:
    """What is wrong with one run."""
    if not found:
        return [f"it failed: {errors.strip().splitlines()[-1]}"]
    ours = [entry for entry in found["found"] if entry[0] not in BESIDE]  # type: ignore[attr-defined]
    allowed = set() if order[-1] == "rasp" else MOVED
    checks = {
        "answers differ": found["answers"] == plain["answers"] and found["again"],
        f"found {ours}": ours == OURS,
        f"left behind: {found['moved']}": set(found["moved"]) <= allowed,  # type: ignore[call-overload]
        "Sentry was not at work": "sentry" not in order or found["sent"],
        "OpenTelemetry was not at work": "otel" not in order or found["spans"],
        "recursion": "RecursionError" not in errors,
        "something failed inside rasp": " failed with " not in errors,
    }
    return [fault for fault, right in checks.items() if not right]


def main() -> int:
    """The program."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rasp-together"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=default, metavar="DIR", help=f"environment (default: {default})")
    python = environment(parser.parse_args().cache)
    wrong = 0
    for options in ((), ("early",)):
        plain, _ = run(python, "", *options)
        for order in itertools.permutations(TOOLS):
            found, errors = run(python, ",".join(order), *options)
            said = faults(order, found, plain, errors)
            wrong += bool(said)
            print(", ".join(order), *options, "-", "; ".join(said) or "fine", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
