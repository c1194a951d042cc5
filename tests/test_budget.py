"""What rasp may cost a request, and which requests it follows."""

from __future__ import annotations

import json
import threading

import pytest
from flask import Flask, g, request
from support.made_up import api_key
from support.web import environ, serve

import rasp
from rasp.accepted import a_budget
from rasp.ledger.budget import LARGE, LEAST, ROUTES, Budget, Sampler
from rasp.ledger.scopes import RequestScope

KEY = api_key("budget")
GIVEN = {"X-API-Key": KEY}


def told(installed):
    """(rule, severity, function) of every finding."""
    return [(found.rule, found.severity.word, found.location.function) for found in installed.findings]


def functions(installed):
    """The function of every finding, of those of one defect too; grows."""
    every = []
    installed.runtime.pipeline.report = lambda found: every.append(found.location.function)
    return every


class Clock:
    """What a budget asks: seconds spent in the request, and now."""

    def __init__(self, microseconds=None, ratio=None):
        self.spent = self.now = 0.0
        self.scope = RequestScope("GET", {})
        self.scope.mark.started = 0.0
        self.budget = Budget(microseconds, ratio, lambda: self.spent, lambda: self.scope, lambda: self.now)

    def sheds(self):
        return self.budget.stacks(), self.budget.scans()


class TestBudget:
    def test_stacks_are_shed_first_and_scans_later(self):
        clock = Clock(200)
        seen = []
        for spent in (0.0, 200e-6, 201e-6, 300e-6, 301e-6):
            clock.spent = spent
            seen.append(clock.sheds())
        assert seen == [(False, False), (False, False), (True, False), (True, False), (True, True)]
        assert clock.budget.shed == {"stacks": 3, "scans": 1}
        assert clock.scope.dropped == 4

    def test_a_share_grows_with_the_request(self):
        clock = Clock(ratio=0.1)
        clock.spent, clock.now = 1e-3, 9e-3
        assert clock.sheds() == (True, False)
        clock.now = 10e-3
        assert clock.sheds() == (False, False)

    def test_a_share_of_a_request_that_has_just_begun_is_not_nothing(self):
        clock = Clock(ratio=0.1)
        clock.spent = clock.now = LEAST
        assert clock.sheds() == (False, False)

    def test_outside_requests_nothing_is_shed(self):
        clock = Clock(1)
        clock.scope, clock.spent = None, 1.0
        assert clock.sheds() == (False, False)


@pytest.fixture
def spent(install_rasp):
    """(rasp with a budget of 100 us, ``set(seconds)``: what it is said to have taken)."""
    installed = install_rasp(overhead_budget="100us", record=True)
    now = [0.0]
    installed.runtime.budget._spent = lambda: now[0]
    return installed, lambda seconds: now.__setitem__(0, seconds)


def logging_app(text):
    app = Flask(__name__)

    @app.get("/")
    def view():
        app.logger.warning(text)
        return "ok"

    return app


