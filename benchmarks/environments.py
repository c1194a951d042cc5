"""Virtual environments in a cache folder, made once for each set of what they hold; rasp comes from this checkout."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rounds import environment

REPOSITORY = Path(__file__).resolve().parent.parent
PARTS = ("rasp", "demo", "pyproject.toml", "README.md", "LICENSE")
"""What `pip install .` reads."""
PATIENCE = 900


class SetupError(Exception):
    """Something that is to be measured could not be set up; the text says why, in the last words of what failed."""


def output(command: Sequence[str]) -> str:
    """What a command prints.

    Raises:
        SetupError: it ended with another status than 0, or was not found.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"{command[0]}: {error}") from None
    if done.returncode:
        errors = [line for line in done.stderr.strip().splitlines() if not line.startswith("WARNING")]
        name = " ".join([Path(command[0]).name, *command[1:3]])
        raise SetupError(f"{name} ... ended with status {done.returncode}: {' | '.join(errors[-2:])}")
    return done.stdout


def cache_folder(name: str) -> Path:
    """The default place of what a program keeps from run to run."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / name


def interpreter(wanted: str) -> str:
    """The program of a Python named by its version, as in ``3.13``, or by its path.

    Raises:
        SetupError: there is none.
    """
    names = [wanted] if os.sep in wanted else [f"python{wanted}"]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    names += [str(folder / "bin" / "python") for folder in sorted(pyenv.glob(f"{wanted}.*"), reverse=True)]
    for name in names:
        try:
            return output([name, "-c", "import sys; print(sys.executable)"]).strip()
        except SetupError:
            continue  # among them the stand-ins that pyenv puts on PATH for what is not switched on
    raise SetupError(f"Python {wanted} was not found: neither on PATH nor among pyenv's versions")


def tag_of(python: str) -> str:
    """Its version, as in ``3.11``."""
    return output([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip()


class Environments:
    """The environments of one interpreter."""

    def __init__(self, cache: Path, python: str, constraints: Path | None = None) -> None:
        self.python = python
        self.tag = tag_of(python)
        self._folder = cache / "venvs"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._constraints = constraints

    def make(self, name: str, wanted: Sequence[str]) -> Path:
        """The interpreter of an environment that holds what is wanted; made anew where that has changed.

        Raises:
            SetupError: something could not be installed.
        """
        limits = self._constraints.read_text(encoding="utf-8") if self._constraints else ""
        stamp = hashlib.sha256("\n".join((*wanted, limits)).encode()).hexdigest()
        folder = self._folder / f"{name}-{self.tag}"
        python, done = folder / "bin" / "python", folder / "wanted"
        if not done.exists() or done.read_text() != stamp:
            shutil.rmtree(folder, ignore_errors=True)
            output([self.python, "-m", "venv", str(folder)])
            if wanted:
                self.pip(python, "install", *wanted)
            done.write_text(stamp)
        return python

    def add_rasp(self, python: Path) -> None:
        """Installs rasp as this checkout has it now, unless it is there already.

        From a copy: building in place leaves files in the checkout, and takes in those of an earlier build.
        """
        stamp, done = source_stamp(), python.parent.parent / "rasp"
        if done.exists() and done.read_text() == stamp:
            return
        with tempfile.TemporaryDirectory() as name:
            for part in PARTS:
                source, target = REPOSITORY / part, Path(name) / part
                if source.is_dir():
                    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(source, target)
            self.pip(python, "uninstall", "-y", "rasp")
            self.pip(python, "install", name)
        done.write_text(stamp)

    def pip(self, python: str | Path, command: str, *arguments: str) -> None:
        """Runs pip quietly, held to the constraints."""
        limits = ["-c", str(self._constraints)] if self._constraints and command == "install" else []
        output([str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", command, *limits, *arguments])


def source_stamp() -> str:
    """Changes with every file of the package."""
    files = [path for part in PARTS for path in [REPOSITORY / part, *sorted((REPOSITORY / part).rglob("*"))]]
    digest = hashlib.sha256()
    for path in files:
        if path.is_file() and path.suffix not in (".pyc", ".so"):
            digest.update(f"{path.relative_to(REPOSITORY)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()
