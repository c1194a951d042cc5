"""What has to be written before rasp goes, and what must not stay when it has gone."""

from __future__ import annotations

import atexit

import pytest
from flask import Flask
from support.made_up import api_key
from support.web import call

from rasp import runtime as process


@pytest.fixture
def served(install_rasp):
    """A runtime that has recorded some requests, on its own thread."""
    installed = install_rasp(record=True)
    app = Flask("uninstall_app")
    app.add_url_rule("/", "view", lambda: "ok")
    for _ in range(50):
        call(app, "/", {"X-API-Key": api_key("uninstall")})
    return installed


def test_every_record_is_written_before_it_goes(served):
    process.uninstall()
    assert len(served.memory.records) == 50
    assert served.memory.closed == 1


def test_nothing_is_left_for_the_end_of_the_process(served, monkeypatch):
    removed, unregister = [], atexit.unregister
    monkeypatch.setattr(atexit, "unregister", lambda function: (removed.append(function), unregister(function)))
    process.uninstall()
    assert served.runtime._exit in removed
    assert served.runtime.recorder.drain in removed


def test_a_second_uninstall_does_nothing(served):
    process.uninstall()
    process.uninstall()
    assert served.memory.closed == 1
