"""``rasp demo``: drives the demo app over real HTTP and compares what rasp found with what it must.

The demo's folder is copied to a temporary one; server, driver and report work there and leave nothing behind.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rasp.model import Finding, Severity

if TYPE_CHECKING:
    from rasp.cli.commands import Subparsers

PACKAGE = Path(__file__).resolve().parent.parent
LIBRARIES = {"gunicorn": "gunicorn", "jwt": "pyjwt", "cachelib": "cachelib"}
START, DRIVE, STOP = 30.0, 120.0, 20.0
"""Seconds that the server may take to start, all requests to be answered, and the server to end."""

LISTENING = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)")
DIED = re.compile(r"Worker \(pid:(\d+)\) was sent (SIG[A-Z]+)")
EXPECT = re.compile(r"#\s*expect:\s*([a-z-]+(?:\s*,\s*[a-z-]+)*)\s*$")


class DemoError(Exception):
    """The demo cannot run here; the text says why and what helps."""


@dataclass(frozen=True, order=True)
class Found:
    """What is compared of a finding. An expected ``line`` comes from the source's ``# expect:`` comments."""

    file: str
    line: int
    rule: str
    severity: str
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.rule} ({self.severity}) in {self.function}"


def add(subparsers: Subparsers) -> None:
    """Adds ``demo`` to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="run the demo app over real HTTP, drive it and print the findings",
        description="Runs a Flask app that mishandles credentials, drives it over HTTP on 127.0.0.1, prints "
        "what rasp found, and exits 0 exactly when that is what the demo must show. Needs `pip install "
        "'rasp[demo]'` and a C compiler.",
    )
    parser.add_argument(
        "--bare",
        action="store_true",
        help="run without rasp: the worker dies of a double free (exit 0 if it did)",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the demo; 0 exactly when it showed what it must."""
    try:
        source = folder()
        check_requirements()
        with tempfile.TemporaryDirectory(prefix="rasp-demo-", ignore_cleanup_errors=True) as temporary:
            work = Path(temporary)
            shutil.copytree(source, work / "demo", ignore=shutil.ignore_patterns("__pycache__"))
            return bare(work) if args.bare else watched(work)
    except DemoError as error:
        print(f"rasp demo: {error}", file=sys.stderr)
        return 1


def folder() -> Path:
    """The demo's folder: inside the installed package, or beside it in a checkout."""
    places = (PACKAGE / "demo", PACKAGE.parent / "demo")
    for place in places:
        if (place / "app.py").is_file() and (place / "expected.json").is_file():
            return place
    raise DemoError(f"the demo's files are missing; looked in {' and '.join(map(str, places))}")


