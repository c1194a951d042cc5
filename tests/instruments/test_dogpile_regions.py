"""dogpile.cache: regions over memory, DBM, redis, valkey and memcached; keys as they are mangled."""

from __future__ import annotations

import hashlib

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app
from dogpile.cache import make_region
from dogpile.cache.util import sha1_mangle_key
from flask import request
from support.web import call

HEADERS = {"X-API-Key": KEY}
SLOT = "claims:" + hashlib.sha256(KEY.encode()).hexdigest()
OTHER = "other:" + hashlib.sha1(KEY.encode()).hexdigest()
DELETES = ("dogpile.remove", "dogpile.remove_many")


class TestMemory(InstrumentContract):
    name = "dogpile"
    holder = "dogpile.memory"
    hooks = (
        *(f"dogpile.{work}" for work in ("store", "store_many", "read", "read_many")),
        "dogpile.look",
        "dogpile.removed",
    )
    paths = ("/clean", "/defect", "/bulk")
    clean = ("acquire", "use", "release")
    defective = ("acquire",)
    finding = ("raw-token-as-key", "warning", "defect")
    stored_values: list = []  # noqa: RUF012 - what is found of a value that is stored

    def make(self, folder):
        return make_region().configure("dogpile.cache.memory")

    def close(self, region):
        pass

    def subject(self, folder):
        app, kept = flask_app(), []
        region = self.make(folder)
        region.delete_multi([SLOT, OTHER, "plain", KEY])

        @app.get("/clean")
        def clean():
            kept.append((region.set(SLOT, {"user": "ann"}), region.get(SLOT), region.delete(SLOT)))
            kept.append((region.set("plain", 1), region.get("plain"), bool(region.get("missing"))))
            return {"left": bool(region.get("plain"))}

        @app.get("/defect")
        def defect():
            kept.append(region.set(request.headers["X-API-Key"], "ann"))
            return {"ok": True}

        @app.get("/bulk")
        def bulk():
            kept.append(region.set_multi({SLOT: 1, OTHER: 2, "plain": 3}))
            kept.append([bool(found) for found in region.get_multi([SLOT, OTHER, "missing"])])
            kept.append(region.delete_multi([SLOT, OTHER]))
            return {"made": region.get_or_create(SLOT, lambda: 5)}

        return Subject(app, lambda: kept, lambda: self.close(region))

    def raises(self, subject):
        with pytest.raises(TypeError) as caught:
            self.make_anything().get()
        return None, caught.value

    def make_anything(self):
        return make_region().configure("dogpile.cache.memory")

    def judged(self, installed, view):
        app = flask_app()
        app.get("/")(view)
        assert call(app, "/", HEADERS).status == "200 OK"
        return installed.judged()

    def test_a_bulk_call_is_one_event_for_each_entry(self, install_rasp, tmp_path):
        installed = install_rasp(record=True)
        self.outcome(tmp_path / "under", "/bulk")
        actions = [action for action, _ in installed.seen(self.holder)]
        assert actions == ["acquire"] * 2 + ["use"] * 2 + ["release"] * 2 + ["use"] * (len(actions) - 7) + ["acquire"]
        assert installed.judged() == []
        assert installed.seen("redis", "valkey", "memcached") == []

    def test_a_second_delete_is_found(self, install_rasp, tmp_path):
        installed, region = install_rasp(), self.make(tmp_path)

        def view():
            region.set(SLOT, 1)
            region.delete(SLOT)
            return again()

        def again():
            region.delete(SLOT)
            return "ok"

        assert self.judged(installed, view) == [("double-release", "warning", "again")]
        self.close(region)

    def test_a_callers_key_as_a_value(self, install_rasp, tmp_path):
        installed, region = install_rasp(), self.make(tmp_path)

        def view():
            region.set("user", {"token": request.headers["X-API-Key"]})
            return "ok"

        assert self.judged(installed, view) == self.stored_values
        self.close(region)

    def test_a_mangled_key_is_no_raw_key(self, install_rasp, tmp_path):
        installed, region = install_rasp(), self.make(tmp_path)
        region.key_mangler = lambda key: sha1_mangle_key(key.encode())

        @region.cache_on_arguments()
        def user_of(token):
            return "ann"

        def view():
            region.set(KEY, 1)
            user_of(KEY)
            user_of.invalidate(KEY)
            return "ok"

        assert self.judged(installed, view) == []
        self.close(region)

    def test_a_creator_is_the_apps_code(self, install_rasp, tmp_path):
        installed, region, inner = install_rasp(), self.make(tmp_path), self.make_anything()

        @region.cache_on_arguments(namespace="one")
        def user_of(name):
            inner.set(request.headers["X-API-Key"], 1)
            return "ann"

        def view():
            region.delete_multi([user_of.original.__name__])
            user_of.invalidate("x")
            return user_of("x")

        assert self.judged(installed, view) == [("raw-token-as-key", "warning", "user_of")]
        self.close(region)


class TestPickledMemory(TestMemory):
    def make(self, folder):
        return make_region().configure("dogpile.cache.memory_pickle")


class TestDBM(TestMemory):
    holder = "dogpile.dbm"
    hooks = (*TestMemory.hooks[:4], *DELETES, "dogpile.values")
    stored_values = [("raw-token-stored", "warning", "view")]  # noqa: RUF012

    def make(self, folder):
        folder.mkdir(exist_ok=True)
        return make_region().configure("dogpile.cache.dbm", arguments={"filename": str(folder / "cache.dbm")})


class TestRedis(TestMemory):
    holder = "dogpile.redis"
    hooks = (*TestMemory.hooks[:4], *DELETES)
    stored_values = [("raw-token-stored", "warning", "view")]  # noqa: RUF012
    kind = "redis"

    @pytest.fixture(autouse=True)
    def _server(self, redis_server):
        self.server = redis_server

    def make(self, folder):
        arguments = {"host": "127.0.0.1", "port": self.server.port, "db": 5}
        return make_region().configure(f"dogpile.cache.{self.kind}", arguments=arguments)

    def close(self, region):
        region.backend.writer_client.connection_pool.disconnect()


class TestValkey(TestRedis):
    holder = "dogpile.valkey"
    kind = "valkey"


class TestMemcached(TestMemory):
    holder = "dogpile.memcached"
    hooks = (*TestMemory.hooks[:4], *DELETES)
    stored_values = [("raw-token-stored", "warning", "view")]  # noqa: RUF012

    @pytest.fixture(autouse=True)
    def _server(self, memcached_server):
        self.server = memcached_server

    def make(self, folder):
        arguments = {"url": [f"127.0.0.1:{self.server.port}"]}
        return make_region().configure("dogpile.cache.pymemcache", arguments=arguments)

    def close(self, region):
        region.backend.client.close()
