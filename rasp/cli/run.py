"""``rasp run``: starts a command with rasp switched on in every Python process below it."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from rasp.cli.commands import COMMANDS
from rasp.cli.environment import RUN_FOLDER, with_bootstrap, with_options
from rasp.cli.run_folder import SEVERITIES, any_mark, found, hand_on, run_folder
from rasp.cli.supervise import signals_held, supervise
from rasp.cli.validation import checked_path, may_be_configured, mode_in_force
from rasp.errors import ConfigError

if TYPE_CHECKING:
    from rasp.cli.commands import Subparsers

MODES = ("off", "observe", "protect", "strict")
"""The words of ``rasp.model.Mode``, whose import would cost too much here."""

NOT_EXECUTABLE = 126
NOT_FOUND = 127

DESCRIPTION = """\
Starts any Python command with everything switched on, without touching its code: rasp is installed in every
Python process below, reloaders and workers included. Signals are handed on; the exit status is the command's
own.
"""

EPILOG = """\
examples:
  rasp run -- gunicorn -w 4 --preload app:app
  rasp run --findings found.jsonl -- flask --app shop run --debug
  rasp run --mode strict --fail-on warning -- python -m pytest

exit status:
  the command's own, where it is not 0; 128+n if signal n ended it
  1    with --fail-on: a finding reached the severity, or no process was watched
  2    wrong usage or configuration; the command was not started
  126  the command cannot be executed
  127  the command was not found
"""

UNWATCHED = """\
rasp: no process reported that it started under rasp, so nothing was watched. Either
  - the command is not Python, or ended before Python was up;
  - its Python ignores PYTHONPATH: `python -I`, `-E`, `-S` (also in a script's first line), a frozen program;
  - something between cleared the environment: `env -i`, `sudo`, a service manager.
"""

UNLOADABLE = "rasp: it could not be loaded in any process (see above), so nothing was watched.\n"


def add(subparsers: Subparsers) -> None:
    """Adds ``run`` to the command line."""
    parser = subparsers.add_parser(
        "run",
        help=COMMANDS["run"],
        usage="rasp run [options] -- COMMAND...",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--mode", choices=MODES, help="what happens on a finding")
    parser.add_argument("--findings", metavar="FILE", help="append findings to FILE, one JSON object a line")
    parser.add_argument("--events", metavar="FILE", help="append the record of every request to FILE")
    parser.add_argument("--baseline", metavar="FILE", help="findings file whose findings are known: not reported")
    parser.add_argument(
        "--fail-on",
        choices=SEVERITIES[::-1],
        help="exit 1 when a finding is at least that severe",
    )


def run(args: argparse.Namespace) -> int:
    """Runs the command and returns the status to exit with."""
    command: list[str] | None = args.command_line
    if not command:
        print("rasp run: write the command after `--`, as in: rasp run -- python app.py", file=sys.stderr)
        return 2
    options = _options(args)
    environ = with_options(os.environ, options)
    mode, origin = mode_in_force(environ, options)
    if mode == "off":
        if args.fail_on:
            raise ConfigError(f"--fail-on: nothing is watched in mode off ({origin})")
        return _run_unwatched(command, environ)
    with signals_held() as mask, run_folder() as folder:
        try:
            # Whoever wants to fail on findings wants to know that rasp could be loaded.
            may_wait = not args.fail_on and not may_be_configured(os.environ, {})
            status = supervise(command, with_bootstrap(environ, folder, may_wait=may_wait), mask)
        except OSError as error:
            return _refuse(command[0], error)
        return _judge(status, folder, args.fail_on)


def _options(args: argparse.Namespace) -> dict[str, str]:
    """The settings given as options."""
    options: dict[str, str] = {"mode": args.mode} if args.mode else {}
    for name in ("findings", "events", "baseline"):
        given = getattr(args, name)
        if given is not None:
            options[name] = checked_path(name, given)
    return options


def _run_unwatched(command: list[str], environ: dict[str, str]) -> int:
    """Mode ``off``: only supervises the command."""
    with signals_held() as mask:
        try:
            return supervise(command, environ, mask)
        except OSError as error:
            return _refuse(command[0], error)


def _refuse(name: str, error: OSError) -> int:
    """Says why a command could not be started, and returns the status that a shell would."""
    if not isinstance(error, FileNotFoundError):
        print(f"rasp run: {name}: {error.strerror}", file=sys.stderr)
        return NOT_EXECUTABLE
    if os.sep in name and os.path.exists(name):
        print(f"rasp run: {name}: the interpreter in its first line was not found", file=sys.stderr)
        return NOT_EXECUTABLE
    beside = os.path.join(os.path.dirname(sys.executable), name)
    hint = f"; did you mean {beside}?" if os.sep not in name and os.path.exists(beside) else ""
    print(f"rasp run: {name}: command not found{hint}", file=sys.stderr)
    return NOT_FOUND


def _judge(status: int, folder: str, limit: str | None) -> int:
    """The status to exit with, given the command's own and what its processes reported."""
    counts = found(folder)
    outer = os.environ.get(RUN_FOLDER)
    if outer:
        hand_on(counts, outer)
    if not any_mark(folder, "started"):
        sys.stderr.write(UNLOADABLE if any_mark(folder, "failed") else UNWATCHED)
        return status or (1 if limit else 0)
    if limit is None:
        return status
    reached = [word for word in reversed(SEVERITIES[SEVERITIES.index(limit) :]) if counts[word]]
    if not reached:
        return status
    words = ", ".join(f"{counts[word]} {word}" for word in reached)
    print(f"rasp run: findings at or above --fail-on {limit}: {words}", file=sys.stderr)
    return status or 1
