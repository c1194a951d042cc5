"""Counts what a warm request does inside rasp: figures that a busy machine cannot change.

The requests are those of ``compare.py``, served in this process, first without rasp, then with it. Counted are:

    calls    Python functions of rasp that run; comprehensions, which only some versions of Python run as functions,
             do not count
    added    Python functions that run more than without rasp, those of other libraries included
    entries  calls into rasp from outside of it: hooks and wrappers
    walks    looks at the stack, by sys._getframe
    locks    locks of rasp that are taken
    blocks   memory blocks that a request leaves behind, less those without rasp; by far less than one is none

tests/test_hot_path.py holds them to limits.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import insides
import measured_app
import tables

WARM, COUNTED, KEPT = 200, 20, 500
SORTS = ("calls", "added", "entries", "walks", "locks", "blocks")
COMPREHENSIONS = ("<listcomp>", "<dictcomp>", "<setcomp>")
Parts = dict[str, float]


class Profile:
    """Counts calls while requests are served."""

    def __init__(self) -> None:
        self.every: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.entries: Counter[str] = Counter()
        self.walks: Counter[str] = Counter()

    def serve(self, app: Any, requests: measured_app.Requests) -> None:
        """Serves the counted requests; what drives them does not count."""
        for environ in list(requests.make(COUNTED)):
            sys.setprofile(self._seen)
            measured_app.serve(app, environ)
            sys.setprofile(None)

    def _seen(self, frame: FrameType, event: str, arg: Any) -> None:
        if event == "call":
            self._called(frame)
        elif event == "c_call" and arg is sys._getframe and _is_rasp(frame):
            self.walks[_name(frame)] += 1

    def _called(self, frame: FrameType) -> None:
        if frame.f_code.co_name in COMPREHENSIONS:
            return
        name = _name(frame)
        self.every[name] += 1
        if _is_rasp(frame):
            self.calls[name] += 1
            if frame.f_back is None or not _is_rasp(frame.f_back):
                self.entries[name] += 1


def _name(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"


def _is_rasp(frame: FrameType) -> bool:
    """By module, not by file: what a dataclass generates has none."""
    return str(frame.f_globals.get("__name__")).partition(".")[0] == "rasp"


def left_by(app: Any, requests: measured_app.Requests) -> int:
    """How many more memory blocks there are after many requests."""
    gc.collect()
    before = sys.getallocatedblocks()
    for environ in requests.make(KEPT):
        measured_app.serve(app, environ)
    del environ
    gc.collect()
    return sys.getallocatedblocks() - before


def warm(app: Any, route: str) -> measured_app.Requests:
    """Requests of one sort, of which enough have been served."""
    requests = measured_app.Requests(route)
    for environ in requests.make(WARM):
        measured_app.serve(app, environ)
    return requests


def profiled() -> dict[str, tuple[Profile, int]]:
    """By route what was called, and how many memory blocks are left."""
    app = measured_app.build()
    found = {}
    for route in measured_app.ROUTES:
        requests, profile = warm(app, route), Profile()
        profile.serve(app, requests)
        left_by(app, requests)
        found[route] = (profile, left_by(app, requests))
    return found


def taken() -> dict[str, Counter[str]]:
    """By route the locks that were taken; rasp keeps the watched ones from here on."""
    locks = insides.watch_locks()
    app = measured_app.build()
    found = {}
    for route in measured_app.ROUTES:
        requests = warm(app, route)
        for lock in locks:
            lock.taken = 0
        for environ in requests.make(COUNTED):
            measured_app.serve(app, environ)
        found[route] = Counter({lock.path: lock.taken for lock in locks if lock.taken})
    return found


def counted() -> dict[str, dict[str, Parts]]:
    """By route and sort: what makes up the count, for one request."""
    bare = profiled()
    import rasp

    rasp.install({"report": False, "otel": False, "project_root": str(Path(__file__).resolve().parent)})
    followed = profiled()
    locks = taken()
    rasp.uninstall()
    report: dict[str, dict[str, Parts]] = {}
    for route, (profile, left) in followed.items():
        without, left_without = bare[route]
        added = Counter(profile.every)
        added.subtract(without.every)
        sorts = (profile.calls, added, profile.entries, profile.walks, locks[route])
        report[route] = {
            sort: {name: count / COUNTED for name, count in counts.items() if count}
            for sort, counts in zip(SORTS, sorts, strict=False)
        }
        report[route]["blocks"] = {"left": (left - left_without) / KEPT}
    return report


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="exit status: 0; limits are the test's",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--parts", nargs=2, metavar=("ROUTE", "SORT"), help="what makes up one count, as in: jwt calls")
    parser.add_argument("--json", action="store_true", help="everything, for programs")
    parser.add_argument("--markdown", action="store_true", help="a table to paste into docs/performance.md")
    options = parser.parse_args()
    if options.parts and (options.parts[0] not in measured_app.ROUTES or options.parts[1] not in SORTS):
        parser.error(f"--parts takes one of {', '.join(measured_app.ROUTES)} and one of {', '.join(SORTS)}")
    report = counted()
    if options.json:
        print(json.dumps(report))
    elif options.parts:
        parts = report[options.parts[0]][options.parts[1]]
        rows = [[name, f"{count:g}"] for name, count in sorted(parts.items(), key=lambda entry: -entry[1])]
        tables.show(options.parts, rows, markdown=options.markdown)
    else:
        rows = [[route, *(f"{sum(sorts[sort].values()):g}" for sort in SORTS)] for route, sorts in report.items()]
        tables.show(["a request", *SORTS], rows, markdown=options.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
