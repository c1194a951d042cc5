"""What ``rasp run`` checks before it starts the command, so that a mistake is one message, not many."""

from __future__ import annotations

import os
from collections.abc import Mapping

from rasp.errors import ConfigError


def mode_in_force(environ: Mapping[str, str], options: Mapping[str, str]) -> tuple[str, str]:
    """The mode and where it comes from, after a check of every setting.

    Raises:
        ConfigError: a setting is wrong.
    """
    if not may_be_configured(environ, options):
        # Reading settings costs more than all the rest of `rasp run`; the options are checked already.
        return options.get("mode", "observe"), "command line"
    from rasp.config import load

    config = load(environ=environ)
    return config.mode.value, config.origins.get("mode", "default")


def may_be_configured(environ: Mapping[str, str], options: Mapping[str, str]) -> bool:
    """Whether a setting may come from elsewhere than our options: a variable, a file here or upwards."""
    ours = {f"RASP_{name.upper()}" for name in options}
    if any(name.startswith("RASP_") and name not in ours for name in environ):
        return True
    try:
        folder = os.getcwd()
    except OSError:
        return True
    while True:
        if os.path.lexists(os.path.join(folder, "rasp.toml")) or _names_rasp(folder):
            return True
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return False


def _names_rasp(folder: str) -> bool:
    try:
        with open(os.path.join(folder, "pyproject.toml"), "rb") as file:
            return b"rasp" in file.read()
    except OSError:
        return False


def checked_path(option: str, given: str) -> str:
    """The absolute path of a file given as an option: the command may change its working directory.

    Raises:
        ConfigError: it could not be used; the text says why.
    """
    path = os.path.abspath(given)
    problem = _unreadable(path) if option == "baseline" else _unwritable(path)
    if not given or problem:
        raise ConfigError(f"--{option} {given}: {problem if given else 'a path is missing'}")
    if option == "baseline":
        from rasp.reporters import aggregate

        aggregate.load([path])
    return path


def _unwritable(path: str) -> str | None:
    """Why no line could be appended to a file, if so."""
    folder = os.path.dirname(path)
    if os.path.islink(path):
        return "is a symbolic link, which rasp does not follow; give the file itself"
    if os.path.isdir(path):
        return "is a folder"
    if os.path.exists(path):
        return None if os.access(path, os.W_OK) else "is not writable"
    if not os.path.isdir(folder):
        return f"there is no folder {folder}"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"the folder {folder} is not writable"


def _unreadable(path: str) -> str | None:
    """Why a file cannot be read, if so."""
    if not os.path.isfile(path):
        return "there is no such file"
    return None if os.access(path, os.R_OK) else "is not readable"
