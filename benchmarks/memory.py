"""Whether rasp grows: memory over many requests, and what a request costs as the process gets older.

Two runs. `steady` serves 100,000 requests with one token and tells how much memory drifts. `ageing` serves requests
with another valid token every time; every 50th logs its token (a finding), holds it explicitly and now and then does
not release it. It tells the CPU of a request by tenths of the run, which must not grow with how many credentials,
findings and holds there were, and in the end how large the tables of rasp are. A warm-up comes first: for `ageing`
as long as the index of live values needs to be full, which is meant to hold 10,000.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from typing import TYPE_CHECKING

import peers
import rounds
import tables

if TYPE_CHECKING:
    from flask import Flask

VARIANTS = ("bare", "rasp observe")
BATCH = 1_000
WARM = {"steady": 5_000, "ageing": 15_000}
DRIFT, GROWTH = 2.0, 1.10
EVERY, UNRELEASED = 50, 10


def worker(variant: str) -> None:
    """Serves tenths of a run as they are asked for."""
    channel = rounds.Channel()
    peers.BY_NAME[variant].start()
    import measured_app

    app = measured_app.build()
    _add_leak(app, follows=variant.startswith("rasp"))
    makers = {"steady": measured_app.Requests("jwt"), "ageing": measured_app.Requests("rotating")}

    def work(run: str = "", requests: int = 0, sizes: bool = False) -> rounds.Answer:
        if sizes:
            import insides

            return insides.tables() if variant.startswith("rasp") else {}
        took = 0.0
        for _ in range(requests // BATCH):
            environs = list(makers[run].make(BATCH))
            if run == "ageing":
                for environ in environs[::EVERY]:
                    environ["PATH_INFO"] = "/leak"
            began = time.process_time()
            for environ in environs:
                measured_app.serve(app, environ)
            peers.settle()
            took += time.process_time() - began
            del environs, environ
        gc.collect()
        return {"cpu": took / max(1, requests) * 1e6, "resident": rounds.resident()}

    channel.answer(work)


def _add_leak(app: Flask, *, follows: bool) -> None:
    """A view that does what rasp finds."""
    import logging

    from flask import g

    log = logging.getLogger("api")
    count = iter(range(sys.maxsize))

    @app.get("/leak")
    def leak() -> str:
        log.info("authorised by %s", g.token)
        if follows:
            import rasp

            number = next(count)
            slot = f"pool-{number}"
            rasp.hold(g.token, slot)
            if number % UNRELEASED:
                rasp.release(g.token, slot)
        return "leaked"


def measured(run: str, requests: int, core: int) -> tuple[dict[str, list[rounds.Answer]], dict[str, int]]:
    """The tenths of a run for each variant, in turn, and rasp's tables at the end."""
    found: dict[str, list[rounds.Answer]] = {variant: [] for variant in VARIANTS}
    with rounds.workers(__file__, VARIANTS, cores=[core]) as workers:
        for variant, asked in workers.items():
            rounds.progress(f"{run}: warming up {variant}")
            found[variant].append(asked.ask(run=run, requests=WARM[run]))
        for tenth in range(10):
            rounds.progress(f"{run}: {tenth + 1}/10 of {requests:,} requests")
            for variant, asked in workers.items():
                found[variant].append(asked.ask(run=run, requests=requests // 10))
        return found, workers["rasp observe"].ask(sizes=True)


def steady(requests: int, core: int, *, markdown: bool) -> list[str]:
    """Prints the drift of memory."""
    found, _ = measured("steady", requests, core)
    rows, missed = [], []
    for variant, answers in found.items():
        resident = [answer["resident"] for answer in answers]
        drift = resident[-1] - resident[0]
        rows.append([variant, *(f"{number:.1f}" for number in resident), f"{drift:+.2f}"])
        if variant != "bare" and drift > DRIFT:
            missed.append(f"{variant}: memory drifted by {drift:.2f} MB instead of {DRIFT:g}")
    heading = f"MB resident over {requests:,} requests with one token: after the warm-up, then by tenths"
    tables.heading(heading, markdown=markdown)
    tables.show(["variant", "warm", *map(str, range(1, 11)), "drift"], rows, markdown=markdown)
    return missed


def ageing(requests: int, core: int, *, markdown: bool) -> list[str]:
    """Prints what a request costs by the age of the process."""
    found, sizes = measured("ageing", requests, core)
    cpu = {variant: [answer["cpu"] for answer in answers[1:]] for variant, answers in found.items()}
    ratio = tables.ratios(cpu["rasp observe"], cpu["bare"])
    rows = [[variant, *(f"{number:.0f}" for number in own)] for variant, own in cpu.items()]
    rows.append(["ratio", *(f"{number:.2f}" for number in ratio)])
    rows += [
        [f"{variant}, MB resident", *(f"{answer['resident']:.0f}" for answer in answers[1:])]
        for variant, answers in found.items()
    ]
    heading = f"CPU us a request over {requests:,} requests with rotating tokens, by tenths"
    tables.heading(heading, markdown=markdown)
    tables.show(["variant", *map(str, range(1, 11))], rows, markdown=markdown)
    tables.heading("Tables of rasp with 100 entries or more at the end", markdown=markdown)
    tables.show(["table", "entries"], [[path, f"{size:,}"] for path, size in sizes.items()], markdown=markdown)
    growth = statistics.median(ratio[-3:]) / statistics.median(ratio[:3])
    print(f"the last three tenths cost {growth:.2f} of the first three (limit {GROWTH:g})\n")
    return [f"ageing: a request costs {growth:.2f} of what it did"] if growth > GROWTH else []


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"exit status: 0 drift up to {DRIFT:g} MB and no growth, 1 a limit was missed, 2 not measured",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--steady", type=int, default=100_000, metavar="N", help="requests with one token, 0: none (default: 100,000)")
    add("--requests", type=int, default=200_000, metavar="N", help="rotating ones, 0: none (default: 200,000)")
    add("--core", type=int, default=rounds.default_core(), metavar="N", help="where the app runs (default: the last)")
    add("--markdown", action="store_true", help="tables to paste into docs/performance.md")
    options = rounds.main_of(parser, worker)
    missed = []
    try:
        if options.steady:
            missed += steady(options.steady, options.core, markdown=options.markdown)
        if options.requests:
            missed += ageing(options.requests, options.core, markdown=options.markdown)
    except rounds.WorkerError as error:
        print(f"memory: {error}", file=sys.stderr)
        return 2
    for line in missed:
        print(f"MISSED {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
