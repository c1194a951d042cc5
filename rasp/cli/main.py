"""The ``rasp`` command: finds the subcommand, loads its module and no other, and runs it.

A subcommand is one module of this folder, named like the command, with ``add(subparsers)``, which adds its
parser under that name, and ``run(args) -> int``, which returns the exit status; it gets one row in
``COMMANDS``.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from rasp.cli.commands import COMMANDS, Subparsers
from rasp.errors import RaspError

USAGE_ERROR = 2
INTERRUPTED = 130
BROKEN_PIPE = 141

EPILOG = """\
examples:
  rasp run -- gunicorn -w 4 app:app            watch a server, no code change
  rasp run --findings found.jsonl -- pytest    watch a test run, keep what was found
  rasp run --mode strict --fail-on warning -- python app.py
                                               raise at the defect; fail the build
  rasp report found.jsonl --format markdown    a report of what was kept
  rasp explain double-release                  what a finding means and how to fix it

exit status:
  0    done; for `rasp run`, the command's own
  1    `rasp run --fail-on`: a finding reached the severity, or nothing was watched
  2    wrong usage, configuration or input
  126, 127, 128+n
       `rasp run`: not executable, not found, ended by signal n
  130  interrupted; 141: the reader of the output went away
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line (by default the process's) and returns its exit status."""
    try:
        status = _run(list(sys.argv[1:] if argv is None else argv))
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except RaspError as error:
        print(f"rasp: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes standard output once more as it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE


def _run(argv: list[str]) -> int:
    name = next((word for word in argv if not word.startswith("-")), None)
    arguments, command = _split(argv) if name == "run" else (argv, None)
    parser, subparsers = _parser()
    module = None
    for known, summary in COMMANDS.items():
        if known == name:
            module = importlib.import_module(f"rasp.cli.{known}")
            module.add(subparsers)
        else:
            subparsers.add_parser(known, help=summary)
    try:
        args = parser.parse_args(arguments)
    except SystemExit as end:  # argparse's way to say that it has answered or complained
        return end.code if isinstance(end.code, int) else USAGE_ERROR
    if module is None:
        parser.print_help(sys.stderr)
        return USAGE_ERROR
    args.command_line = command
    status: int = module.run(args)
    return status


def _split(argv: list[str]) -> tuple[list[str], list[str] | None]:
    """What is ours, and the command after the first ``--`` (``None`` if there is no such mark)."""
    if "--" not in argv:
        return argv, None
    mark = argv.index("--")
    return argv[:mark], argv[mark + 1 :]


def _parser() -> tuple[argparse.ArgumentParser, Subparsers]:
    parser = argparse.ArgumentParser(
        prog="rasp",
        description="Follows every API key and token through a running Flask/WSGI app and says where it is"
        " released twice, leaks, or is shared by two requests.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", prog="rasp")
    return parser, subparsers


class _Version(argparse.Action):
    """``--version``, which reads the version only when it is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show rasp's version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from rasp.cli.version import version

        print(f"rasp {version()}")
        parser.exit()
