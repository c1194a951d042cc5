"""``rasp report``: turns findings files into one report."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from rasp.cli.commands import COMMANDS
from rasp.cli.terminal import colours
from rasp.errors import RaspError

if TYPE_CHECKING:
    from rasp.cli.commands import Subparsers

FORMATS = ("text", "json", "markdown")

EPILOG = """\
examples:
  rasp report found.jsonl
  rasp report worker-*.jsonl --format markdown --output report.md

exit status: 0, whatever the findings are; 2 if a file cannot be read or is no findings file
"""


def add(subparsers: Subparsers) -> None:
    """Adds ``report`` to the command line."""
    parser = subparsers.add_parser(
        "report",
        help=COMMANDS["report"],
        description="Turns the findings that --findings kept, of any number of runs, into one report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="findings or events, one JSON object a line")
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    parser.add_argument("--output", metavar="FILE", help="write to FILE instead of standard output")


def run(args: argparse.Namespace) -> int:
    """Writes the report."""
    from rasp.reporters import aggregate

    findings = aggregate.load(args.files)
    color = args.format == "text" and args.output is None and colours()
    text = aggregate.render(findings, args.format, color, aggregate.native_calls(args.files))
    if args.output is None:
        print(text, end="")
    else:
        _write(args.output, text)
    return 0


def _write(path: str, text: str) -> None:
    """Writes a file that only this user can read, unless it exists with other rights."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise RaspError(f"--output {path}: {error.strerror}") from None
