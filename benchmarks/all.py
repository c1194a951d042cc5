"""Runs every benchmark and prints its tables, or puts them into docs/performance.md.

There each table stands between `<!-- NAME -->` and `<!-- /NAME -->`; with --write what is between them is replaced. The
full run takes about an hour and wants a machine with nothing else to do; --quick takes some ten minutes and shows that
everything works.
"""

from __future__ import annotations

import argparse
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from environments import REPOSITORY

PAGE = REPOSITORY / "docs" / "performance.md"
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Program:
    """One benchmark: the name of its place, what is run, and the options of a quick run."""

    name: str
    command: tuple[str, ...]
    quick: tuple[str, ...] = ("--rounds", "2")


PROGRAMS = (
    Program("hot_path", ("hot_path.py",), ()),
    Program("instructions", ("instructions.py",), ("hello",)),
    Program("compare", ("compare.py",), ("--rounds", "3", "--requests", "200", "--starts", "2")),
    Program("gunicorn", ("compare.py", "--gunicorn"), ("--rounds", "2", "--seconds", "1")),
    Program("contention", ("contention.py",), ("--rounds", "2", "--requests", "100", "--seconds", "1")),
    Program("scanning", ("scanning.py",), ("--rounds", "1", "--most", "10000")),
    Program("finding", ("finding.py",), ("--statements", "20", "--repeats", "2")),
    Program("memory", ("memory.py",), ("--steady", "10000", "--requests", "10000")),
    Program("streams", ("streams.py",)),
    Program("large", ("large.py",), ("--rounds", "1")),
    Program("startup", ("startup.py",)),
    Program("suite", ("suite.py",), ("--rounds", "1", "--tests", "200")),
    Program("native", ("native_boundary.py",)),
)


def tables_of(program: Program, options: argparse.Namespace) -> tuple[str, int]:
    """What a benchmark prints, and its exit status; its progress goes to standard error."""
    command = [*program.command, "--markdown", *(program.quick if options.quick else ())]
    if program.command[0] == "compare.py":
        command += [word for version in options.python for word in ("--python", version)]
    print(f"--- {' '.join(command)}", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, str(HERE / command[0]), *command[1:]], stdout=subprocess.PIPE, text=True, check=False
    )
    text = done.stdout.strip() if done.returncode < 2 else f"It could not be measured (status {done.returncode})."
    return re.sub(r"^MISSED ", "- missed: ", text, flags=re.MULTILINE), done.returncode


def put(page: str, name: str, text: str) -> str:
    """The page with another text in one of its places.

    Raises:
        KeyError: it has no such place.
    """
    found = re.subn(
        rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda m: f"{m[1]}\n{text}\n\n{m[2]}", page, flags=re.S
    )
    if found[1] != 1:
        raise KeyError(name)
    return found[0]


def main() -> int:
    """The program."""
    names = [program.name for program in PROGRAMS]
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="exit status: 0 every limit of the contract held, 1 one was missed, 2 something could not be measured",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="few rounds: shows that it works, not what it costs")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(REPOSITORY)}")
    parser.add_argument("--python", action="append", default=[], metavar="V", help="for the comparison; repeatable")
    options = parser.parse_args()
    unknown = set(options.names) - set(names)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    worst = 0
    for program in PROGRAMS:
        if options.names and program.name not in options.names:
            continue
        text, status = tables_of(program, options)
        worst = max(worst, 2 if status > 1 else status)
        if options.write:
            PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), program.name, text), encoding="utf-8")
        else:
            print(f"## {program.name}, Python {platform.python_version()}\n\n{text}\n", flush=True)
    return worst


if __name__ == "__main__":
    sys.exit(main())
