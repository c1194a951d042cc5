"""``rasp doctor``: which libraries are instrumented, at which versions, and what cannot be reached."""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from rasp.cli.commands import COMMANDS
from rasp.cli.cost import bounds, left_out, told
from rasp.cli.terminal import colours, paint, table
from rasp.cli.version import version
from rasp.config import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rasp.cli.commands import Subparsers
    from rasp.patching.status import InstrumentStatus

_STATES = {
    "installed": "green",
    "waiting": "green",
    "disabled": "dim",
    "unsupported": "yellow",
    "failed": "red",
}

EPILOG = """\
states:
  installed    in place
  waiting      will be put in place when the app imports the part of the library it concerns
  disabled     switched off by the configuration
  unsupported  the library is of a version the instrument is not made for
  failed       could not be put in place; the app runs as without it
"""


def add(subparsers: Subparsers) -> None:
    """Adds ``doctor`` to the command line."""
    parser = subparsers.add_parser(
        "doctor",
        help=COMMANDS["doctor"],
        description="Shows each instrument: its library, the version installed here, the versions it is made"
        " for, its state, and what of the library it cannot reach. Imports the libraries to see.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument(
        "--events",
        metavar="FILE",
        action="append",
        default=[],
        help="also says what the requests recorded in FILE miss: dropped, sampled out, or shed over budget",
    )


def run(args: argparse.Namespace) -> int:
    """Installs rasp in this process to see how it goes, and prints that."""
    from rasp import runtime

    config = load()
    missed = left_out(args.events) if args.events else None
    already = runtime.active()
    try:
        installed = runtime.install(config)
        import_libraries(status for status in installed.statuses() if status.state == "waiting" and status.version)
        statuses = installed.statuses()
    finally:
        if already is None:
            runtime.uninstall()
    if args.format == "json":
        cost = {"overhead_budget": config.overhead_budget, "sample": config.sample}
        records = {} if missed is None else {"records": asdict(missed)}
        print(json.dumps({**_as_json(statuses, config.mode), **cost, **records}, indent=2))
    else:
        lines = _as_text(statuses, config.mode)
        lines[2:2] = [*bounds(config), *([] if missed is None else [told(missed)])]
        print("\n".join(lines))
    return 0


def import_libraries(statuses: Iterable[InstrumentStatus]) -> None:
    """Imports what the instruments wait for: only then is it known whether they fit."""
    for module in dict.fromkeys(module for status in statuses for module in status.modules):
        try:
            importlib.import_module(module)
        except ModuleNotFoundError:
            pass  # an optional part of its library, or one that needs a library of its own
        except Exception as error:  # noqa: BLE001 - an app would meet it too; the other libraries are still told of
            print(f"rasp doctor: import {module}: {type(error).__name__}: {error}", file=sys.stderr)


def _as_json(statuses: Sequence[InstrumentStatus], mode: str) -> dict[str, object]:
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "rasp": version(),
        "mode": str(mode),
        "instruments": [
            {
                "instrument": status.instrument,
                "library": status.library,
                "version": status.version,
                "supported": status.supported,
                "state": status.state,
                "reason": status.reason,
                "unreachable": list(status.unreachable),
            }
            for status in statuses
        ],
    }


def _as_text(statuses: Sequence[InstrumentStatus], mode: str) -> list[str]:
    color = colours()
    lines = [
        f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}",
        f"rasp {version()}, mode {mode}",
        "",
    ]
    headers = ("instrument", "library", "version", "supported", "state", "reason")
    rows = [
        (
            status.instrument,
            status.library,
            status.version or "not installed",
            status.supported,
            status.state,
            status.reason,
        )
        for status in statuses
    ]
    head, *rest = table(headers, rows, wrap=False).splitlines()
    lines.append(paint(head, "bold", color))
    lines += [_painted(line, status.state, color) for line, status in zip(rest, statuses, strict=True)]
    blind = [status for status in statuses if status.unreachable]
    if blind:
        lines += ["", paint("cannot be reached", "bold", color)]
        lines += [f"  {status.instrument}: {what}" for status in blind for what in status.unreachable]
    return lines


def _painted(line: str, state: str, color: bool) -> str:
    return line.replace(state, paint(state, _STATES.get(state, "dim"), color), 1) if color else line
