"""Suites of other people, each in a pytest process of its own."""

from __future__ import annotations

import os
import sys

import pytest
from support.made_up import api_key

KEY = api_key("plugin")

APP = f"""
import logging
import threading

import pytest
import rasp
from flask import Flask, g, request

KEY = {KEY!r}
HEADERS = {{"X-API-Key": KEY}}
app = Flask(__name__)
app.testing = True
log = logging.getLogger("shop")


def later(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


@app.get("/fine")
def fine():
    g.key = request.headers["X-API-Key"]
    log.warning("asked")
    del g.key
    return "ok"


@app.get("/logs")
def logs():
    log.warning("asked with %s", request.headers["X-API-Key"])
    return "ok"


@app.get("/swallows")
def swallows():
    try:
        log.warning("asked with %s", request.headers["X-API-Key"])
    except Exception:
        pass
    return "ok"


@app.get("/twice")
def twice():
    g.key = request.headers["X-API-Key"]
    del g.key
    del g.key
    return "ok"


@app.get("/holds")
def holds():
    rasp.hold(request.headers["X-API-Key"], "pool")
    return "ok"


@pytest.fixture
def client():
    return app.test_client()
"""


class Project:
    """A project with an app and tests, which pytest runs in a process of its own."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in list(os.environ):
            if name.startswith(("RASP_", "_RASP_", "PYTEST_")):
                monkeypatch.delenv(name)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setenv("RASP_RULES", "unvalidated-credential=off")  # the app checks nothing: it is about the plugin
        self.pytester = pytester
        self.key = KEY

    def tests(self, source: str, name: str = "test_shop") -> None:
        """Writes a test module; the app stands above its tests."""
        self.pytester.makepyfile(**{name: APP + source})

    def run(self, *options: str) -> pytest.RunResult:
        """Runs all of them; warnings are errors, as in strict projects."""
        command = [sys.executable, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider", *options]
        return self.pytester.run(*command, timeout=60)


@pytest.fixture
def project(pytester, monkeypatch):
    return Project(pytester, monkeypatch)
