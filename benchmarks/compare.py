"""What rasp costs a request beside other agents: the same app with each of them, measured in turn.

Each variant is a process of its own in a virtual environment of its own (made once, kept in a cache folder), all on
one core; while one serves the others are stopped. A round is one turn of each. CPU time counts all threads of the
process, and what an agent sends after the requests. Printed are medians and quartiles of the ratios to the bare app,
round by round; `bare again` is the bare app once more and shows the noise. The requests: `jwt` reads, verifies and
caches a 308-character token, logs two lines and clears flask.g; `rotating` is the same with another valid token
every time; `hello` carries no credential.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import gunicorn_rounds
import tables
from backends import backends
from environments import Environments, SetupError, cache_folder, interpreter, tag_of
from peers import APP, BY_NAME, PEERS, Peer
from rounds import Worker, WorkerError, default_core, end_tidily, progress, turned

HERE = Path(__file__).resolve().parent
ROUTES = ("jwt", "rotating", "hello")
WARM = 600
LIMITS = {"jwt": 1.12, "rotating": 1.12, "hello": 1.05}
OFF, OF_ZEN, OVER_HTTP = 1.01, 0.15, 1.10
EPILOG = """\
examples:
  python benchmarks/compare.py --here                 quick: bare, off, observe, with the libraries of this Python
  python benchmarks/compare.py --python 3.11 --python 3.13
  python benchmarks/compare.py --gunicorn             over HTTP: server CPU a request; needs wrk
  python benchmarks/compare.py --peers bare 'rasp observe' Zen --routes jwt

