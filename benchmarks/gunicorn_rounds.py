"""The measured app behind gunicorn's threaded worker, driven by wrk; what its processes spend a request."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from environments import SetupError
from measured_app import token
from rounds import WorkerError, environment

HERE = Path(__file__).resolve().parent
THREADS, CONNECTIONS = 4, 4
PATIENCE = 20.0


class Server:
    """gunicorn with one worker of some threads, in a session of its own, stopped except while it is measured."""

    def __init__(
        self, variant: str, python: str, variables: Mapping[str, str], cores: set[int], threads: int = THREADS
    ) -> None:
        self.variant = variant
        self._folder = tempfile.TemporaryDirectory()
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in close()
        address = Path(self._folder.name) / "port"
        self._process = subprocess.Popen(
            [
                python,
                "-m",
                "gunicorn",
                "--chdir",
                str(HERE),
                "-b",
                "127.0.0.1:0",
                "-k",
                "gthread",
                "--threads",
                str(threads),
                "--timeout",
                "0",
                "--keep-alive",
                "60",
                "--log-level",
                "warning",
                "-c",
                str(HERE / "gunicorn_settings.py"),
                "gunicorn_app:app",
            ],
            env=environment() | dict(variables) | {"BENCH_VARIANT": variant, "BENCH_PORT": str(address)},
            stdout=self._errors,
            stderr=self._errors,
            start_new_session=True,
        )
        os.sched_setaffinity(self._process.pid, cores)
        try:
            self.port, self._worker = self._started(address)
        except BaseException:
            self.close()
            raise
        self._signal(signal.SIGSTOP)

    def _started(self, address: Path) -> tuple[int, int]:
        """The port and the process of the worker, once that answers."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            if address.exists() and len(words := address.read_text().split()) == 2:
                port, worker = map(int, words)
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    return port, worker
            time.sleep(0.05)
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines() or ["gunicorn does not start"]
        raise WorkerError(f"{self.variant}: {lines[-1][:160]}")

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def drive(self, route: str, seconds: float) -> tuple[float, float]:
        """Requests served a second, and microseconds of CPU that the worker spent on each."""
        self._signal(signal.SIGCONT)
        before = cpu_of(self._worker)
        served, rate = wrk(self.port, route, seconds)
        took = cpu_of(self._worker) - before
        self._signal(signal.SIGSTOP)
        return rate, took / served * 1e6

    def measure(self, route: str, seconds: float) -> float:
        """Microseconds of CPU that the worker spent on each request."""
        return self.drive(route, seconds)[1]

    def close(self) -> None:
        """Ends it."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._errors.close()
        self._folder.cleanup()


def cpu_of(process: int) -> float:
    """Seconds of CPU that all threads of another process have spent; the clock's number is Linux's own."""
    return time.clock_gettime((~process << 3) | 2)


def wrk(port: int, route: str, seconds: float) -> tuple[int, float]:
    """Drives one route; how many requests were answered, and how many a second.

    Raises:
        SetupError: some were answered with an error.
    """
    header = [] if route == "hello" else ["-H", f"Authorization: Bearer {token(0)}"]
    script = ["-s", _rotating()] if route == "rotating" else []
    path = "hello" if route == "hello" else "jwt"
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", *header, *script, f"http://127.0.0.1:{port}/{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"(\d+) requests in", done.stdout)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    if found is None or rate is None or int(found[1]) == 0 or "Non-2xx" in done.stdout:
        raise SetupError(f"wrk: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
    return int(found[1]), float(rate[1])


def _rotating() -> str:
    """A script for wrk that sends another token with every request, over and over."""
    script = Path(tempfile.gettempdir()) / f"rasp-rotating-{os.getuid()}.lua"
    if not script.exists():
        lines = ",\n".join(f'"Bearer {token(number)}"' for number in range(1, 20_001))
        script.write_text(
            f"local tokens = {{{lines}}}\nlocal at = 0\n"
            "function request()\n  at = at % #tokens + 1\n"
            '  return wrk.format("GET", nil, {Authorization = tokens[at]})\nend\n'
        )
    return str(script)


@contextlib.contextmanager
def servers(
    interpreters: Mapping[str, str], variables: Mapping[str, str], core: int
) -> Iterator[tuple[dict[str, Server], dict[str, str]]]:
    """A warm server for each variant, and why others have none. wrk runs where the measured processes do not.

    Raises:
        SetupError: there is no wrk.
    """
    if shutil.which("wrk") is None:
        raise SetupError("wrk was not found; on Debian it is installed with `apt-get install wrk`")
    found: dict[str, Server] = {}
    refused: dict[str, str] = {}
    before = os.sched_getaffinity(0)
    try:
        for name, python in interpreters.items():
            try:
                found[name] = server = Server(name, python, variables, {core})
                server.measure("jwt", 1)
                server.measure("hello", 1)
            except (WorkerError, SetupError) as error:
                refused[name] = str(error)
                if name in found:
                    found.pop(name).close()
        os.sched_setaffinity(0, (before - {core}) or before)
        yield found, refused
    finally:
        os.sched_setaffinity(0, before)
        for server in found.values():
            server.close()
