"""Django's caches in memory, in files, in redis and in memcached; its database cache has a contract case."""

from __future__ import annotations

import hashlib

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.memcached import PyMemcacheCache
from django.core.cache.backends.redis import RedisCache
from flask import request
from support.web import call

HEADERS = {"X-API-Key": KEY}
SLOT = "claims:" + hashlib.sha256(KEY.encode()).hexdigest()
OTHER = "other:" + hashlib.sha1(KEY.encode()).hexdigest()
STORED = ("raw-token-stored", "warning", "view")


class TestLocMem(InstrumentContract):
    name = "django.cache"
    holder = "django.locmem"
    hooks = tuple(
        f"django.cache.{work}"
        for work in ("store", "store_many", "read", "read_many", "remove", "remove_many", "clear")
    )
    paths = ("/clean", "/defect", "/bulk")
    clean = ("acquire", "use", "use", "release")
    defective = ("acquire",)
    finding = ("raw-token-as-key", "warning", "defect")
    values: tuple = ()

    def make(self, folder):
        return LocMemCache("contract", {})

    def subject(self, folder):
        app, kept = flask_app(), []
        cache = self.make(folder)
        cache.clear()

        @app.get("/clean")
        def clean():
            kept.append((cache.set(SLOT, {"user": "ann"}, 60), cache.get(SLOT), SLOT in cache))
            kept.append((cache.set("plain", 1), cache.get("plain"), cache.get("missing", 3), cache.delete("plain")))
            return {"gone": cache.delete(SLOT)}

        @app.get("/defect")
        def defect():
            kept.append(cache.set(request.headers["X-API-Key"], "ann"))
            return {"ok": True}

        @app.get("/bulk")
        def bulk():
            kept.append(cache.set_many({SLOT: 1, OTHER: 2, "plain": 3}))
            kept.append(sorted(cache.get_many([SLOT, OTHER, "missing"])))
            kept.append((cache.incr(OTHER), cache.add(SLOT, 5), cache.touch(SLOT, 60)))
            kept.append(cache.delete_many([SLOT, OTHER]))
            kept.append(cache.get_or_set(SLOT, lambda: 7))
            return {"cleared": cache.clear()}

        return Subject(app, lambda: kept, lambda: self.close(cache))

    def close(self, cache):
        pass

    def raises(self, subject):
        with pytest.raises(TypeError) as caught:
            LocMemCache("contract", {}).get()
        return None, caught.value

    def judged(self, installed, view):
        app = flask_app()
        app.get("/")(view)
        assert call(app, "/", HEADERS).status == "200 OK"
        return installed.judged()

    def test_a_bulk_call_is_one_event_for_each_entry(self, install_rasp, tmp_path):
        installed = install_rasp(record=True)
        self.outcome(tmp_path / "under", "/bulk")
        actions = [action for action, _ in installed.seen(self.holder)]
        assert actions[:6] == ["acquire"] * 2 + ["use"] * 2 + ["acquire", "use"]
        assert actions[6:] == ["release"] * 2 + ["use", "acquire", "use"]
        assert installed.judged() == []
        assert installed.seen("redis", "memcached") == []

    def test_a_second_delete_is_found(self, install_rasp, tmp_path):
        installed, caches = install_rasp(), [self.make(tmp_path) for _ in range(2)]

        def view():
            caches[0].set(SLOT, 1)
            caches[0].delete(SLOT)
            return again()

        def again():
            caches[1].delete(SLOT)
            return "ok"

        assert self.judged(installed, view) == [("double-release", "warning", "again")]
        for cache in caches:
            self.close(cache)

    def test_a_callers_key_as_a_value(self, install_rasp, tmp_path):
        installed, cache = install_rasp(), self.make(tmp_path)

        def view():
            cache.set("user", {"token": request.headers["X-API-Key"]})
            return "ok"

        assert self.judged(installed, view) == list(self.values)
        self.close(cache)


class TestFileBased(TestLocMem):
    holder = "django.file"
    hooks = (*TestLocMem.hooks, "django.cache.values")
    values = (STORED,)

    def make(self, folder):
        return FileBasedCache(str(folder / "cache"), {})


class TestDjangoRedis(TestLocMem):
    holder = "django.redis"
    values = (STORED,)

    @pytest.fixture(autouse=True)
    def _server(self, redis_server):
        self.url = f"redis://127.0.0.1:{redis_server.port}/6"

    def make(self, folder):
        return RedisCache(self.url, {})

    def close(self, cache):
        for pool in cache._cache._pools.values():
            pool.disconnect()


class TestDjangoMemcached(TestLocMem):
    holder = "django.memcached"
    values = (STORED,)

    @pytest.fixture(autouse=True)
    def _server(self, memcached_server):
        self.url = f"127.0.0.1:{memcached_server.port}"

    def make(self, folder):
        return PyMemcacheCache(self.url, {})

    def close(self, cache):
        cache._cache.disconnect_all()