exit status: 0 all limits of the contract held, 1 one was missed, 2 it could not be measured
"""


@dataclass
class Measured:
    """What one variant cost: by route the CPU and the 99th percentile of each round."""

    cpu: dict[str, list[float]] = field(default_factory=dict)
    p99: dict[str, list[float]] = field(default_factory=dict)
    started: list[float] = field(default_factory=list)
    warm: float = 0.0
    end: float = 0.0


class Comparison:
    """One interpreter's run."""

    def __init__(self, options: argparse.Namespace, python: str) -> None:
        self.options = options
        self.python = python
        self.measured: dict[str, Measured] = {}
        self.refused: dict[str, str] = {}

    def interpreters(self, environments: Environments | None) -> dict[str, str]:
        """The interpreter of each variant; what could not be installed is noted."""
        found: dict[str, str] = {}
        for peer in self.options.chosen:
            progress(f"installing {peer.name}")
            try:
                found[peer.name] = self._installed(peer, environments)
            except SetupError as error:
                self.refused[peer.name] = f"not installed: {error}"
        return found

    def _installed(self, peer: Peer, environments: Environments | None) -> str:
        if environments is None:
            return self.python
        name = "-".join(("app", *(["rasp"] if peer.rasp else []), *peer.needs))
        python = environments.make(name[:80], [*APP, *peer.needs])
        if peer.rasp:
            environments.add_rasp(python)
        return str(python)

    def run(self) -> None:
        """Measures everything."""
        options = self.options
        environments = None if options.here else Environments(options.cache, self.python, HERE / "peers.txt")
        with contextlib.ExitStack() as stack:
            variables: dict[str, str] = {}
            if environments is not None:
                variables, note = stack.enter_context(backends(environments, options.core))
                if note:
                    print(note, file=sys.stderr)
            interpreters = self.interpreters(environments)
            if options.gunicorn:
                self._over_http(interpreters, variables)
                return
            self._start_ups(interpreters, variables)
            found = stack.enter_context(self._workers(interpreters, variables))
            self._rounds(found)

    def _worker(self, name: str, python: str, variables: dict[str, str]) -> Worker:
        script = str(HERE / "worker.py")
        return Worker(script, name, python=python, cores=[self.options.core], variables=variables)

    def _start_ups(self, interpreters: dict[str, str], variables: dict[str, str]) -> None:
        for number in range(self.options.starts):
            progress(f"start-up {number + 1}/{self.options.starts}")
            for name, python in interpreters.items():
                if name in self.refused:
                    continue
                try:
                    worker = self._worker(name, python, variables)
                except WorkerError as error:
                    self.refused[name] = f"does not start: {error}"
                    continue
                self.measured.setdefault(name, Measured()).started.append(worker.ready["started"])
                worker.close()

    @contextlib.contextmanager
    def _workers(self, interpreters: dict[str, str], variables: dict[str, str]) -> Iterator[dict[str, Worker]]:
        found: dict[str, Worker] = {}
        try:
            for name in self.measured:
                progress(f"warming up {name}")
                found[name] = worker = self._worker(name, interpreters[name], variables)
                for route in self.options.routes:
                    worker.ask(route=route, requests=WARM)
                self.measured[name].warm = worker.ask()["resident"]
            yield found
        finally:
            for worker in found.values():
                worker.close()

    def _rounds(self, found: dict[str, Worker]) -> None:
        options = self.options
        for route in options.routes:
            for number in range(options.rounds):
                progress(f"{route} {number + 1}/{options.rounds}")
                for name in turned(list(found), number):
                    answer = found[name].ask(route=route, requests=options.requests)
                    self.measured[name].cpu.setdefault(route, []).append(answer["cpu"])
                    self.measured[name].p99.setdefault(route, []).append(answer["p99"])
        for name, worker in found.items():
            self.measured[name].end = worker.ask()["resident"]

    def _over_http(self, interpreters: dict[str, str], variables: dict[str, str]) -> None:
        options = self.options
        with gunicorn_rounds.servers(interpreters, variables, options.core) as (found, refused):
            self.refused |= refused
            for route in options.routes:
                for number in range(options.rounds):
                    progress(f"gunicorn {route} {number + 1}/{options.rounds}")
                    for name in turned(list(found), number):
                        took = found[name].measure(route, options.seconds)
                        self.measured.setdefault(name, Measured()).cpu.setdefault(route, []).append(took)

    # What is printed

    def show(self) -> list[str]:
        """Prints the tables; the limits that were missed come back."""
        options, bare = self.options, self.measured.get("bare")
        if bare is None:
            raise SetupError(f"the bare app could not be measured: {self.refused.get('bare', 'it was not chosen')}")
        how = "gunicorn gthread, server CPU" if options.gunicorn else f"in-process, {options.requests} requests a round"
        for route in options.routes:
            title = f"`{route}`, Python {tag_of(self.python)}, {how}, {options.rounds} rounds"
            tables.heading(title, markdown=options.markdown)
            self._route(route, bare)
        if not options.gunicorn:
            self._processes(bare)
        return self._limits(bare)

    def _route(self, route: str, bare: Measured) -> None:
        rows = []
        for name, own in self.measured.items():
            cpu = own.cpu[route]
            row = [name, f"{statistics.median(cpu):.0f}", tables.spread(tables.ratios(cpu, bare.cpu[route]))]
            row.append(f"{tables.added(cpu, bare.cpu[route]):+.0f}")
            if route in own.p99:
                row.append(tables.spread(own.p99[route], 0))
                row.append(f"{statistics.median(tables.ratios(own.p99[route], bare.p99[route])):.2f}")
            rows.append(row)
        width = len(rows[0])
        rows += [[name, *["-"] * (width - 1)] for name in self.refused]
        head = ["variant", "CPU us", "ratio (quartiles)", "added us", "p99 us (quartiles)", "p99 ratio"]
        tables.show(head[:width], rows, markdown=self.options.markdown)
        for name, why in self.refused.items():
            print(f"{name} was not measured. {why}\n")

    def _processes(self, bare: Measured) -> None:
        rows = [
            [
                name,
                f"{own.warm:.1f}",
                f"{own.end:.1f}",
                f"{own.end - bare.end:+.1f}",
                tables.spread(own.started, 0),
                f"{tables.added(own.started, bare.started):+.0f}",
            ]
            for name, own in self.measured.items()
        ]
        head = ["variant", "warm MB", "end MB", "added MB", "start-up CPU ms (quartiles)", "added ms"]
        tables.heading("Memory resident, and CPU until the first request is answered", markdown=self.options.markdown)
        tables.show(head, rows, markdown=self.options.markdown)

    def _limits(self, bare: Measured) -> list[str]:
        missed = []
        if self.options.gunicorn:
            checks = [("rasp observe", "jwt", OVER_HTTP)]
        else:
            checks = [("rasp observe", route, limit) for route, limit in LIMITS.items()]
            checks += [("rasp off", route, OFF) for route in ROUTES]
        for name, route, limit in checks:
            own = self.measured.get(name)
            if own is None or route not in own.cpu:
                continue
            ratio = statistics.median(tables.ratios(own.cpu[route], bare.cpu[route]))
            if ratio > limit:
                missed.append(f"{name}, {route}: {ratio:.3f} instead of {limit}")
        rasp, zen = self.measured.get("rasp observe"), self.measured.get("Zen")
        if rasp is not None and zen is not None and "jwt" in zen.cpu and not self.options.gunicorn:
            share = tables.added(rasp.cpu["jwt"], bare.cpu["jwt"]) / tables.added(zen.cpu["jwt"], bare.cpu["jwt"])
            print(f"jwt: rasp observe adds {share:.2f} of what Zen adds (limit {OF_ZEN})\n")
            if share > OF_ZEN:
                missed.append(f"jwt: {share:.2f} of what Zen adds instead of {OF_ZEN}")
        return missed


def parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    cache = cache_folder("rasp-benchmarks")
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--python", action="append", metavar="V", help="a version such as 3.13, or a path; may be repeated")
    add("--here", action="store_true", help="no virtual environments: this interpreter, without the other agents")
    add("--peers", nargs="+", metavar="NAME", help=f"default: {', '.join(p.name for p in PEERS if not p.optional)}")
    add("--datadog", action="store_true", help="also Datadog's tracer, with and without IAST")
    add("--gunicorn", action="store_true", help="over HTTP: gunicorn gthread driven by wrk, server CPU a request")
    add("--routes", nargs="+", choices=ROUTES, default=None, help="which requests (default: all)")
    add("--rounds", type=int, default=21, metavar="N", help="default: 21")
    add("--requests", type=int, default=400, metavar="N", help="requests a round (default: 400)")
    add("--starts", type=int, default=5, metavar="N", help="start-ups of each (default: 5)")
    add("--seconds", type=float, default=2.0, metavar="S", help="with --gunicorn: seconds a round (default: 2)")
    add("--core", type=int, default=default_core(), metavar="N", help="where the app runs (default: the last)")
    add("--cache", type=Path, default=cache, metavar="DIR", help=f"environments (default: {cache})")
    add("--markdown", action="store_true", help="tables to paste into docs/performance.md")
    options = parser.parse_args(argv)
    options.routes = options.routes or (["jwt", "hello"] if options.gunicorn else list(ROUTES))
    names = options.peers or [peer.name for peer in PEERS if not peer.optional or options.datadog]
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        parser.error(f"no such peer: {', '.join(unknown)}; there are {', '.join(BY_NAME)}")
    options.chosen = [BY_NAME[name] for name in names if not (options.here and BY_NAME[name].needs)]
    return options


def main() -> int:
    """The program."""
    options = parsed()
    end_tidily()
    missed: list[str] = []
    try:
        for wanted in options.python or [None]:
            comparison = Comparison(options, sys.executable if wanted is None else interpreter(wanted))
            comparison.run()
            missed += [f"Python {tag_of(comparison.python)}, {line}" for line in comparison.show()]
    except (SetupError, WorkerError) as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    for line in missed:
        print(f"MISSED {line}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
