"""What a warm request may do inside rasp, counted: a guard against slowness that no busy machine can make fail.

The requests are those that ``benchmarks/compare.py`` measures, served in-process in a Python of their own. Counted are:

- ``calls``: Python functions of rasp that run. Comprehensions, which only some versions of Python run as functions,
  do not count.
- ``added``: Python functions that run more than without rasp, those of other libraries included.
- ``entries``: calls into rasp from outside of it: hooks and wrappers.
- ``walks``: looks at the stack, by ``sys._getframe``.
- ``locks``: locks of rasp that are taken.
- ``blocks``: memory blocks that each request leaves behind, less those without rasp; by far less than one is none.

Limits are what was counted when they were set, on the Python and the libraries that count most. What exceeds one has to
be wanted; what undercuts it should lower it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.scripts import Scripts

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
LIMITS = {
    # a valid JWT read, verified, its claims cached under a digest, two log lines, flask.g cleared
    "jwt": {"calls": 304, "added": 320, "entries": 37, "walks": 6, "locks": 2, "blocks": 0.5},
    # the same with another token every time: what is live stays in memory
    "rotating": {"calls": 370, "added": 405, "entries": 37, "walks": 6, "locks": 2, "blocks": 90},
    # no credential
    "hello": {"calls": 58, "added": 62, "entries": 12, "walks": 0, "locks": 0, "blocks": 0.5},
}

SCRIPT = """
import collections, gc, json, sys

sys.path.append({benchmarks!r})
WARM, COUNTED, KEPT = 200, 20, 500


def profiled(app, environs):
    calls, entries, walks, every = (collections.Counter() for _ in range(4))

    def name(frame):
        module = frame.f_globals.get("__name__") or ""
        return f"{{module}}.{{frame.f_code.co_qualname}}" if module.partition(".")[0] == "rasp" else ""

    def seen(frame, event, arg):
        if event == "call":
            if frame.f_code.co_name in ("<listcomp>", "<dictcomp>", "<setcomp>"):
                return
            every[f"{{frame.f_globals.get('__name__')}}.{{frame.f_code.co_qualname}}"] += 1
            own = name(frame)
            if own:
                calls[own] += 1
                if not name(frame.f_back):
                    entries[own] += 1
        elif event == "c_call" and arg is sys._getframe and name(frame):
            walks[name(frame)] += 1

    for environ in environs:
        sys.setprofile(seen)
        measured_app.serve(app, environ)
        sys.setprofile(None)
    return calls, entries, walks, every


def kept(app, requests):
    gc.collect()
    before = sys.getallocatedblocks()
    for environ in requests.make(KEPT):
        measured_app.serve(app, environ)
    del environ
    gc.collect()
    return sys.getallocatedblocks() - before


def requests_of(app, route):
    requests = measured_app.Requests(route)
    for environ in requests.make(WARM):
        measured_app.serve(app, environ)
    found = profiled(app, list(requests.make(COUNTED)))
    for _ in range(2):
        left = kept(app, requests)
    return found, left


def counted():
    app = measured_app.build()
    return {{route: requests_of(app, route) for route in measured_app.ROUTES}}


def by_request(counter):
    return {{name: count / COUNTED for name, count in counter.most_common()}}


import measured_app

bare = counted()
import rasp

rasp.install({{"report": False, "otel": False}})
import insides

followed = counted()
locks = insides.watch_locks()
report = {{}}
for route, ((calls, entries, walks, every), left) in followed.items():
    (_, _, _, without), left_without = bare[route]
    added = collections.Counter(every)
    added.subtract(without)
    app = measured_app.build()
    requests = measured_app.Requests(route)
    for environ in requests.make(WARM):
        measured_app.serve(app, environ)
    for lock in locks:
        lock.taken = 0
    for environ in requests.make(COUNTED):
        measured_app.serve(app, environ)
    report[route] = {{
        "calls": by_request(calls),
        "added": by_request(added),
        "entries": by_request(entries),
        "walks": by_request(walks),
        "locks": by_request(collections.Counter({{lock.path: lock.taken for lock in locks if lock.taken}})),
        "blocks": {{"left": (left - left_without) / KEPT}},
    }}
print(json.dumps(report))
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """What was counted, by route and sort; each with its parts."""
    done = Scripts(tmp_path_factory.mktemp("hot")).plain(SCRIPT.format(benchmarks=str(BENCHMARKS)))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("route", "sort"), [(route, sort) for route, limits in LIMITS.items() for sort in limits], ids="-".join
)
def test_a_request_does_no_more_than_it_may(report, route, sort):
    counts = report[route][sort]
    total, limit = sum(counts.values()), LIMITS[route][sort]
    parts = "\n".join(f"{count:8.2f}  {name}" for name, count in sorted(counts.items(), key=lambda e: -e[1]) if count)
    assert total <= limit, f"{route}: {total:g} {sort} a request instead of {limit}\n{parts}"
