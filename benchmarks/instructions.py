"""Counts the machine instructions of a warm request, bare and under rasp: a figure that a busy machine cannot change.

The requests are those of ``compare.py``, served in one process under ``valgrind --tool=callgrind``, which is slow and
counts everything: the interpreter, the libraries, rasp. Each is run with fewer and with more requests, and the
difference counts, so that start and warming-up do not. The clock tells more than this: what rasp adds runs once a
request and so is seldom in the processor's caches, where a library's inner loops always are; ``compare.py`` measures
that.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import measured_app
import tables
from rounds import environment, progress

VARIANTS = {"bare": None, "rasp off": "off", "rasp observe": "observe"}
FEWER, MORE = 300, 1300
ROUTES = ("jwt", "hello")
HERE = Path(__file__).resolve().parent


class CountError(Exception):
    """A program did not run under valgrind; the text is its last word."""


def serve(mode: str | None, route: str, count: int) -> None:
    """What runs under valgrind."""
    if mode is not None:
        import rasp

        rasp.install({"mode": mode, "report": False, "otel": False, "project_root": str(HERE)})
    app = measured_app.build()
    for environ in measured_app.Requests(route).make(count):
        measured_app.serve(app, environ)


def instructions(variant: str, route: str, count: int) -> int:
    """How many instructions a process executed in all.

    Raises:
        CountError: it did not end well.
    """
    progress(f"{variant}, {route}, {count} requests")
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", sys.executable]
        command += [os.path.abspath(__file__), "--serve", variant, route, str(count)]
        variables = environment() | {"PYTHONHASHSEED": "0"}
        done = subprocess.run(command, cwd=HERE, env=variables, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or found is None:
        raise CountError(f"{variant}, {route}: {(done.stderr.strip().splitlines() or ['no words'])[-1]}")
    return int(found[1])


def counted(routes: Sequence[str]) -> dict[tuple[str, str], float]:
    """Instructions of one request, by route and variant."""
    for variant in VARIANTS:  # so that every module is compiled by now
        subprocess.run(
            [sys.executable, os.path.abspath(__file__), "--serve", variant, "hello", "1"], check=True, cwd=HERE
        )
    wanted = list(product(routes, VARIANTS, (FEWER, MORE)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = dict(zip(wanted, pool.map(lambda run: instructions(run[1], run[0], run[2]), wanted), strict=True))
    return {
        (route, variant): (counts[route, variant, MORE] - counts[route, variant, FEWER]) / (MORE - FEWER)
        for route, variant in product(routes, VARIANTS)
    }


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="exit status: 0; 2 valgrind is not there, or a program did not run under it",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("routes", nargs="*", metavar="ROUTE", help=f"default: {', '.join(ROUTES)}")
    parser.add_argument("--markdown", action="store_true", help="a table to paste into docs/performance.md")
    parser.add_argument("--serve", nargs=3, metavar=("VARIANT", "ROUTE", "N"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(VARIANTS[options.serve[0]], options.serve[1], int(options.serve[2]))
        return 0
    if set(options.routes) - set(measured_app.ROUTES):
        parser.error(f"a ROUTE is one of {', '.join(measured_app.ROUTES)}")
    if shutil.which("valgrind") is None:
        parser.error("valgrind is not installed: apt-get install valgrind")
    routes = options.routes or ROUTES
    try:
        found = counted(routes)
    except CountError as error:
        print(f"instructions: {error}", file=sys.stderr)
        return 2
    rows = []
    for route, variant in product(routes, VARIANTS):
        own, bare = found[route, variant], found[route, "bare"]
        rows.append([f"{route}, {variant}", f"{own / 1e3:.0f}", f"{(own - bare) / 1e3:+.0f}", f"{own / bare:.3f}"])
    tables.show(["a request", "thousand instructions", "added", "ratio"], rows, markdown=options.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
