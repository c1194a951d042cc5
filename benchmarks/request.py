"""What rasp costs a request: the same app bare, with rasp off and with rasp in observe, interleaved in one run.

    python benchmarks/request.py [--rounds 15] [--core 1]

The app reads a JWT, verifies it, caches its claims under a digest, logs two lines and clears flask.g in teardown;
beside it a route that only says hello. Each variant is a process of its own on one pinned core; the others wait.
Printed are median microseconds of CPU time a request, and the median of the ratios to the bare app, round by round.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys

VARIANTS = ("bare", "bare again", "off", "observe")
ROUTES = ("jwt", "hello")
REQUESTS = 400


def worker(variant: str) -> None:
    """Serves rounds as they are asked for on standard input."""
    if variant in ("off", "observe"):
        import rasp

        rasp.install({"mode": variant, "report": False})
    import hashlib
    import io
    import logging
    import time

    import jwt
    from cachelib import SimpleCache
    from flask import Flask, g, request
    from werkzeug.test import EnvironBuilder

    app, cache, key = Flask("app"), SimpleCache(), "benchmark-" * 4
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    log = logging.getLogger("api")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    claims = {"sub": "user-1", "jti": "0123456789abcdef", "exp": 4102444800, "scope": "read write", "aud": "api"}
    token = jwt.encode(claims | {"iss": "https://issuer.example", "name": "A Person"}, key, algorithm="HS256")

    @app.before_request
    def authenticate() -> None:
        if request.path == "/hello":
            return
        g.token = request.headers["Authorization"].removeprefix("Bearer ")
        slot = hashlib.sha256(g.token.encode()).hexdigest()
        cache.get(slot)
        g.claims = jwt.decode(g.token, key, algorithms=["HS256"], audience="api")
        cache.set(slot, g.claims)
        g.user = g.claims["sub"]

    @app.get("/jwt")
    def data() -> dict[str, object]:
        log.info("request from %s for %s", g.user, request.path)
        log.info("answered %s with %d rows", g.user, 17)
        return {"user": g.user, "rows": [1, 2, 3]}

    @app.get("/hello")
    def hello() -> str:
        return "hello"

    @app.teardown_request
    def clear(error: BaseException | None) -> None:
        for name in ("token", "claims", "user"):
            g.pop(name, None)

    headers = {"jwt": {"Authorization": f"Bearer {token}"}, "hello": {}}
    environs = {r: EnvironBuilder(path=f"/{r}", headers=headers[r]).get_environ() for r in ROUTES}

    def serve(route: str) -> None:
        body = app(dict(environs[route]), lambda status, headers, exc_info=None: None)
        for _ in body:
            pass
        body.close()

    for route in ROUTES:
        for _ in range(500):
            serve(route)
    for line in sys.stdin:
        stream.seek(0)
        stream.truncate()
        began = time.process_time()
        for _ in range(REQUESTS):
            serve(line.strip())
        print((time.process_time() - began) / REQUESTS * 1e6, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--core", type=int, default=max(os.sched_getaffinity(0)))
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        worker(args.worker)
        return 0
    os.sched_setaffinity(0, {args.core})
    processes = {
        variant: subprocess.Popen(
            [sys.executable, __file__, "--worker", variant], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for variant in VARIANTS
    }
    print(f"Python {sys.version.split()[0]}, {args.rounds} rounds of {REQUESTS} requests")
    for route in ROUTES:
        took: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        for _ in range(args.rounds):
            for variant, process in processes.items():
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(route + "\n")
                process.stdin.flush()
                took[variant].append(float(process.stdout.readline()))
        for variant in VARIANTS:
            ratios = [mine / bare for mine, bare in zip(took[variant], took["bare"], strict=True)]
            median = statistics.median(took[variant])
            print(f"{route:6} {variant:11} {median:7.1f} us  ratio {statistics.median(ratios):.3f}")
    for process in processes.values():
        process.communicate()
    return 0


if __name__ == "__main__":
    sys.exit(main())
