"""What `rasp run` costs a program that starts: CPU beside the bare program, and what it imports.

Measured are `python -c pass` and `python -c "import flask"`, each bare and under `rasp run`, in turn; the CPU counts
the supervising process too. Then the modules that are there only with rasp: libraries, of which there must be none that
the program has not imported, and what of the standard library and of rasp takes longest to import.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile

import tables
from rounds import default_core, environment, progress

LIMIT = 60.0
PROGRAMS = {"python -c pass": "pass", 'python -c "import flask"': "import flask"}
UNDER = ("-m", "rasp", "run", "--")
SHOW = "\nimport sys, json; print(json.dumps(sorted(sys.modules)))"


class ProgramError(Exception):
    """A program did not end well."""


def run(code: str, *under: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Runs a program, under rasp or not.

    Raises:
        ProgramError: its status was not 0.
    """
    inner = [sys.executable, *options, "-c", code]
    done = subprocess.run(
        [sys.executable, *under, *inner] if under else inner,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ProgramError((done.stderr.strip().splitlines() or ["no words"])[-1])
    return done


def cpu(code: str, *under: str) -> float:
    """Milliseconds of CPU of a program and all processes around it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(code, *under)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3


def modules(code: str, *under: str) -> set[str]:
    """What a program has imported at its end."""
    return set(json.loads(run(code + SHOW, *under).stdout.splitlines()[-1]))


def slowest(code: str, names: set[str]) -> list[tuple[str, float]]:
    """The modules that take longest to import by themselves, in milliseconds."""
    done = run(code, *UNDER, options=("-X", "importtime"))
    found = re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)", done.stderr)
    own = [(name, int(micros) / 1e3) for micros, name in found if name in names]
    return sorted(own, key=lambda entry: -entry[1])


def costs(rounds: int, *, markdown: bool) -> list[str]:
    """Prints the CPU; what misses the limit comes back."""
    rows, missed = [], []
    for title, code in PROGRAMS.items():
        bare: list[float] = []
        inside: list[float] = []
        for number in range(rounds):
            progress(f"{title}, round {number + 1}/{rounds}")
            bare.append(cpu(code))
            inside.append(cpu(code, *UNDER))
        more = [one - other for one, other in zip(inside, bare, strict=True)]
        rows.append([title, tables.spread(bare, 0), tables.spread(inside, 0), tables.spread(more, 0)])
        rows[-1].append(tables.verdict(statistics.median(more), LIMIT))
        if statistics.median(more) > LIMIT:
            missed.append(f"{title}: {statistics.median(more):.0f} ms more instead of {LIMIT:g}")
    head = ["program", "bare: CPU ms", "under rasp run", "added (quartiles)", "limit"]
    tables.heading("Start-up, milliseconds of CPU of all processes", markdown=markdown)
    tables.show(head, rows, markdown=markdown)
    return missed


def imports(*, markdown: bool) -> list[str]:
    """Prints what only rasp imports; libraries come back as misses."""
    missed = []
    for title, code in PROGRAMS.items():
        progress(f"{title}: modules")
        only = {
            name for name in modules(code, *UNDER) - modules(code) if not name.startswith(("rasp", "sitecustomize"))
        }
        first = {name.partition(".")[0] for name in only}
        libraries = sorted(n for n in first - set(sys.stdlib_module_names) if not n.startswith("_sysconfigdata"))
        if libraries:
            missed.append(f"{title}: rasp imports {', '.join(libraries)}")
        standard = sorted(only - set(libraries))
        print(
            f"{title}: {len(standard)} modules of the standard library that only rasp imports, {len(libraries)} others"
        )
        print(f"  {', '.join(standard)}\n" if standard else "")
        times = slowest(code, only | {name for name in modules(code, *UNDER) if name.startswith("rasp")})
        tables.heading(f"{title}: the slowest imports of the watched process, of {len(times)}", markdown=markdown)
        rows = [[name, f"{took:.1f}"] for name, took in times[:12]]
        rows.append(["all together", f"{sum(took for _, took in times):.1f}"])
        tables.show(["module", "ms by itself"], rows, markdown=markdown)
    return missed


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"exit status: 0 at most {LIMIT:g} ms more and no library imported, 1 a limit was missed, "
        "2 a program did not run",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="default: 15")
    parser.add_argument("--core", type=int, default=default_core(), metavar="N", help="default: the last")
    parser.add_argument("--markdown", action="store_true", help="tables to paste into docs/performance.md")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.core})
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)  # no file configures rasp here, which would have to be read first
            missed = costs(options.rounds, markdown=options.markdown) + imports(markdown=options.markdown)
    except ProgramError as error:
        print(f"startup: {error}", file=sys.stderr)
        return 2
    for line in missed:
        print(f"MISSED {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
