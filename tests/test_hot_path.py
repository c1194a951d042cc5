"""What a warm request may do inside rasp, counted: a guard against slowness that no busy machine can make fail.

``benchmarks/hot_path.py`` counts, in a Python of its own, and says what each sort of count is. A limit is what was
counted when it was set, on the version of Python and of the libraries that counts most. What exceeds one has to be
wanted; what undercuts it should lower it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parent.parent / "benchmarks" / "hot_path.py"
LIMITS = {
    # a valid JWT read, verified, its claims cached under a digest, two log lines, flask.g cleared
    "jwt": {"calls": 68, "added": 86, "entries": 33, "walks": 3, "locks": 2, "blocks": 0.5},
    # the same with another token every time: what is live stays in memory
    "rotating": {"calls": 176, "added": 208, "entries": 33, "walks": 5, "locks": 2, "blocks": 40},
    # no credential
    "hello": {"calls": 21, "added": 28, "entries": 13, "walks": 0, "locks": 0, "blocks": 0.5},
}


@pytest.fixture(scope="module")
def report():
    """What was counted, by route and sort; each with its parts."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("RASP_", "_RASP_"))}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--json"], env=environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("route", "sort"), [(route, sort) for route, limits in LIMITS.items() for sort in limits], ids="-".join
)
def test_a_request_does_no_more_than_it_may(report, route, sort):
    counts = report[route][sort]
    total, limit = sum(counts.values()), LIMITS[route][sort]
    parts = "\n".join(f"{count:8.2f}  {name}" for name, count in sorted(counts.items(), key=lambda part: -part[1]))
    assert total <= limit, f"{route}: {total:g} {sort} a request instead of {limit}\n{parts}"
