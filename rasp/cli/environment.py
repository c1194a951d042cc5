"""The environment that makes rasp start in every Python process below ``rasp run``."""

from __future__ import annotations

import os
from collections.abc import Mapping

# As in rasp.config, whose import would cost as much as all the rest of `rasp run`; a test keeps them equal.
COMMAND_LINE_MARK = "_RASP_FROM_COMMAND_LINE"
RUN_KEY = "_RASP_RUN_KEY"
RUN_FOLDER = "_RASP_RUN_FOLDER"

BOOTSTRAP = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bootstrap")
"""The folder whose ``sitecustomize`` installs rasp."""


def with_options(environ: Mapping[str, str], options: Mapping[str, str]) -> dict[str, str]:
    """The environment with options of the command line as ``RASP_*`` variables, marked as such."""
    variables = {f"RASP_{name.upper()}": value for name, value in options.items()}
    marked = dict.fromkeys(filter(None, environ.get(COMMAND_LINE_MARK, "").split(",")))
    marked.update(dict.fromkeys(variables))
    found = {**environ, **variables}
    if marked:
        found[COMMAND_LINE_MARK] = ",".join(marked)
    return found


def with_bootstrap(environ: Mapping[str, str], folder: str, *, may_wait: bool) -> dict[str, str]:
    """The environment in which Python starts rasp; ``folder`` is where processes leave their marks.

    ``may_wait``: nothing is configured that would need rasp before the first import that concerns it.

    The fingerprint key of an outer ``rasp run`` is kept, so that one credential has one name in both.
    """
    return {
        **environ,
        "PYTHONPATH": python_path(environ.get("PYTHONPATH")),
        RUN_KEY: environ.get(RUN_KEY) or os.urandom(32).hex(),
        RUN_FOLDER: folder,
        **({"_RASP_MAY_WAIT": "1"} if may_wait else {}),
    }


def python_path(path: str | None) -> str:
    """``PYTHONPATH`` with our folder first and once, and no new empty entry, which would mean the cwd."""
    entries = [entry for entry in path.split(os.pathsep) if entry != BOOTSTRAP] if path else []
    return os.pathsep.join([BOOTSTRAP, *entries])
