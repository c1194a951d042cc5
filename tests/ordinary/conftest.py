"""Each ordinary app is driven twice: with rasp observing, and with rasp ready to raise."""

from __future__ import annotations

import logging
import socket
import subprocess

import pytest
from ordinary.sites import Silence
from support.packages import needed


@pytest.fixture(params=["observe", "strict"])
def silence(request, install_rasp, caplog):
    """rasp installed, and held to silence when the test is over; everything logged at INFO is rendered."""
    caplog.set_level(logging.INFO)
    caplog.handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    silence = Silence(install_rasp(mode=request.param, record=True), request.param)
    yield silence
    silence.end()
    silence.check()


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory):
    """A redis server of our own that keeps nothing on disk."""
    command = needed("redis-server", "redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with subprocess.Popen([command, *options], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as server:
        for line in server.stdout:
            if b"Ready to accept connections" in line:
                break
        yield port
        server.terminate()


@pytest.fixture
def redis_client(redis_port):
    """A client of an empty redis."""
    import redis

    client = redis.Redis(port=redis_port)
    client.flushall()
    yield client
    client.close()
