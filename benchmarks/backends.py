"""Where agents send what they collect: rotel, a real collector, and a server that takes anything. Both on loopback."""

from __future__ import annotations

import contextlib
import http.server
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from environments import Environments, SetupError, output
from peers import OTLP, SINK
from rounds import environment

PATIENCE = 10.0


class Sink(http.server.BaseHTTPRequestHandler):
    """Says yes to everything."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Reads and forgets what is sent."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer()

    do_PUT = do_POST  # noqa: N815 - the name is the library's

    def do_GET(self) -> None:
        """Has nothing to tell."""
        self._answer()

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: object) -> None:
        """Writes no log."""


class Server(http.server.ThreadingHTTPServer):
    """Says nothing of connections that are cut: agents are ended while they send."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing."""


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextlib.contextmanager
def sink() -> Iterator[dict[str, str]]:
    """The server that takes anything; its URL as a variable."""
    server = Server(("127.0.0.1", 0), Sink)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield {SINK: f"http://127.0.0.1:{server.server_address[1]}"}
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def collector(environments: Environments, core: int) -> Iterator[dict[str, str]]:
    """rotel, away from the core that is measured; its URL as a variable.

    Raises:
        SetupError: it could not be installed, or does not start.
    """
    python = environments.make("collector", ["rotel"])
    folder, libraries = output(
        [
            str(python),
            "-c",
            "import rotel, sysconfig; print(rotel.__path__[0]); print(sysconfig.get_config_var('LIBDIR'))",
        ]
    ).splitlines()
    program = str(Path(folder) / "rotel-agent")
    # It is linked to a shared libpython, which not every Python has.
    variables = environment() | {"LD_LIBRARY_PATH": libraries}
    output(["env", f"LD_LIBRARY_PATH={libraries}", program, "--version"])
    port = _free_port()
    with tempfile.TemporaryDirectory() as place:
        process = subprocess.Popen(
            [
                program,
                "start",
                "--otlp-http-endpoint",
                f"127.0.0.1:{port}",
                "--exporter",
                "blackhole",
                "--otlp-grpc-endpoint",
                f"127.0.0.1:{_free_port()}",
                "--pid-file",
                f"{place}/pid",
                "--log-file",
                f"{place}/log",
            ],
            env=variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.sched_setaffinity(process.pid, (os.sched_getaffinity(0) - {core}) or {core})
        try:
            _wait_for(port)
            yield {OTLP: f"http://127.0.0.1:{port}"}
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _wait_for(port: int) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def backends(environments: Environments, core: int) -> Iterator[tuple[dict[str, str], str]]:
    """Both; where there is no collector, why, and the server that takes anything stands in."""
    with contextlib.ExitStack() as stack:
        variables = stack.enter_context(sink())
        try:
            variables |= stack.enter_context(collector(environments, core))
            note = ""
        except (SetupError, OSError) as error:
            variables[OTLP] = variables[SINK]
            note = f"no collector ({error}): spans go to a server that throws them away"
        yield variables, note
