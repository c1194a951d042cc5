"""What a call of a C function through ctypes costs with rasp, as ratios to the same call without it.

Both are measured in one process, in turns: rasp is installed and uninstalled for each round, and the smallest time
of all rounds counts, of one thread's CPU time. Needs gcc.
"""

from __future__ import annotations

import argparse
import ctypes
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import tables
from rounds import progress

import rasp

SOURCE = """
#include <stdlib.h>
int plain(int number) { return number + 1; }
int other(int number) { return number + 1; }
void *open_key(const char *secret) { return secret ? malloc(64) : NULL; }
int use_key(void *handle, const char *candidate) { return handle != NULL && candidate != NULL; }
void free_key(void *handle) { free(handle); }
"""
SETTINGS = {
    "report": False,
    "otel": False,
    "native": [{"library": "libkey", "acquire": ["open_key"], "use": ["use_key"], "release": ["free_key"]}],
}
TURNS = 20_000


def load(folder: pathlib.Path) -> ctypes.CDLL:
    """Builds and loads the library, with its types set."""
    (folder / "key.c").write_text(SOURCE)
    built = folder / "libkey.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(built), str(folder / "key.c")], check=True)
    library = ctypes.CDLL(str(built))
    library.plain.argtypes = [ctypes.c_int]
    library.open_key.argtypes, library.open_key.restype = [ctypes.c_char_p], ctypes.c_void_p
    library.use_key.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.free_key.argtypes, library.free_key.restype = [ctypes.c_void_p], None
    return library


def works(library: ctypes.CDLL) -> dict[str, Callable[[], None]]:
    """What is measured: each does its calls ``TURNS`` times."""
    prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(("other", library))

    def unconfigured() -> None:
        call = library.plain
        for number in range(TURNS):
            call(number)

    def by_prototype() -> None:
        call = prototype
        for number in range(TURNS):
            call(number)

    def use() -> None:
        handle = library.open_key(b"made up")
        call = library.use_key
        for _ in range(TURNS):
            call(handle, b"made up")
        library.free_key(handle)

    def cycle() -> None:
        acquire, release = library.open_key, library.free_key
        for _ in range(TURNS):
            release(acquire(b"made up"))

    return {
        "unconfigured function": unconfigured,
        "unconfigured, by prototype": by_prototype,
        "configured use": use,
        "acquire and release": cycle,
    }


def nanoseconds(work: Callable[[], None]) -> float:
    """CPU time of one turn."""
    before = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - before) / TURNS


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="exit status: 0 it was measured (the contract sets no limits here), 2 there is no gcc",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="default: 7")
    parser.add_argument("--markdown", action="store_true", help="a table to paste into docs/performance.md")
    options = parser.parse_args()
    if shutil.which("gcc") is None:
        print("native_boundary: gcc was not found", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        measured = works(load(pathlib.Path(folder)))
    best: dict[tuple[str, bool], float] = {}
    for number in range(options.rounds):
        progress(f"round {number + 1}/{options.rounds}")
        for installed in (False, True):
            if installed:
                rasp.install(SETTINGS)
            for name, work in measured.items():
                took = nanoseconds(work)
                best[name, installed] = min(took, best.get((name, installed), took))
            if installed:
                rasp.uninstall()
    rows = [
        [name, f"{without:.0f}", f"{inside:.0f}", f"{inside / without:.2f}"]
        for name in measured
        for without, inside in [(best[name, False], best[name, True])]
    ]
    heading = f"Calls through ctypes, CPython {platform.python_version()}, best of {options.rounds} x {TURNS:,}"
    tables.heading(heading, markdown=options.markdown)
    tables.show(["call", "ns without", "ns with rasp", "ratio"], rows, markdown=options.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
