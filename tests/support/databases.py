"""Real database servers, each with an empty folder of its own and on a free port of the loopback interface."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.packages import needed

PATIENCE = 60


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def folder(owner: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """An empty folder of a user's, and what ``subprocess`` needs to run as that user; as root these refuse to run."""
    made = Path(tempfile.mkdtemp(prefix="rasp-database-"))
    run_as: dict[str, str] = {}
    if os.geteuid() == 0:
        account = pwd.getpwnam(owner)
        os.chown(made, account.pw_uid, account.pw_gid)
        run_as = {"user": owner, "group": owner}
    try:
        yield made, run_as
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server; its URI."""
    programs = Path(needed("initdb", "postgresql", "/usr/lib/postgresql/*/bin/initdb")).parent
    port = free_port()
    with folder("postgres") as (data, run_as):

        def run(*command: str) -> None:
            subprocess.run(
                [programs / command[0], *command[1:]],
                cwd=data,
                check=True,
                timeout=PATIENCE,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                **run_as,
            )

        run("initdb", "--pgdata", "data", "--username", "rasp", "--auth", "trust", "--no-sync")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        run("pg_ctl", "start", "--wait", "--pgdata", "data", "--log", "log", "--options", options)
        try:
            yield f"postgresql://rasp@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "stop", "--wait", "--mode", "immediate", "--pgdata", "data")


@contextmanager
def mariadb() -> Iterator[int]:
    """A MariaDB server with a database ``test`` and a user ``root`` without a password; its port."""
    needed("mariadbd", "mariadb-server")
    port = free_port()
    with folder("mysql") as (data, run_as):
        where = ["--no-defaults", f"--datadir={data}/data"]
        subprocess.run(
            ["mariadb-install-db", *where, "--auth-root-authentication-method=normal", "--skip-name-resolve"],
            cwd=data,
            check=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **run_as,
        )
        network = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={data}/socket"]
        server = subprocess.Popen(
            ["/usr/sbin/mariadbd", *where, *network],
            cwd=data,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            **run_as,
        )
        try:
            assert server.stderr is not None
            if not any("ready for connections" in line for line in server.stderr):
                raise AssertionError("MariaDB did not start")
            yield port
        finally:
            server.terminate()
            server.communicate(timeout=PATIENCE)
