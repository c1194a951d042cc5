"""Serves the measured app in one variant, in this process, as often as it is asked to; see ``compare.py``.

python worker.py --worker VARIANT
"""

from __future__ import annotations

import sys
import time
from typing import Any

import peers
import rounds


def work_of(app: Any) -> Any:
    """What answers: serves requests of one sort and tells what each cost, or tells the memory in use."""
    import measured_app

    makers = {route: measured_app.Requests(route) for route in measured_app.ROUTES}
    serve, clock = measured_app.serve, time.perf_counter_ns

    def work(route: str = "", requests: int = 0) -> rounds.Answer:
        if not route:
            return {"resident": rounds.resident()}
        times = []
        environs = makers[route].make(requests)
        peers.settle()
        began = time.process_time()
        for environ in environs:
            at = clock()
            serve(app, environ)
            times.append(clock() - at)
        peers.settle()
        took = time.process_time() - began
        times.sort()
        return {"cpu": took / requests * 1e6, "p99": times[int(requests * 0.99)] / 1e3}

    return work


def main() -> None:
    """Starts the variant, then the app; what that cost is in the first answer."""
    channel = rounds.Channel()
    peers.BY_NAME[sys.argv[2]].start()
    import measured_app

    app = measured_app.build()
    measured_app.serve(app, measured_app.environ_of("/hello"))
    started = time.process_time()
    channel.answer(work_of(app), {"started": started * 1e3})


if __name__ == "__main__":
    main()
