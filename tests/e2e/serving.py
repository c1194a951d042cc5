"""Starts real servers in processes of their own, under ``rasp run`` or bare, and reads what they left."""

from __future__ import annotations

import http.client
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
PYTHON = sys.executable
PATIENCE = 60
"""Seconds after which something that should have happened is given up."""

LISTENING = re.compile(
    r"(?:(?:Listening at|Running on|Serving on|running on)[^\n]*?http://|bound to TCP address )127\.0\.0\.1:(\d+)"
)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def command_of(name: str) -> str:
    """A console script of this environment."""
    return str(Path(PYTHON).parent / name)


def gunicorn(app: str, *options: str) -> list[str]:
    """gunicorn with one worker on a free port."""
    return [PYTHON, "-m", "gunicorn", "--no-control-socket", "-b", "127.0.0.1:0", *options, app]


def clean_environ(**variables: str) -> dict[str, str]:
    """This process's variables without those that would change what rasp or a server does."""
    foreign = ("RASP_", "_RASP_", "OTEL_", "FLASK_", "GUNICORN_", "PYTEST_", "PYTHONPATH", "WERKZEUG_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    ours = {"RASP_RULES": "unvalidated-credential=off"}  # the apps check nothing: they are about servers
    return kept | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"} | ours | variables


class Reply:
    """An HTTP response: ``raw`` is all of it but the date."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.headers = [(name, value) for name, value in headers if name.lower() != "date"]
        self.body = body
        self.raw = (status, self.headers, body)

    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """A server process; its output is read line by line, and it is ready once it says where it listens."""

    def __init__(
        self,
        folder: Path,
        command: list[str],
        *,
        mode: str | None = "observe",
        config: str = "",
        **variables: str,
    ) -> None:
        self.folder = folder
        self.findings_file = folder / "findings.jsonl"
        self.events_file = folder / "events.jsonl"
        if config:
            (folder / "rasp.toml").write_text(config)
        if mode is not None:
            files = ["--findings", str(self.findings_file), "--events", str(self.events_file)]
            command = [PYTHON, "-m", "rasp", "run", "--mode", mode, *files, "--", *command]
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=clean_environ(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = int(self.wait_for(LISTENING)[1])

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._queue.put(_COLOURS.sub("", line.decode("utf-8", "replace")))
        self._queue.put(None)

    def wait_for(self, pattern: str | re.Pattern[str]) -> re.Match[str]:
        """The first line not yet looked at that matches; what the server wrote if there is none."""
        while True:
            try:
                line = self._queue.get(timeout=PATIENCE)
            except queue.Empty:
                line = None
            if line is None:
                self.kill()
                raise AssertionError(f"no line matches {pattern!r} in:\n{''.join(self.lines)}")
            self.lines.append(line)
            found = re.search(pattern, line)
            if found:
                return found

    def get(self, path: str, **headers: str) -> Reply:
        """One request on a connection of its own, until the server closes that; ``_`` in names stands for ``-``.

        A caller has the whole response before the server is done with the request; that is when it closes.
        """
        lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as client:
            client.sendall("\r\n".join([*lines, "", ""]).encode())
            response = http.client.HTTPResponse(client)
            response.begin()
            body = response.read()
            while client.recv(4096):
                pass
            return Reply(response.status, response.getheaders(), body)

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def raw(self, request: bytes) -> bytes:
        """Sends bytes as they are; everything until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as client:
            client.sendall(request)
            with client.makefile("rb") as reply:
                return reply.read()

    def together(self, *requests: tuple[str, dict[str, str]]) -> list[Reply]:
        """Requests that overlap, each on a thread and a connection of its own."""
        replies: list[Reply | None] = [None] * len(requests)

        def call(index: int, path: str, headers: dict[str, str]) -> None:
            replies[index] = self.get(path, **headers)

        threads = [
            threading.Thread(target=call, args=(index, path, headers)) for index, (path, headers) in enumerate(requests)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert None not in replies, self.lines
        return [reply for reply in replies if reply is not None]

    def stop(self, *, interrupt: bool = False) -> int:
        """Ends the server with SIGTERM, or as Ctrl+C in its terminal does; the status of what was started."""
        if self._process.poll() is None:
            if interrupt:
                os.killpg(self._process.pid, signal.SIGINT)
            else:
                self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(PATIENCE)
        finally:
            self.kill()
        return status

    def kill(self) -> None:
        """Ends what is left of the process's own session, and reads its last lines."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        while not self._queue.empty():
            line = self._queue.get()
            if line is not None:
                self.lines.append(line)
        if self._process.stdout is not None:
            self._process.stdout.close()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def findings(self) -> list[dict[str, Any]]:
        return read_lines(self.findings_file)

    def records(self) -> list[dict[str, Any]]:
        return read_lines(self.events_file)


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The objects of a JSON-lines file; none where there is no file."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def copy_apps(folder: Path) -> Path:
    """The test apps in a folder of their own: the servers' working directory and project root."""
    shutil.copytree(HERE / "apps", folder, dirs_exist_ok=True)
    return folder


def marked(file: str, mark: str) -> int:
    """The line of a test app that ends in ``# here: <mark>``."""
    lines = (HERE / "apps" / file).read_text().splitlines()
    found = [number for number, line in enumerate(lines, 1) if line.endswith(f"# here: {mark}")]
    assert len(found) == 1, (file, mark, found)
    return found[0]


def places(findings: list[dict[str, Any]], *, notes: bool = False) -> list[tuple[str, str, int]]:
    """(rule, file, line) of each finding, sorted; without notes unless asked for."""
    return sorted(
        (found["rule"], found["location"]["file"], found["location"]["line"])
        for found in findings
        if notes or found["severity"] != "note"
    )
