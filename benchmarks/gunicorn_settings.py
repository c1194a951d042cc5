"""gunicorn's settings: its worker writes down where it listens and which process it is."""

import os
from pathlib import Path
from typing import Any


def post_worker_init(worker: Any) -> None:
    """The worker is ready to serve."""
    place = Path(os.environ["BENCH_PORT"])
    partial = place.with_suffix(".partial")
    partial.write_text(f"{worker.sockets[0].getsockname()[1]} {os.getpid()}")
    partial.rename(place)