def check_requirements() -> None:
    """Raises DemoError naming what is not installed."""
    missing = [name for module, name in LIBRARIES.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise DemoError(f"{', '.join(missing)} is not installed; `pip install 'rasp[demo]'` brings it")
    if not (shutil.which("cc") or shutil.which("gcc")):
        raise DemoError("needs a C compiler, cc or gcc, for the native part of its app")


def watched(work: Path) -> int:
    """The demo under rasp: drives it, prints the findings, compares them."""
    from rasp.reporters.aggregate import load, render

    findings = work / "findings.jsonl"
    under_rasp = ("-m", "rasp", "run", "--mode", "observe", "--findings", str(findings), "--", sys.executable)
    print("The demo app under rasp, mode observe:", flush=True)
    with server(work, under_rasp) as port:
        problems = drive(work, port)
    print(flush=True)
    if not findings.exists():
        raise DemoError("rasp reported nothing")
    found = load([findings])
    with contextlib.chdir(work / "demo"):  # where the report finds the source lines it shows
        sys.stdout.write(render(found, "text", color=sys.stdout.isatty() and "NO_COLOR" not in os.environ))
    print()
    problems += differences(expected(work / "demo"), judged(found))
    for problem in problems:
        print(problem)
    if problems:
        return 1
    print("These are the findings the demo must show, no more and no less, and the worker lives.")
    return 0


def bare(work: Path) -> int:
    """The demo without rasp: shows that the double free costs the worker its life."""
    print("The demo app without rasp:", flush=True)
    with server(work, ()) as port:
        drive(work, port)
    died = DIED.search((work / "server.log").read_text(errors="replace"))
    print()
    if died is None:
        print("No worker died: a double free is not always loud. Try again, or under rasp.")
        return 1
    print(f"Worker {died[1]} died of {died[2]}: /wrong/export freed one key handle twice. Nothing says where.")
    return 0


@contextlib.contextmanager
def server(work: Path, prefix: tuple[str, ...]) -> Iterator[int]:
    """The demo app under gunicorn, started through ``prefix``: gives its port, and ends that very process."""
    log = work / "server.log"
    options = ("--worker-class", "gthread", "--threads", "4", "--workers", "1", "--bind", "127.0.0.1:0")
    command = [sys.executable, *prefix, "-m", "gunicorn", *options, "app:app"]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - this interpreter, and arguments made here
            command,
            cwd=work / "demo",
            env=environment(work),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield listening(process, log)
    finally:
        process.terminate()
        try:
            process.wait(STOP)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def listening(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port that gunicorn says it listens at; before the first request its log holds no credential."""
    end = time.monotonic() + START
    while time.monotonic() < end:
        text = log.read_text(errors="replace")
        found = LISTENING.search(text)
        if found:
            return int(found[1])
        if process.poll() is not None:
            break
        time.sleep(0.05)
    last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
    raise DemoError(f"the server did not start:\n{last}")


def environment(work: Path) -> dict[str, str]:
    """The server's and the driver's variables: no settings from outside, all temporary files in ``work``."""
    foreign = ("RASP_", "_RASP_", "OTEL_", "FLASK_", "GUNICORN_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    kept.update(TMPDIR=str(work), XDG_RUNTIME_DIR=str(work), PYTHONDONTWRITEBYTECODE="1")
    if (PACKAGE.parent / "pyproject.toml").is_file():  # a checkout, perhaps not installed
        kept["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PACKAGE.parent), os.environ.get("PYTHONPATH"))))
    return kept


def drive(work: Path, port: int) -> list[str]:
    """Sends the demo's requests; a line for each answer that was not as expected."""
    command = [sys.executable, "drive.py", str(port)]
    try:
        result = subprocess.run(  # noqa: S603 - this interpreter, and arguments made here
            command,
            cwd=work / "demo",
            env=environment(work),
            stderr=subprocess.PIPE,
            timeout=DRIVE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DemoError(f"the requests were not answered within {DRIVE:g} s") from None
    problems = result.stderr.decode(errors="replace").splitlines()
    return problems or [f"the driver ended with {result.returncode}"] if result.returncode else []


def expected(demo: Path) -> tuple[set[Found], set[Found]]:
    """What must be found, and what may be: ``expected.json``, with the lines from the comments of the source.

    An entry with ``flask`` is a must with these versions of Flask only.
    """
    must: set[Found] = set()
    may: set[Found] = set()
    version = importlib.metadata.version("flask")
    for entry in json.loads((demo / "expected.json").read_text(encoding="utf-8")):
        file, rule, function = entry["file"], entry["rule"], entry["function"]
        found = {Found(file, line, rule, entry["severity"], function) for line in marked(demo / file, rule, function)}
        (must if version in entry.get("flask", [version]) else may).update(found)
    return must, may


def marked(source: Path, rule: str, function: str) -> list[int]:
    """The lines of a function that an ``# expect:`` comment marks with a rule."""
    text = source.read_text(encoding="utf-8")
    spans = [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    comments = ((number, EXPECT.search(line)) for number, line in enumerate(text.splitlines(), 1))
    return [
        number
        for number, match in comments
        if match and rule in re.split(r"\s*,\s*", match[1]) and any(number in span for span in spans)
    ]


def judged(findings: Sequence[Finding]) -> set[Found]:
    """What is compared of the warnings and errors among findings."""
    return {
        Found(found.location.file, found.location.line, found.rule, found.severity.word, found.location.function)
        for found in findings
        if found.severity > Severity.NOTE
    }


def differences(wanted: tuple[set[Found], set[Found]], have: set[Found]) -> list[str]:
    """A line for each finding that is missing or should not be there."""
    must, may = wanted
    missing = [f"missing: {found}" for found in sorted(must - have)]
    return missing + [f"unexpected: {found}" for found in sorted(have - must - may)]
