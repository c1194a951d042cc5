"""Whatever is given up to save time, a second native release is withheld."""

from __future__ import annotations

import pytest
from flask import Flask
from support.web import environ, serve

SECRET = b"sk_made_up_3f9a1c7e5b2d4860"


def app_with(lib):
    app = Flask(__name__)

    @app.get("/")
    def view():
        handle = lib.key_open(SECRET)
        lib.key_free(handle)
        lib.key_free(handle)
        return "ok"

    return app


def actions(rasp):
    return [(found.rule, found.severity.word, found.action_taken) for found in rasp.findings]


WITHHELD = ("double-release", "error", "call skipped")


def test_in_a_request_that_is_not_followed(native, load):
    rasp = native(sample=0.01)
    app, actions = app_with(load()), []
    rasp.runtime.pipeline.report = lambda found: actions.append(found.action_taken)
    for _ in range(3):
        serve(app, environ("/", {"X-API-Key": SECRET.decode()}))
    assert rasp.runtime.door.sampler.passed == 2
    assert actions == ["call skipped"] * 3


@pytest.mark.parametrize("budget", ["1us", "0.0001%"])
def test_over_budget(native, load, budget):
    rasp = native(overhead_budget=budget)
    rasp.runtime.budget._spent = lambda: 1000.0
    serve(app_with(load()), environ("/", {"X-API-Key": SECRET.decode()}))
    assert actions(rasp) == [WITHHELD]
    assert rasp.findings[0].location.function == "view"
    assert rasp.runtime.budget.shed["stacks"] > 0
