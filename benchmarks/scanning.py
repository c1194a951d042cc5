"""What it costs to look for live credentials in a text, by how many are live; to enter a new one; and to keep one.

Everything happens in this process, with the index alone. Times are the best of some rounds of thread CPU time; a text
holds none of the live values unless its row says so. `log line` is what loggers write; the other texts are hard cases
of 1 kB: long runs of token characters, paths, a traceback, UUIDs.
"""

from __future__ import annotations

import argparse
import base64
import gc
import hashlib
import math
import random
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import tables
from measured_app import token
from rounds import progress, resident

from rasp.ledger.fingerprints import fingerprinter
from rasp.ledger.live import LiveValues
from rasp.ledger.value import Rank
from rasp.model import Kind

COUNTS = (1, 10, 1_000, 10_000, 100_000)
LIMITS = {1: 3.0, 10: 30.0, 1_000: 10.0, 10_000: 10.0, 100_000: 10.0}
"""Microseconds for a 1 kB log line: 3 for each of a request's own credentials, 10 whatever the process holds."""
LINE = (
    "2026-01-31 12:00:00,123 INFO api.orders request 7f3a from 10.0.0.17 for /api/orders/18223 answered 200 in 12 ms, "
    "user=anna.lind rows=17 cache=hit shard=eu-west-1 agent='Mozilla/5.0 (X11; Linux x86_64)' "
)
FRAME = '  File "/srv/shop/lib/python3.11/site-packages/flask/app.py", line 1511, in wsgi_app\n    return self.run()\n'


def texts() -> dict[str, str]:
    """What is searched."""
    random.seed(7)
    blob = base64.b64encode(random.randbytes(1000)).decode()
    folders = "/".join(hashlib.md5(bytes([n]), usedforsecurity=False).hexdigest()[: 4 + n % 9] for n in range(200))
    uuids = ", ".join(
        f'"id": "{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"'
        for digest in (hashlib.md5(bytes([n]), usedforsecurity=False).hexdigest() for n in range(30))
    )
    return {
        "log line, 200 B": _long(LINE, 200),
        "log line, 1 kB": _long(LINE, 1000),
        "log line, 100 kB": _long(LINE, 100_000),
        "base64, 1 kB": _long(blob, 1000),
        "paths, 1 kB": _long("/" + folders, 1000),
        "traceback, 1 kB": _long(FRAME, 1000),
        "JSON of UUIDs, 1 kB": _long("{" + uuids + "}", 1000),
    }


def _long(text: str, length: int) -> str:
    return (text * math.ceil(length / len(text)))[:length]


def api_key(number: int) -> str:
    """A made-up key of 32 characters."""
    return "rk_" + base64.b32encode(hashlib.sha256(b"%d" % number).digest()).decode()[:29]


def index(make: Callable[[int], str], count: int) -> tuple[LiveValues, list[float]]:
    """An index with that many verified values, and the microseconds that each took to enter."""
    values = LiveValues(fingerprinter(b"k" * 16), lambda: 0.0, count + 100, 60.0)
    took = []
    for number in range(count):
        text = make(number)
        began = time.thread_time_ns()
        live = values.enter(text, Kind.API_KEY, "header:x-api-key")
        took.append((time.thread_time_ns() - began) / 1e3)
        if live is not None:
            values.leave(live, Rank.VERIFIED)
    return values, took


def microseconds(work: Callable[[], object], rounds: int) -> float:
    """The best round of one call."""
    turns, best = 1, math.inf
    while True:
        began = time.thread_time()
        for _ in range(turns):
            work()
        took = time.thread_time() - began
        if took > 0.01:
            break
        turns *= 4
    for _ in range(rounds):
        began = time.thread_time()
        for _ in range(turns):
            work()
        best = min(best, (time.thread_time() - began) / turns)
    return best * 1e6


def searched(counts: list[int], rounds: int, *, markdown: bool) -> list[str]:
    """Prints what searching costs; what missed its limit comes back."""
    missed: list[str] = []
    every = texts()
    rows = {name: [name] for name in (*every, "log line, 1 kB, one in it")}
    sizes = []
    for count in counts:
        progress(f"searching with {count:,} live values")
        values, _ = index(api_key, count)
        sizes.append(f"{len(values):,}")
        for name, text in every.items():
            took = microseconds(partial(values.find, text), rounds)
            rows[name].append(f"{took:.1f}")
            if name == "log line, 1 kB" and took > LIMITS[count]:
                missed.append(f"{name} with {count:,} live: {took:.1f} us instead of {LIMITS[count]:g}")
        at = every["log line, 1 kB"]
        with_one = f"{at[:500]} key={api_key(count - 1)} {at[500:]}"[:1000]
        assert len(values.find(with_one)) == 1
        rows["log line, 1 kB, one in it"].append(f"{microseconds(partial(values.find, with_one), rounds):.1f}")
    tables.heading("Microseconds to search a text, by how many values are live", markdown=markdown)
    tables.show(["text", *sizes], list(rows.values()), markdown=markdown)
    return missed


def entered(most: int, *, markdown: bool) -> None:
    """Prints what a new value costs and takes."""
    rows = []
    for kind, make, count in (
        ("API key, 32 characters", api_key, most),
        ("JWT, 308 characters", token, min(most, 10_000)),
    ):
        progress(f"entering {count:,} of {kind}")
        gc.collect()
        before = resident()
        values, took = index(make, count)
        gc.collect()
        kept = (resident() - before) * 1e3 / max(1, len(values))
        first, last = took[: max(1, count // 10)], took[-max(1, count // 10) :]
        ordered = sorted(took)
        rows.append(
            [
                kind,
                f"{len(values):,}",
                f"{statistics.median(first):.1f}",
                f"{statistics.median(last):.1f}",
                f"{ordered[int(count * 0.99)]:.1f}",
                f"{ordered[-1]:.0f}",
                f"{kept:.1f}",
            ]
        )
        del values
    head = ["value", "live at the end", "first tenth", "last tenth", "p99", "worst", "kB a value"]
    tables.heading("Microseconds to enter a new value, and memory for each", markdown=markdown)
    tables.show(head, rows, markdown=markdown)


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="exit status: 0 the limits of the contract for 1 kB log lines held, 1 one was missed",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--most", type=int, default=100_000, metavar="N", help="live values at most (default: 100,000)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="the best of these counts (default: 5)")
    parser.add_argument("--markdown", action="store_true", help="tables to paste into docs/performance.md")
    options = parser.parse_args()
    # Memory first: what searching leaves behind would be reused, and count as nothing.
    entered(options.most, markdown=options.markdown)
    counts = [count for count in COUNTS if count <= options.most]
    missed = searched(counts, options.rounds, markdown=options.markdown)
    for line in missed:
        print(f"MISSED {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
