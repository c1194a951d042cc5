"""What rasp costs where something is large: a log line, a response, headers, or the number of live credentials.

Each case runs once in a fresh process for each variant and round, in turn; printed are the CPU and how far memory
rose above what was in use before it, both as medians. All requests carry a token that is live.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import peers
import rounds
import tables

if TYPE_CHECKING:
    from flask import Flask

VARIANTS = ("bare", "rasp observe")
MB = 1_000_000
LIVE = 10_000
CASES = {
    "10 MB log line": "log",
    "50 MB response, streamed": "response",
    "50 MB JSON response, streamed": "json",
    "1 MB of headers": "headers",
    "1 MB cookie header": "cookies",
    f"1 request after {LIVE:,} others with a token each": "live",
}


def _add_views(app: Flask) -> None:
    from flask import Response, request

    log = app.logger
    line = ("a long line of words and numbers 12345, " * (10 * MB // 40))[: 10 * MB]
    chunk = (b'{"row": 17, "name": "somebody", "note": "nothing"},' * 1300)[:65_000]

    @app.get("/log")
    def large_log() -> str:
        log.warning("%s", line)
        return "ok"

    def streamed(kind: str) -> Any:
        return Response((chunk for _ in range(50 * MB // len(chunk))), mimetype=kind)

    app.add_url_rule("/response", "response", lambda: streamed("application/octet-stream"))
    app.add_url_rule("/json", "json", lambda: streamed("application/json"))

    @app.get("/headers")
    def headers() -> str:
        return str(len(dict(request.headers)))

    @app.get("/cookies")
    def cookies() -> str:
        return str(len(request.cookies))


def _environ(case: str) -> dict[str, Any]:
    import measured_app

    environ = measured_app.environ_of("/jwt" if case == "live" else f"/{case}", measured_app.token(0))
    if case == "headers":
        environ |= {f"HTTP_X_BLOCK_{number}": f"{number:06d} value of a header; " * 160 for number in range(250)}
    elif case == "cookies":
        environ["HTTP_COOKIE"] = "; ".join(f"name{number}={'v' * 40}{number:06d}" for number in range(MB // 60))
    return environ


def worker(variant: str, case: str) -> None:
    """Runs one case once."""
    channel = rounds.Channel()
    peers.BY_NAME[variant].start()
    import logging

    import measured_app

    app = measured_app.build()
    app.logger.handlers = [logging.FileHandler("/dev/null")]
    app.logger.propagate = False
    _add_views(app)
    serve: Callable[[Any, dict[str, Any]], None] = measured_app.serve
    for environ in measured_app.Requests("jwt").make(200):
        serve(app, environ)
    rounds.reset_peak()
    before = rounds.resident()
    if case == "live":
        for environ in measured_app.Requests("rotating").make(LIVE):
            serve(app, environ)
    environ = _environ(case)

    def work() -> rounds.Answer:
        began = time.process_time()
        serve(app, environ)
        took = time.process_time() - began
        return {"cpu": took * 1e3, "peak": rounds.peak() - before}

    channel.answer(work)


def measured(case: str, variant: str, core: int) -> rounds.Answer:
    """One case in a process of its own."""
    asked = rounds.Worker(__file__, variant, case, cores=[core])
    try:
        return asked.ask()
    finally:
        asked.close()


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="exit status: 0 everything was measured (the contract sets no limits here), 2 something could not be",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: 5")
    parser.add_argument("--core", type=int, default=rounds.default_core(), metavar="N", help="default: the last")
    parser.add_argument("--markdown", action="store_true", help="a table to paste into docs/performance.md")
    options = rounds.main_of(parser, worker)
    rows = []
    for title, case in CASES.items():
        found: dict[str, list[rounds.Answer]] = {variant: [] for variant in VARIANTS}
        for number in range(options.rounds):
            rounds.progress(f"{title}, round {number + 1}/{options.rounds}")
            try:
                for variant in VARIANTS:
                    found[variant].append(measured(case, variant, options.core))
            except rounds.WorkerError as error:
                print(f"large: {title}: {error}", file=sys.stderr)
                return 2
        cpu, most = (
            {variant: statistics.median(a[name] for a in found[variant]) for variant in VARIANTS}
            for name in ("cpu", "peak")
        )
        row = [title]
        for numbers in (cpu, most):
            digits = 2 if numbers["bare"] < 10 else 0
            row += [f"{numbers[variant]:.{digits}f}" for variant in VARIANTS]
            row.append(f"{numbers['rasp observe'] - numbers['bare']:+.{digits}f}")
        rows.append(row)
    head = ["case", "bare: CPU ms", "rasp: CPU ms", "added", "bare: MB more", "rasp: MB more", "added"]
    tables.show(head, rows, markdown=options.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
