"""What rasp does to an app whose threads compete: 8 threads on 2 cores serve the request with a JWT.

In-process the threads drive the app directly, over HTTP gunicorn's threaded worker does, driven by wrk on the same
cores. Printed are requests a second as ratios to the bare app, round by round, and what the threads wait for: for each
lock of rasp, found wherever its objects keep one, how often a request takes it, how often somebody else held it, and
the share of all threads' time spent waiting for it. That is counted in a process of its own, which the throughput is
not taken from.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Iterator

import gunicorn_rounds
import peers
import rounds
import tables
from environments import SetupError

LIMIT = 0.90
TIMED = "rasp observe, locks timed"
VARIANTS = ("bare", "bare again", "rasp observe")


def worker(variant: str) -> None:
    """Serves with several threads at once."""
    channel = rounds.Channel()
    peers.BY_NAME["rasp observe" if variant == TIMED else variant].start()
    import insides
    import measured_app

    app = measured_app.build()
    makers = {route: measured_app.Requests(route) for route in measured_app.ROUTES}
    for route, requests in makers.items():
        for environ in requests.make(600 if route == "jwt" else 100):
            measured_app.serve(app, environ)
    locks = insides.watch_locks() if variant == TIMED else []

    def work(route: str, requests: int, threads: int) -> rounds.Answer:
        shares = [list(makers[route].make(requests)) for _ in range(threads)]
        for lock in locks:
            lock.taken, lock.contended, lock.blocked = 0, 0, 0.0
        start = threading.Barrier(threads + 1)

        def serve(environs: list[dict[str, object]]) -> None:
            start.wait()
            for environ in environs:
                measured_app.serve(app, environ)

        running = [threading.Thread(target=serve, args=(share,)) for share in shares]
        for thread in running:
            thread.start()
        start.wait()
        began, cpu = time.perf_counter(), time.process_time()
        for thread in running:
            thread.join()
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        return {
            "rate": threads * requests / took,
            "cpu": cpu / (threads * requests) * 1e6,
            "seconds": took,
            "locks": [(lock.path, lock.taken, lock.contended, lock.blocked) for lock in locks if lock.taken],
        }

    channel.answer(work)


def in_process(options: argparse.Namespace) -> float:
    """Prints throughput and waiting; the ratio of throughput comes back."""
    asked = {"route": options.route, "requests": options.requests, "threads": options.threads}
    rates: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    cpu: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    with rounds.workers(__file__, [*VARIANTS, TIMED], cores=options.cores) as found:
        for number in range(options.rounds):
            rounds.progress(f"{options.threads} threads, round {number + 1}/{options.rounds}")
            for variant in rounds.turned(list(VARIANTS), number):
                answer = found[variant].ask(**asked)
                rates[variant].append(answer["rate"])
                cpu[variant].append(answer["cpu"])
        timed = [found[TIMED].ask(**asked) for _ in range(3)][-1]
    heading = f"{options.threads} threads in one process, cores {options.cores}, `{options.route}`"
    _throughput(heading, rates, cpu, markdown=options.markdown)
    served = options.threads * options.requests
    everybody = timed["seconds"] * options.threads
    rows = [
        [
            path,
            f"{taken / served:.2f}",
            f"{contended / taken:.2%}",
            f"{blocked / served * 1000000.0:.2f}",
            f"{blocked / everybody:.3%}",
        ]
        for path, taken, contended, blocked in sorted(timed["locks"], key=lambda entry: -entry[3])
    ]
    tables.heading("What the threads wait for in rasp", markdown=options.markdown)
    head = ["lock", "taken a request", "held by others", "us waited a request", "share of the threads' time"]
    tables.show(head, rows or [["none is taken", "", "", "", ""]], markdown=options.markdown)
    return statistics.median(tables.ratios(rates["rasp observe"], rates["bare"]))


def _throughput(heading: str, rates: dict[str, list[float]], cpu: dict[str, list[float]], *, markdown: bool) -> None:
    tables.heading(heading, markdown=markdown)
    rows = [
        [
            variant,
            f"{statistics.median(own):.0f}",
            tables.spread(tables.ratios(own, rates["bare"])),
            f"{statistics.median(cpu[variant]):.0f}",
            tables.spread(tables.ratios(cpu[variant], cpu["bare"])),
        ]
        for variant, own in rates.items()
    ]
    head = ["variant", "requests/s", "ratio (quartiles)", "CPU us a request", "ratio (quartiles)"]
    tables.show(head, rows, markdown=markdown)


@contextlib.contextmanager
def _servers(options: argparse.Namespace) -> Iterator[dict[str, gunicorn_rounds.Server]]:
    with contextlib.ExitStack() as stack:
        found = {}
        for variant in VARIANTS:
            server = gunicorn_rounds.Server(variant, sys.executable, {}, set(options.cores), options.threads)
            stack.callback(server.close)
            server.measure(options.route, 1)
            found[variant] = server
        yield found


def over_http(options: argparse.Namespace) -> None:
    """Prints the throughput of gunicorn."""
    rates: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    cpu: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    with _servers(options) as found:
        for number in range(options.rounds):
            rounds.progress(f"gunicorn, round {number + 1}/{options.rounds}")
            for variant in rounds.turned(list(VARIANTS), number):
                rate, took = found[variant].drive(options.route, options.seconds)
                rates[variant].append(rate)
                cpu[variant].append(took)
    heading = f"gunicorn gthread with {options.threads} threads, cores {options.cores}, `{options.route}`"
    _throughput(heading, rates, cpu, markdown=options.markdown)


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"exit status: 0 the in-process throughput is at least {LIMIT:g} of the bare app's, 1 it is less, "
        "2 it could not be measured",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--threads", type=int, default=8, metavar="N", help="default: 8")
    add("--cores", type=int, nargs="+", default=sorted(os.sched_getaffinity(0))[:2], metavar="N", help="default: 0 1")
    add("--route", choices=("jwt", "rotating", "hello"), default="jwt", help="default: jwt")
    add("--rounds", type=int, default=9, metavar="N", help="default: 9")
    add("--requests", type=int, default=400, metavar="N", help="of each thread and round (default: 400)")
    add("--seconds", type=float, default=2.0, metavar="S", help="of gunicorn's rounds, 0: without (default: 2)")
    add("--markdown", action="store_true", help="tables to paste into docs/performance.md")
    options = rounds.main_of(parser, worker)
    try:
        ratio = in_process(options)
        if options.seconds and shutil.which("wrk") is None:
            print("over HTTP nothing was measured: wrk was not found", file=sys.stderr)
        elif options.seconds:
            over_http(options)
    except (rounds.WorkerError, SetupError) as error:
        print(f"contention: {error}", file=sys.stderr)
        return 2
    print(f"throughput in-process: {ratio:.3f} of the bare app's (at least {LIMIT:g})")
    return 0 if ratio >= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
