"""Settings: one table, read from four places, validated at start.

Precedence: command line, ``RASP_*`` variables, ``rasp.toml``, ``[tool.rasp]`` in ``pyproject.toml``, default. The two
files are looked for in the working directory and then upwards; the folder of the first one found is the project root.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from rasp.accepted import RULE_MODES
from rasp.declarations import CredentialSource, NativeDeclaration
from rasp.errors import ConfigError
from rasp.model import Mode
from rasp.settings import SETTINGS, Setting

COMMAND_LINE_MARK = "_RASP_FROM_COMMAND_LINE"
"""Internal variable: which ``RASP_*`` variables ``rasp run`` set from its options, comma separated."""

RUN_KEY = "_RASP_RUN_KEY"
"""Internal variable: hex of the fingerprint key that a ``rasp run`` shares with its children."""

RUN_FOLDER = "_RASP_RUN_FOLDER"
"""Internal variable: the folder in which the processes of a ``rasp run`` say that they started and what they found."""

INTERNAL = frozenset({"RASP_BOOTSTRAP"})


@dataclass(frozen=True)
class Config:
    """What is in force. Fields bear the settings' names; ``origins`` says where each value came from."""

    mode: Mode = Mode.OBSERVE
    rules: Mapping[str, Mode] = field(default_factory=dict)
    findings: str | None = None
    events: str | None = None
    baseline: str | None = None
    report: bool = True
    structlog: bool = False
    otel: bool = True
    fingerprint_key: str | None = field(default=None, repr=False)
    grace: float = 60.0
    live_values: int = 10_000
    overhead_budget: float = 0.0
    sample: float = 1.0
    app_packages: tuple[str, ...] = ()
    project_root: str = ""
    headers: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    public_prefixes: tuple[str, ...] = ("pk_",)
    allowed_hosts: tuple[str, ...] = ()
    llm_hosts: tuple[str, ...] = ()
    verified_upstream: bool = False
    token_lifetime: float = 2_592_000.0
    replay_methods: tuple[str, ...] = ("POST", "PUT", "PATCH", "DELETE")
    block_native_double_release: bool = True
    quarantine: int = 1_000
    streams: tuple[str, ...] = ()
    deep: bool = False
    disabled: tuple[str, ...] = ()
    credential: tuple[CredentialSource, ...] = ()
    native: tuple[NativeDeclaration, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    def mode_of(self, rule: str) -> Mode:
        """The mode that applies to a rule's findings."""
        if self.mode is Mode.OFF:
            return Mode.OFF
        return self.rules.get(rule, self.mode)

    @property
    def raises(self) -> bool:
        """Whether any rule's findings are raised."""
        return Mode.STRICT in (self.mode, *self.rules.values())

    @property
    def root(self) -> Path:
        """The absolute project root."""
        return Path(self.project_root)

    def described(self) -> dict[str, tuple[str, str]]:
        """``{setting: (value as text, origin)}`` for ``rasp config``; secrets are hidden."""
        shown = {}
        for item in fields(self):
            if item.name == "origins":
                continue
            value = getattr(self, item.name)
            text = "(hidden)" if item.name == "fingerprint_key" and value else render(value)
            shown[item.name] = (text, self.origins.get(item.name, "default"))
        return shown


def render(value: object) -> str:
    """A setting's value as a person would write it."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={render(entry)}" for key, entry in value.items()) or "none"
    if isinstance(value, tuple):
        return ", ".join(str(entry) for entry in value) or "none"
    return str(value)


def load(
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Config:
    """Reads and validates all settings.

    Args:
        overrides: values given in code or by a command line option; they win over everything.
        environ: environment variables, by default the process's.
        directory: where the search for files begins, by default the working directory.

    Raises:
        ConfigError: a setting is unknown, of the wrong type or out of range, or a file cannot be read.
    """
    environ = os.environ if environ is None else environ
    start = working_directory() if directory is None else directory
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}

    def take(found: Mapping[str, Any], origin: str) -> None:
        for name, value in found.items():
            values[name] = value
            origins[name] = origin

    root = start
    for folder in (start, *start.parents):
        found = _files_in(folder)
        if found:
            root = folder
            for origin, table in found:
                take(_from_table(table, origin), origin)
            break
    marked = set(filter(None, environ.get(COMMAND_LINE_MARK, "").split(",")))
    for name, value in _from_environ(environ).items():
        take({name: value}, "command line" if _variable(name) in marked else f"environment {_variable(name)}")
    take(_checked(overrides or {}, "argument"), "argument")
    if "project_root" in values:
        values["project_root"] = str((root / values["project_root"]).resolve())
    else:
        values["project_root"] = str(root.resolve())
        origins["project_root"] = "the folder of the configuration" if root != start else "the working directory"
    return Config(**values, origins=origins)


def working_directory() -> Path:
    """The working directory, or the root folder where it has been removed."""
    try:
        return Path.cwd()
    except OSError:
        return Path("/")


def _variable(name: str) -> str:
    return "RASP_" + name.upper()


def _files_in(folder: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """The tables of a folder's two files, the weaker first; raises ConfigError for one that cannot be read."""
    tables: list[tuple[str, Mapping[str, Any]]] = []
    project = _read(folder / "pyproject.toml")
    if project is not None:
        tool = project.get("tool")
        table = tool.get("rasp") if isinstance(tool, dict) else None
        if table is not None:
            if not isinstance(table, dict):
                raise ConfigError(f"{folder / 'pyproject.toml'}: tool.rasp must be a table")
            tables.append((f"{folder / 'pyproject.toml'} [tool.rasp]", table))
    own = _read(folder / "rasp.toml")
    if own is not None:
        tables.append((str(folder / "rasp.toml"), own))
    return tables


def _read(path: Path) -> dict[str, Any] | None:
    """A TOML file's content, ``None`` if there is no such file."""
    if not path.exists():
        return None
    import tomllib

    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except tomllib.TOMLDecodeError as error:
        if path.name == "pyproject.toml":
            return None  # not ours alone: its own tools will say so
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        if path.name == "pyproject.toml":
            return None
        raise ConfigError(f"{path} cannot be read: {type(error).__name__}: {error}") from None


def _from_table(table: Mapping[str, Any], origin: str) -> dict[str, Any]:
    return _checked(table, origin)


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    known = {_variable(setting.name): setting for setting in SETTINGS.values() if setting.from_text is not None}
    for variable, text in environ.items():
        if not variable.startswith("RASP_") or variable in INTERNAL:
            continue
        setting = known.get(variable)
        if setting is None:
            raise ConfigError(
                f"environment variable {variable} is no setting of rasp; `rasp config` lists them"
                f"{_nearest(variable, known)}"
            )
        found[setting.name] = setting.read_text(text, f"environment variable {variable}")
    return found


def _checked(table: Mapping[str, Any], origin: str) -> dict[str, Any]:
    found = {}
    for name, value in table.items():
        setting = SETTINGS.get(name)
        if setting is None:
            raise ConfigError(f"{origin}: unknown setting {name!r}{_nearest(name, SETTINGS)}")
        found[name] = setting.check(value, origin)
    return found


def _nearest(name: str, known: Mapping[str, Setting]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(sorted(known))}"


__all__ = ["COMMAND_LINE_MARK", "RULE_MODES", "RUN_FOLDER", "RUN_KEY", "Config", "load"]
