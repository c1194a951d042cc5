"""Real redis and memcached, started by the tests on free loopback ports and stopped by their own pid."""

from __future__ import annotations

import getpass
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.packages import needed

PATIENCE = 30


@dataclass(frozen=True)
class Server:
    """Where a server listens; ``socket`` is its Unix socket, if it has one."""

    port: int
    socket: str = ""
    host: str = "127.0.0.1"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> Callable[[], bool]:
    """Whether somebody listens there by now."""

    def asked() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return asked


@contextmanager
def running(command: list[str], ready: Callable[[], bool], folder: Path) -> Iterator[None]:
    """A server process, from when it is ready."""
    command = [needed(command[0], command[0]), *command[1:]]
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + PATIENCE
        while not ready():
            assert time.monotonic() < until, f"{command[0]} is not ready"
            try:
                process.wait(0.01)
            except subprocess.TimeoutExpired:
                continue
            raise AssertionError(f"{command[0]} ended with {process.returncode}")
        yield
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def redis_command(port: int, *options: str) -> list[str]:
    """redis without persistence."""
    return ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *options]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory) -> Iterator[Server]:
    """A redis server of this session's own."""
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    with running(redis_command(port, "--unixsocket", "redis.sock"), answers(port), folder):
        yield Server(port, str(folder / "redis.sock"))


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory) -> Iterator[Server]:
    """A cluster of one node that has all slots."""
    folder, port, bus = tmp_path_factory.mktemp("cluster"), free_port(), free_port()
    command = redis_command(port, "--cluster-enabled", "yes", "--cluster-port", str(bus))
    with running(command, answers(port), folder):
        assert said(port, b"CLUSTER ADDSLOTSRANGE 0 16383\r\n").startswith(b"+OK")
        until = time.monotonic() + PATIENCE
        while b"cluster_state:ok" not in said(port, b"CLUSTER INFO\r\n"):
            assert time.monotonic() < until, "the cluster is not ready"
        yield Server(port)


@pytest.fixture(scope="session")
def memcached_server(tmp_path_factory) -> Iterator[Server]:
    """A memcached server of this session's own."""
    folder, port = tmp_path_factory.mktemp("memcached"), free_port()
    command = ["memcached", "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-u", getpass.getuser()]
    with running(command, answers(port), folder):
        yield Server(port)


def said(port: int, command: bytes) -> bytes:
    """What a server answers to one inline command, in one piece."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        connection.sendall(command)
        return connection.recv(65_536)
