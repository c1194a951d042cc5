"""``rasp config``: the settings in force, and where each value came from."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from rasp.cli.commands import COMMANDS
from rasp.cli.terminal import colours, is_terminal, paint, table
from rasp.config import load

if TYPE_CHECKING:
    from rasp.cli.commands import Subparsers

EPILOG = """\
A value comes from the first of these that has it: an option of `rasp run`, a RASP_* variable, rasp.toml,
[tool.rasp] in pyproject.toml, the default. The files are looked for here and then upwards.

examples:
  rasp config
  rasp run --mode strict -- rasp config     as a command under `rasp run` sees it
"""


def add(subparsers: Subparsers) -> None:
    """Adds ``config`` to the command line."""
    parser = subparsers.add_parser(
        "config",
        help=COMMANDS["config"],
        description="Shows each setting, its value and where it came from. Secrets are hidden.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")


def run(args: argparse.Namespace) -> int:
    """Prints the settings."""
    described = load().described()
    if args.format == "json":
        settings = [{"setting": name, "value": value, "origin": origin} for name, (value, origin) in described.items()]
        print(json.dumps(settings, indent=2))
        return 0
    rows = [(name, origin, value) for name, (value, origin) in described.items()]
    text = table(("setting", "from", "value"), rows, wrap=is_terminal())
    head, _, rest = text.partition("\n")
    print(paint(head, "bold", colours()), rest, sep="\n")
    return 0