class TestOverBudget:
    @pytest.mark.parametrize(("taken", "function"), [(0.0, "inner"), (1.0, "view")])
    def test_where_it_happened_is_told_only_within_it(self, spent, taken, function):
        installed, take = spent
        app = Flask(__name__)

        def inner():
            del g.key

        @app.get("/")
        def view():
            take(taken)
            g.key = request.headers["X-API-Key"]
            del g.key
            try:
                inner()
            except AttributeError:
                return "ok"

        serve(app, environ("/", GIVEN))
        assert told(installed) == [("double-release", "error", function)]
        [record] = installed.records()
        assert (record.dropped > 0) == (taken > 0)

    @pytest.mark.parametrize("taken", [0.0, 1.0])
    def test_two_releases_of_which_one_was_not_looked_at_are_taken_for_one_path(self, spent, taken):
        installed, take = spent
        app = Flask(__name__)

        @app.get("/")
        def view():
            g.key = request.headers["X-API-Key"]
            g.pop("key", None)
            take(taken)
            g.pop("key", None)
            return "ok"

        serve(app, environ("/", GIVEN))
        assert [severity for _, severity, _ in told(installed)] == ["note" if taken else "warning"]

    @pytest.mark.parametrize(
        ("taken", "size", "found"), [(0.0, LARGE, 1), (1.0, LARGE, 0), (1.0, LARGE // 2, 1), (1.2e-4, LARGE, 1)]
    )
    def test_only_very_large_texts_are_not_searched(self, spent, taken, size, found):
        installed, take = spent
        take(taken)
        serve(logging_app(KEY.ljust(size)), environ("/", GIVEN))
        assert len(told(installed)) == found
        [record] = installed.records()
        assert (record.dropped > 0) == (taken > 0)
        assert (installed.runtime.budget.shed["scans"] > 0) == (found == 0)

    def test_the_time_of_one_request_is_not_the_next_ones(self, install_rasp):
        installed = install_rasp(overhead_budget="100us")
        installed.guard.busy.spent = 1.0
        serve(logging_app("nothing"), environ("/", GIVEN))
        assert installed.guard.busy.spent < 1.0

    def test_without_a_budget_nothing_is_measured(self, observe):
        assert observe.runtime.budget is None
        assert observe.guard.measured is False


class TestSampler:
    @pytest.mark.parametrize(
        ("share", "expected"),
        [
            (0.25, "x...x...x..."),
            (0.5, "x.x.x.x.x.x."),
            (0.3, "x...x..x..x."),
            (0.75, "x.xxx.xxx.xx"),
            (0.1, "x.........x."),
        ],
    )
    def test_takes_a_share_evenly_and_the_first(self, share, expected):
        sampler = Sampler(share)
        taken = "".join(".x"[sampler.takes("/")] for _ in range(12))
        assert taken.count("x") == pytest.approx(12 * share, abs=1)
        assert taken[0] == "x"
        assert sampler.passed == taken.count(".")
        assert taken == expected

    def test_routes_are_told_apart_to_a_bound(self):
        sampler = Sampler(0.5)
        assert all(sampler.takes(number) for number in range(ROUTES))
        assert [sampler.takes("more") for _ in range(2)] == [True, False]
        assert sampler.takes("still more")
        assert len(sampler._owed) == ROUTES + 1


def two_routes():
    app = Flask(__name__)

    @app.get("/<word>")
    def named(word):
        app.logger.warning("%s", request.headers["X-API-Key"])
        return "ok"

    @app.post("/body")
    def body():
        app.logger.warning("%s", request.get_json())
        return "ok"

    @app.get("/")
    def root():
        app.logger.warning("%s", request.headers["X-API-Key"])
        return "ok"

    return app


def behind(app):
    """The app behind a middleware that is none of Flask's."""

    def middleware(made, start):
        return app(made, start)

    return rasp.Middleware(middleware)


class TestSample:
    def test_each_route_of_a_flask_app_has_its_share(self, install_rasp):
        installed = install_rasp(sample=0.5)
        app, found = two_routes(), functions(installed)
        for path in ("/a", "/b", "/c", "/d", "/", "/"):
            serve(app, environ(path, GIVEN))
        assert found == ["named", "named", "root"]
        assert installed.runtime.door.sampler.passed == 3

    def test_what_is_not_followed_is_not_live_and_counted(self, install_rasp):
        installed = install_rasp(sample=0.5, record=True)
        app, seen = two_routes(), []

        @app.before_request
        def look():
            seen.append(KEY in installed.runtime.ledger.values.exact)

        app.view_functions["root"] = lambda: ("no", 400)
        for _ in range(2):
            serve(app, environ("/", GIVEN))
        assert seen == [True, False]
        assert [(len(record.credentials), record.dropped) for record in installed.records()] == [(1, 0), (0, 1)]

    def test_a_body_that_is_not_followed_is_not_live(self, install_rasp):
        installed = install_rasp(sample=0.5)
        app, found = two_routes(), functions(installed)
        data = json.dumps({"api_key": KEY}).encode()
        for _ in range(2):
            serve(app, environ("/body", method="POST", body=data))
        assert found == ["body"]
        assert installed.runtime.door.sampler.passed == 1

    @pytest.mark.parametrize("wrapped", [rasp.Middleware, behind])
    def test_a_request_is_weighed_once(self, install_rasp, wrapped):
        installed = install_rasp(sample=0.5)
        app, found = wrapped(two_routes()), functions(installed)
        for _ in range(4):
            serve(app, environ("/", GIVEN))
        assert found == ["root", "root"]
        assert installed.runtime.door.sampler.passed == 2

    def test_apps_without_routes_have_one_share(self, install_rasp):
        installed = install_rasp(sample=0.25)
        found = functions(installed)

        def app(made, start):
            start("400 No", [("Content-Type", "text/plain")])
            return [made["HTTP_X_API_KEY"].encode()]

        for _ in range(8):
            serve(rasp.Middleware(app), environ("/", GIVEN))
        assert found == ["app", "app"]

    def test_strict_follows_all(self, install_rasp):
        assert install_rasp(mode="strict", sample=0.01).runtime.door.sampler is None

    def test_threads_lose_no_request(self, install_rasp):
        installed = install_rasp(sample=0.5)
        app, found = two_routes(), functions(installed)
        threads = [
            threading.Thread(target=lambda: [serve(app, environ("/", GIVEN)) for _ in range(10)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(found) + installed.runtime.door.sampler.passed == 40


@pytest.mark.parametrize(
    ("given", "value"),
    [("200us", 200.0), (200, 200.0), ("10%", 0.1), (0.1, 0.1), ("0", 0.0), ("0us", 0.0), ("0%", 0.0)],
)
def test_a_budget_is_microseconds_or_a_share(given, value):
    assert a_budget(given) == pytest.approx(value)


@pytest.mark.parametrize("given", ["100%", "150%", "0.5us", "-1", "nan", "us", True, None])
def test_a_budget_that_could_be_taken_for_the_other_is_none(given):
    with pytest.raises(ValueError):
        a_budget(given)
