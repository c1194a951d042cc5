"""Flask-Caching: its own calls are the outermost; the back end tells one cache from another."""

from __future__ import annotations

import pytest
from cache_contract import SLOT, CacheContract
from contract import KEY, flask_app
from flask import request
from flask_caching import Cache
from support.web import call


class TestFlaskCaching(CacheContract):
    name = "flask_caching"
    holder = "cachelib.simple"
    hooks = tuple(f"flask_caching.{work}" for work in ("store", "read", "remove", "clear"))

    def make(self, folder, app):
        cache = Cache(app, config={"CACHE_TYPE": "SimpleCache"})
        entered = app.app_context()
        entered.push()
        entered.pop()
        return cache

    def raises(self, subject):
        with subject.app.app_context(), pytest.raises(TypeError) as caught:
            subject.cache.set()
        return None, caught.value


class TestFlaskCachingOnDisk(TestFlaskCaching):
    holder = "cachelib.file"
    hooks = (*TestFlaskCaching.hooks, "flask_caching.look")

    def make(self, folder, app):
        return Cache(app, config={"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(folder / "cache")})


def test_unlink_is_a_release_of_each_entry(install_rasp):
    installed = install_rasp(record=True)
    app = flask_app()
    cache = Cache(app, config={"CACHE_TYPE": "SimpleCache"})

    @app.get("/")
    def view():
        cache.set(SLOT, 1)
        return {"gone": list(cache.unlink(SLOT))}

    call(app, "/", {"X-API-Key": KEY})
    assert [action for action, _ in installed.seen("cachelib.simple")] == ["acquire", "release"]


def test_cached_views_reach_the_back_end_once(install_rasp):
    installed = install_rasp(record=True)
    app = flask_app()
    cache = Cache(app, config={"CACHE_TYPE": "SimpleCache"})

    @app.get("/")
    @cache.cached(make_cache_key=lambda: SLOT)
    def view():
        return {"key": request.headers["X-API-Key"] == KEY}

    answers = [call(app, "/", {"X-API-Key": KEY}).body for _ in range(2)]
    assert answers[0] == answers[1]
    assert installed.judged() == []
    actions = [action for action, _ in installed.seen("cachelib.simple")]
    assert actions.count("acquire") == 1
    assert set(actions) == {"acquire", "use"}
