"""A worker under load that releases every key twice: nothing reaches the library twice, and nothing grows."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

APP = """\
import ctypes, os
from flask import Flask, g
lib = ctypes.CDLL("./libkeys.so")
lib.key_open.argtypes, lib.key_open.restype = [ctypes.c_char_p], ctypes.c_void_p
lib.key_free.argtypes, lib.key_free.restype = [ctypes.c_void_p], None
app = Flask(__name__)

@app.get("/double/<int:times>")
def double(times):
    for number in range(times):
        handle = lib.key_open(b"sk_made_up_%06d" % number)
        lib.key_free(handle)
        lib.key_free(handle)
    return memory()

@app.get("/memory")
def memory():
    with open("/proc/self/statm") as file:
        return f"{os.getpid()} {int(file.read().split()[1]) * 4}"
"""


@pytest.fixture
def server(tmp_path, built):
    """gunicorn gthread with one worker, under rasp in mode observe."""
    pytest.importorskip("gunicorn")
    shutil.copy(built, tmp_path / "libkeys.so")
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "rasp.toml").write_text(
        '[[native]]\nlibrary = "libkeys"\nacquire = ["key_open"]\nrelease = ["key_free"]\n'
    )
    command = [sys.executable, "-m", "rasp", "run", "--findings", "findings.jsonl", "--", sys.executable, "-m"]
    command += ["gunicorn", "-k", "gthread", "-w", "1", "--threads", "4", "-b", "127.0.0.1:0", "app:app"]
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(command, cwd=tmp_path, stderr=log, stdin=subprocess.DEVNULL)
    try:
        yield process, _address(process, tmp_path / "log")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        log.close()


def _address(process, log):
    """Where it listens, once it answers."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        found = re.search(r"Listening at: http://127\.0\.0\.1:(\d+)", log.read_text())
        if found:
            with socket.create_connection(("127.0.0.1", int(found[1])), 30):
                return f"http://127.0.0.1:{found[1]}"
        select_pause(process)
    raise AssertionError(log.read_text())


def select_pause(process):
    """Lets a server that is starting have the processor, or notices its end."""
    try:
        process.wait(0.05)
    except subprocess.TimeoutExpired:
        return


def ask(url):
    with urllib.request.urlopen(url, timeout=120) as reply:
        pid, kilobytes = reply.read().split()
    return int(pid), int(kilobytes)


def test_ten_thousand_double_releases_in_a_row(server, tmp_path):
    process, url = server
    worker, _ = ask(f"{url}/memory")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, [f"{url}/double/100"] * 40))
        _, before = ask(f"{url}/memory")
        answers = list(pool.map(ask, [f"{url}/double/100"] * 60))
    pid, after = ask(f"{url}/memory")
    assert {pid, *(number for number, _ in answers)} == {worker}, "the worker is the one that started"
    assert after - before <= 2_000, "kilobytes over the last 6,000"
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    lines = [json.loads(line) for line in (tmp_path / "findings.jsonl").read_text().splitlines()]
    latest = {line["key"]: line for line in lines if line["severity"] == "error"}
    assert [(line["rule"], line["action_taken"], line["count"]) for line in latest.values()] == [
        ("double-release", "call skipped", 10_000)
    ]
