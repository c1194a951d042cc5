"""What rasp costs an app that streams: 200 responses at once, each a generator that takes a second.

Each stream belongs to a caller of its own, with a token of its own, is made under ``stream_with_context`` and driven
by a thread of its own, as by a threaded server. Printed are the CPU of a
stream and the memory while all of them are open, as ratios to the bare app, round by round.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from typing import Any

import peers
import rounds
import tables

VARIANTS = ("bare", "bare again", "rasp observe")
LIMIT = 1.12


def worker(variant: str) -> None:
    """Opens streams and reads them to their ends."""
    channel = rounds.Channel()
    peers.BY_NAME[variant].start()
    import measured_app
    from flask import g, stream_with_context

    app = measured_app.build()
    called: Any = app

    @app.get("/stream/<int:chunks>/<int:pause>")
    def stream(chunks: int, pause: int) -> Any:
        user = g.user  # now: some versions of Flask run teardown before the body, and once more after it

        def produced() -> Any:
            for number in range(chunks):
                yield f"data: {number} for {user}\n\n"
                time.sleep(pause / 1e3)

        return app.response_class(stream_with_context(produced()), mimetype="text/event-stream")

    def read(environ: dict[str, Any], opened: threading.Barrier) -> None:
        body = called(environ, measured_app.start_response)
        pieces = iter(body)
        next(pieces)
        opened.wait()
        for _ in pieces:
            pass
        body.close()

    numbers = iter(range(sys.maxsize))

    def work(streams: int, chunks: int, pause: int) -> rounds.Answer:
        path = f"/stream/{chunks}/{pause}"
        environs = [measured_app.environ_of(path, measured_app.token(next(numbers))) for _ in range(streams)]
        opened = threading.Barrier(streams + 1, timeout=60)
        threads = [threading.Thread(target=read, args=(environ, opened)) for environ in environs]
        rounds.reset_peak()
        began, cpu = time.perf_counter(), time.process_time()
        for thread in threads:
            thread.start()
        opened.wait()
        resident = rounds.resident()
        for thread in threads:
            thread.join()
        cpu = time.process_time() - cpu
        return {"cpu": cpu / streams * 1e6, "resident": resident, "took": time.perf_counter() - began}

    channel.answer(work)


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=f"exit status: 0 the ratio of CPU is at most {LIMIT:g}, 1 it is more, 2 it could not be measured",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--streams", type=int, default=200, metavar="N", help="at once (default: 200)")
    add("--chunks", type=int, default=20, metavar="N", help="of each stream (default: 20)")
    add("--pause", type=int, default=50, metavar="MS", help="after each chunk (default: 50)")
    add("--rounds", type=int, default=9, metavar="N", help="default: 9")
    add("--core", type=int, default=rounds.default_core(), metavar="N", help="where the app runs (default: the last)")
    add("--markdown", action="store_true", help="a table to paste into docs/performance.md")
    options = rounds.main_of(parser, worker)
    asked = {"streams": options.streams, "chunks": options.chunks, "pause": options.pause}
    found: dict[str, list[rounds.Answer]] = {variant: [] for variant in VARIANTS}
    try:
        with rounds.workers(__file__, VARIANTS, cores=[options.core]) as workers:
            for asking in workers.values():
                asking.ask(**asked)
            for number in range(options.rounds):
                rounds.progress(f"{options.streams} streams, round {number + 1}/{options.rounds}")
                for variant in rounds.turned(list(VARIANTS), number):
                    found[variant].append(workers[variant].ask(**asked))
    except rounds.WorkerError as error:
        print(f"streams: {error}", file=sys.stderr)
        return 2
    rows = []
    for variant, answers in found.items():
        row = [variant]
        for name in ("cpu", "resident", "took"):
            own, base = [a[name] for a in answers], [a[name] for a in found["bare"]]
            row.append(f"{statistics.median(own):.{2 if name == 'took' else 0}f}")
            if name != "took":
                row.append(tables.spread(tables.ratios(own, base)))
        rows.append(row)
    tables.heading(f"{options.streams} streams at once of {options.chunks} chunks", markdown=options.markdown)
    head = ["variant", "CPU us a stream", "ratio (quartiles)", "MB resident", "ratio (quartiles)", "seconds"]
    tables.show(head, rows, markdown=options.markdown)
    own, base = ([answer["cpu"] for answer in found[name]] for name in ("rasp observe", "bare"))
    ratio = statistics.median(tables.ratios(own, base))
    print(f"CPU of a stream: {ratio:.3f} ({tables.verdict(ratio, LIMIT)})")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
