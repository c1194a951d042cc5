"""What ``pytest --rasp=strict`` costs a suite: the same tests with and without it, in turn, best of several rounds.

The suite is written into a temporary folder: a Flask app with a few views, and tests that call them through the test
client, most of them with a credential, beside tests that send no request at all.
"""

from __future__ import annotations

import argparse
import pstats
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import tables
from rounds import environment, progress

APP = """
import hashlib
import logging

from flask import Flask, abort, g, jsonify, request

log = logging.getLogger("shop")
app = Flask(__name__)
app.testing = True
KNOWN = set()


@app.before_request
def authenticate():
    key = request.headers.get("X-API-Key")
    if key is not None:
        g.key = key


@app.teardown_request
def clear(error):
    g.pop("key", None)


@app.get("/open")
def open_to_all():
    return "ok"


@app.get("/items/<int:number>")
def item(number):
    digest = hashlib.sha256(g.key.encode()).hexdigest()
    if digest not in KNOWN:
        abort(403)
    log.warning("item %d for %s", number, digest[:8])
    return jsonify(number=number, tags=["a", "b"], name="item " * 10)


@app.post("/items")
def store():
    return jsonify(request.get_json()), 201
"""

TESTS = """
import hashlib
import json

import pytest
from shop import KNOWN, app

KEY = "rk_" + hashlib.sha256(b"suite").hexdigest()[:28]


@pytest.fixture
def client():
    KNOWN.add(hashlib.sha256(KEY.encode()).hexdigest())
    return app.test_client()


@pytest.mark.parametrize("number", range({each}))
def test_item(client, number):
    response = client.get(f"/items/{{number}}", headers={{"X-API-Key": KEY}})
    assert response.get_json()["number"] == number


@pytest.mark.parametrize("number", range({each}))
def test_open(client, number):
    assert client.get("/open").text == "ok"


@pytest.mark.parametrize("number", range({each}))
def test_store(client, number):
    response = client.post("/items", json={{"n": number}}, headers={{"X-API-Key": KEY}})
    assert response.status_code == 201


@pytest.mark.parametrize("number", range({each}))
def test_no_request(number):
    assert json.loads(json.dumps([number])) == [number]
"""


def run(folder: Path, *options: str, profile: Path | None = None) -> float:
    """Runs the suite and tells the CPU seconds of its process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    under = ["-m", "cProfile", "-o", str(profile)] if profile else []
    done = subprocess.run(
        [sys.executable, *under, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"the suite failed with {' '.join(options) or 'no options'}:\n{done.stdout[-2000:]}{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="exit status: 0 strict costs at most the limit, 1 it costs more or the suite failed",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--tests", type=int, default=1000, metavar="N", help="how many tests (default: 1000)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="runs of each kind (default: 5)")
    parser.add_argument("--limit", type=float, default=1.05, metavar="R", help="exit 1 above this (default: 1.05)")
    parser.add_argument("--markdown", action="store_true", help="a table to paste into docs/performance.md")
    parser.add_argument("--profile", action="store_true", help="also show where the time inside rasp goes")
    arguments = parser.parse_args()
    kinds = {"without": ("-p", "no:rasp.pytest_plugin"), "off": ("--rasp=off",), "strict": ("--rasp=strict",)}
    best = dict.fromkeys(kinds, float("inf"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "shop.py").write_text(APP, encoding="utf-8")
        (folder / "test_shop.py").write_text(TESTS.format(each=arguments.tests // 4), encoding="utf-8")
        for number in range(arguments.rounds):
            for kind, options in kinds.items():
                best[kind] = min(best[kind], run(folder, *options))
            so_far = ", ".join(f"{kind} {best[kind]:.2f} s" for kind in kinds)
            progress(f"{number + 1}/{arguments.rounds}: {so_far}")
        if arguments.profile:
            run(folder, "--rasp=strict", profile=folder / "profile")
            pstats.Stats(str(folder / "profile")).sort_stats("tottime").print_stats("rasp[/.]", 25)
    bare = best["without"]
    rows = [
        [kind, f"{seconds:.2f}", f"{seconds / bare:.3f}", f"{(seconds - bare) / arguments.tests * 1e6:+.0f}"]
        for kind, seconds in best.items()
    ]
    tables.heading(f"A suite of {arguments.tests:,} tests, best of {arguments.rounds}", markdown=arguments.markdown)
    tables.show(["rasp", "CPU s", "ratio", "us a test"], rows, markdown=arguments.markdown)
    return 0 if best["strict"] / bare <= arguments.limit else 1


if __name__ == "__main__":
    sys.exit(main())
