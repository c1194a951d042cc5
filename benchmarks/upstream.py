"""Runs the test suites of other projects with and without rasp, and compares how every test ended.

Each suite comes from its project's released source distribution and runs in a virtual environment of its own. rasp is
not installed there but copied in, so that the plain run knows nothing of it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from environments import PATIENCE, REPOSITORY, Environments, SetupError, cache_folder
from rounds import environment
from upstream_suites import SUITES, Suite

LOST = 2
"""How often a difference must show before it counts: some suites have tests that fail now and then by themselves."""


@dataclass(frozen=True)
class Run:
    """How one run of a suite ended; ``contained`` are the failures inside rasp that its guard kept from the app."""

    outcomes: dict[str, str]
    warnings: list[str]
    contained: dict[str, int]
    seconds: float
    status: int

    def count(self, outcome: str) -> int:
        """How many tests ended so."""
        return sum(1 for found in self.outcomes.values() if found == outcome)

    def counts(self) -> str:
        """Passed/failed/skipped/warnings."""
        return f"{self.count('passed')}/{self.count('failed')}/{self.count('skipped')}/{len(self.warnings)}"


class Bench:
    """Where suites, environments and logs are kept, and which interpreter runs them."""

    def __init__(self, cache: Path, python: str, mode: str) -> None:
        self.cache = cache
        self.mode = mode
        self._environments = Environments(cache, python)
        self.tag = self._environments.tag
        for folder in ("sdists", "sources", "logs", "records"):
            (cache / folder).mkdir(parents=True, exist_ok=True)
        self.rasp = self._copy("rasp", REPOSITORY / "rasp")
        shutil.copy(Path(__file__).with_name("recorded_plugin.py"), self._fresh("plugin") / "recorded_plugin.py")

    def _fresh(self, name: str) -> Path:
        folder = self.cache / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def _copy(self, name: str, source: Path) -> Path:
        folder = self._fresh(f"copy-{name}")
        shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        return folder

    def source(self, suite: Suite) -> Path:
        """The unpacked source distribution, anew: runs leave files behind."""
        archives = self.cache / "sdists" / suite.name
        if not archives.exists():
            partial = self._fresh(f"sdists/{suite.name}.partial")
            pinned = f"{suite.name}=={suite.version}"
            asked = ["--no-deps", "--no-binary", suite.name, "-d", str(partial), pinned]
            self._environments.pip(self._environments.python, "download", *asked)
            partial.rename(archives)
        folder = self._fresh(f"sources/{suite.name}")
        with tarfile.open(next(archives.iterdir())) as archive:
            archive.extractall(folder, filter="data")
        return next(folder.iterdir())

    def environment(self, suite: Suite) -> Path:
        """The interpreter of a virtual environment with the project, what its tests need and what rasp needs."""
        with (REPOSITORY / "pyproject.toml").open("rb") as file:
            own = tomllib.load(file)["project"]["dependencies"]
        return self._environments.make(suite.name, [suite.requirement, *suite.needs, *own])

    def run(self, suite: Suite, python: Path, mode: str | None) -> Run:
        """Runs a suite once, with rasp in a mode or without."""
        name = f"{suite.name}-{self.tag}-{mode or 'plain'}"
        record = self.cache / "records" / f"{name}.json"
        record.unlink(missing_ok=True)
        paths = [str(self.cache / "plugin")] + ([str(self.rasp)] if mode else [])
        plugin = ["-p", "rasp.pytest_plugin", f"--rasp={mode}"] if mode else []
        command = [str(python), "-m", "pytest", "-q", "-p", "recorded_plugin", *plugin]
        folder = self.source(suite)
        begun = time.monotonic()
        with (self.cache / "logs" / f"{name}.txt").open("w", encoding="utf-8") as log:
            done = subprocess.run(
                [*command, *suite.arguments, *suite.tests],
                cwd=folder,
                env=environment() | {"PYTHONPATH": os.pathsep.join(paths), "UPSTREAM_RECORD": str(record)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE,
                check=False,
            )
        if not record.exists():
            raise SetupError(f"pytest ended with status {done.returncode} and no record; see {log.name}")
        found = json.loads(record.read_text(encoding="utf-8"))
        return Run(found["outcomes"], found["warnings"], found["contained"], time.monotonic() - begun, done.returncode)


@dataclass(frozen=True)
class Compared:
    """A suite without and with rasp."""

    suite: Suite
    plain: Run
    followed: Run

    def differences(self) -> Iterator[str]:
        """Each way in which rasp made the suite worse, one line each."""
        before, after = self.plain.outcomes, self.followed.outcomes
        for test in sorted({*before, *after}):
            was, now = before.get(test, "not run"), after.get(test, "not run")
            if was != now:
                yield f"{test}: {was} -> {now}"
        more = Counter(self.followed.warnings) - Counter(self.plain.warnings)
        for warning, count in sorted(more.items()):
            yield f"{warning}: {count} more"
        for hook, count in sorted(self.followed.contained.items()):
            yield f"inside rasp {hook} failed: {count} times"
        if self.plain.status != self.followed.status:
            yield f"pytest's exit status: {self.plain.status} -> {self.followed.status}"


def compare(bench: Bench, suite: Suite) -> tuple[Compared, list[str]]:
    """Runs a suite both ways, again where it differs; what differs each time is what rasp did."""
    python = bench.environment(suite)
    lasting: set[str] | None = None
    for _ in range(LOST):
        compared = Compared(suite, bench.run(suite, python, None), bench.run(suite, python, bench.mode))
        found = set(compared.differences())
        lasting = found if lasting is None else lasting & found
        if not lasting:
            break
    return compared, sorted(lasting or ())


def _arguments() -> argparse.Namespace:
    default = cache_folder("rasp-upstream")
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Exits 0 only if no test ended differently and no suite gave more warnings.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help=f"default: all of {', '.join(s.name for s in SUITES)}"
    )
    parser.add_argument("--python", default=sys.executable, help="the interpreter to test with (default: this one)")
    parser.add_argument("--mode", choices=("off", "observe", "strict"), default="observe", help="default: observe")
    parser.add_argument(
        "--cache", type=Path, default=default, metavar="DIR", help=f"downloads, environments, logs (default: {default})"
    )
    arguments = parser.parse_args()
    unknown = set(arguments.suites) - {suite.name for suite in SUITES}
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    return arguments


def main() -> int:
    """The program."""
    arguments = _arguments()
    chosen = [suite for suite in SUITES if suite.name in arguments.suites or not arguments.suites]
    worse = 0
    rows = []
    try:
        bench = Bench(arguments.cache.resolve(), arguments.python, arguments.mode)
        for number, suite in enumerate(chosen, 1):
            print(f"[{number}/{len(chosen)}] {suite.name} {suite.version} ...", end=" ", file=sys.stderr, flush=True)
            if suite.without_tests:
                print(f"left out: {suite.without_tests}", file=sys.stderr)
                continue
            compared, lasting = compare(bench, suite)
            print("worse" if lasting else "same", file=sys.stderr, flush=True)
            for line in lasting:
                print(f"{suite.name}: {line}")
            worse += bool(lasting)
            rows.append(_row(compared, lasting))
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    print(f"\nPython {bench.tag}, --rasp={bench.mode}; passed/failed/skipped/warnings; logs in {bench.cache / 'logs'}")
    print(f"{'suite':24} {'plain':>18} {'with rasp':>18} {'time':>7}")
    print("\n".join(rows))
    return 1 if worse else 0


def _row(compared: Compared, lasting: Sequence[str]) -> str:
    plain, followed = compared.plain, compared.followed
    ratio = followed.seconds / plain.seconds if plain.seconds else 1.0
    verdict = f"  {len(lasting)} different" if lasting else ""
    name = f"{compared.suite.name} {compared.suite.version}"
    return f"{name:24} {plain.counts():>18} {followed.counts():>18} {ratio:6.2f}x{verdict}"


if __name__ == "__main__":
    sys.exit(main())
