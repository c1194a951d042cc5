"""limits and Flask-Limiter: what callers are counted under, in memory and in redis and memcached, and once."""

from __future__ import annotations

import functools
import hashlib
import linecache

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from limits import parse, strategies
from limits.storage import storage_from_string
from support.web import call

HEADERS = {"X-API-Key": KEY}
LIMIT = parse("100/minute")


class TestLimitsInMemory(InstrumentContract):
    name = "limits"
    holder = "limits.memory"
    hooks = ("limits.hit", "limits.asked")
    clean = ("acquire", "use", "use", "use")
    defective = ("acquire",)
    finding = ("raw-token-as-key", "warning", "defect")
    strategy = strategies.FixedWindowRateLimiter

    def storage(self):
        return storage_from_string("memory://")

    def subject(self, folder):
        app, kept = flask_app(), []
        storage = self.storage()
        storage.reset()
        limiter = self.strategy(storage)

        @app.get("/clean")
        def clean():
            name = hashlib.sha256(request.headers["X-API-Key"].encode()).hexdigest()
            kept.append((limiter.hit(LIMIT, "api", name), limiter.test(LIMIT, "api", name)))
            kept.append((limiter.hit(LIMIT, "127.0.0.1", cost=2), limiter.get_window_stats(LIMIT, "api", name)[1]))
            return {"cleared": limiter.clear(LIMIT, "api", name)}

        @app.get("/defect")
        def defect():
            kept.append(limiter.hit(LIMIT, "api", request.headers["X-API-Key"]))
            return {"ok": True}

        return Subject(app, lambda: kept, lambda: self.close(storage))

    def close(self, storage):
        pass

    def raises(self, subject):
        limiter = self.strategy(self.storage())
        with pytest.raises(AttributeError) as caught:
            limiter.hit(None, KEY)
        self.close(limiter.storage)
        return None, caught.value


class TestLimitsMovingWindow(TestLimitsInMemory):
    strategy = strategies.MovingWindowRateLimiter


class TestLimitsSlidingWindow(TestLimitsInMemory):
    strategy = strategies.SlidingWindowCounterRateLimiter


class TestLimitsOverRedis(TestLimitsInMemory):
    holder = "limits.redis"

    @pytest.fixture(autouse=True)
    def _server(self, redis_server):
        self.url = f"redis://127.0.0.1:{redis_server.port}/3"

    def storage(self):
        return storage_from_string(self.url)

    def close(self, storage):
        storage.storage.connection_pool.disconnect()

    def test_redis_below_is_silent(self, install_rasp, tmp_path):
        installed = install_rasp(record=True)
        self.outcome(tmp_path / "under", "/clean", "/defect")
        assert installed.seen("redis") == []


class TestLimitsOverRedisMovingWindow(TestLimitsOverRedis):
    strategy = strategies.MovingWindowRateLimiter


class TestLimitsOverMemcached(TestLimitsInMemory):
    holder = "limits.memcached"

    @pytest.fixture(autouse=True)
    def _server(self, memcached_server):
        self.url = f"memcached://127.0.0.1:{memcached_server.port}"

    def subject(self, folder):
        storage = self.storage()
        storage.reset = storage.storage.flush_all
        self.storage, made = lambda: storage, self.storage
        try:
            return super().subject(folder)
        finally:
            self.storage = made

    def storage(self):
        return storage_from_string(self.url)

    def close(self, storage):
        storage.storage.close()


def passed(function):
    """A decorator of the app's own."""

    @functools.wraps(function)
    def inner():
        return function()

    return inner


@passed
def raw_key():
    return request.headers["X-API-Key"]


def digest_key():
    return hashlib.sha256(request.headers["X-API-Key"].encode()).hexdigest()


def limited(key_function, url="memory://"):
    app = flask_app()
    limiter = Limiter(key_function, app=app, default_limits=["1000/hour", "100/minute"], storage_uri=url)

    @app.get("/")
    def view():
        return "ok"

    return app, limiter


@pytest.mark.parametrize(
    ("function", "name", "line"),
    [(raw_key, "raw_key", "def raw_key():"), (lambda: request.headers["X-API-Key"], "<lambda>", "lambda: request")],
)
def test_a_key_function_is_where_its_raw_key_is_found(install_rasp, function, name, line):
    installed = install_rasp()
    app, _ = limited(function)
    assert [call(app, "/", HEADERS).status for _ in range(3)] == ["200 OK"] * 3
    assert set(installed.judged()) == {("raw-token-as-key", "warning", name)}
    places = {found.location.line for found in installed.findings}
    assert [line in linecache.getline(__file__, place) for place in places] == [True]


@pytest.mark.parametrize("function", [digest_key, get_remote_address])
def test_a_key_function_that_shows_no_key_is_fine(install_rasp, function):
    installed = install_rasp()
    app, _ = limited(function)
    assert [call(app, "/", HEADERS).status for _ in range(3)] == ["200 OK"] * 3
    assert installed.findings == []


def test_flask_limiter_over_redis_is_found_once(install_rasp, redis_server):
    installed = install_rasp(record=True)
    app, limiter = limited(raw_key, f"redis://127.0.0.1:{redis_server.port}/4")
    assert call(app, "/", HEADERS).status == "200 OK"
    assert installed.judged() == [("raw-token-as-key", "warning", "raw_key")]
    assert installed.seen("redis") == []
    assert [holder for _, holder in installed.seen("limits.redis")] == ["limits.redis"] * 2
    limiter.storage.storage.connection_pool.disconnect()


def test_a_limit_inside_a_view_is_found_there(install_rasp):
    installed = install_rasp()
    app, limiter = limited(get_remote_address)

    @app.get("/inside")
    def inside():
        with limiter.limit("10/minute", key_func=raw_key):
            return "ok"

    assert call(app, "/inside", HEADERS).status == "200 OK"
    assert installed.judged() == [("raw-token-as-key", "warning", "inside")]
