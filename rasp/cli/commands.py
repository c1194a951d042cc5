"""The table of subcommands."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TypeAlias

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What a subcommand's ``add`` takes."""

COMMANDS: Mapping[str, str] = {
    "run": "start a Python command with rasp switched on in every process below it",
    "demo": "run the demo app over real HTTP, drive it and print the findings",
    "report": "turn findings files into one report",
    "rules": "list the rules",
    "explain": "explain a rule and how to fix what it finds",
    "doctor": "show what is instrumented, and what cannot be reached",
    "config": "show the settings in force, and where each value came from",
}
"""Name and one line of help; the name is also the module's in this folder."""
