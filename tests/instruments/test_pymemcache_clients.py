"""pymemcache against a real memcached: one client, a pool, a ring of servers."""

from __future__ import annotations

import hashlib

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from pymemcache.client.base import Client, PooledClient
from pymemcache.client.hash import HashClient
from pymemcache.client.retrying import RetryingClient
from pymemcache.exceptions import MemcacheIllegalInputError
from pymemcache.serde import pickle_serde
from support.web import call

import rasp

HEADERS = {"X-API-Key": KEY}
SLOT = "claims:" + hashlib.sha256(KEY.encode()).hexdigest()
OTHER = "other:" + hashlib.sha1(KEY.encode()).hexdigest()


class TestClient(InstrumentContract):
    name = "pymemcache"
    holder = "memcached"
    hooks = tuple(
        f"pymemcache.{work}"
        for work in (
            "store", "store_many", "read", "read_many", "remove", "remove_many", "values", "clear", "gets",
        )
    )  # fmt: skip
    paths = ("/clean", "/defect", "/bulk", "/clear")
    clean = ("acquire", "use", "use", "release")
    defective = ("acquire",)
    finding = ("raw-token-as-key", "warning", "defect")

    @pytest.fixture(autouse=True)
    def _server(self, memcached_server):
        self.server = memcached_server

    def make(self, **options):
        return Client(("127.0.0.1", self.server.port), **options)

    def subject(self, folder):
        app, kept = flask_app(), []
        client = self.make()
        client.flush_all(noreply=False)

        @app.get("/clean")
        def clean():
            kept.append((client.set(SLOT, "ann", expire=60), client.get(SLOT), client.gets(SLOT)[0]))
            kept.append((client.set("plain", 1), client.get("plain"), client.get("missing", default=3)))
            return {"gone": client.delete(SLOT, noreply=False)}

        @app.get("/defect")
        def defect():
            kept.append(client.set(request.headers["X-API-Key"], "ann"))
            return {"ok": True}

        @app.get("/bulk")
        def bulk():
            kept.append(client.set_many({SLOT: 1, OTHER: 2, "plain": 3}))
            kept.append(sorted(client.get_many([SLOT, OTHER, "missing"])))
            kept.append(client.incr(OTHER, 5))
            return {"gone": client.delete_many((SLOT, OTHER, "plain"))}

        @app.get("/clear")
        def clear():
            client.set(SLOT, 1, noreply=False)
            kept.append((client.flush_all(noreply=False), client.get(SLOT)))
            return {"ok": client.delete(SLOT, noreply=False)}

        return Subject(app, lambda: kept, client.close)

    def raises(self, subject):
        client = self.make()
        with pytest.raises(MemcacheIllegalInputError) as caught:
            client.get("a key with spaces")
        client.close()
        return None, caught.value

    def judged(self, installed, view):
        app = flask_app()
        app.get("/")(view)
        assert call(app, "/", HEADERS).status == "200 OK"
        return installed.judged()

    def test_a_bulk_call_is_one_event_for_each_entry(self, install_rasp, tmp_path):
        installed = install_rasp(record=True)
        self.outcome(tmp_path / "under", "/bulk", "/clear")
        actions = [action for action, _ in installed.seen(self.holder)]
        bulk = ["acquire"] * 2 + ["use"] * 2 + ["acquire"] + ["release"] * 2
        assert actions == [*bulk, "acquire", "use", "release"]
        assert installed.judged() == []

    @pytest.mark.parametrize("noreply", [True, False])
    def test_a_second_delete_is_found_whether_or_not_the_server_answers(self, install_rasp, noreply):
        installed, client = install_rasp(), self.make()

        def view():
            client.set(SLOT, 1)
            client.delete(SLOT, noreply=noreply)
            return again()

        def again():
            client.delete(SLOT, noreply=noreply)
            return "ok"

        assert self.judged(installed, view) == [("double-release", "warning", "again")]
        client.close()

    def test_an_entry_stored_anew_is_released_anew(self, install_rasp):
        installed, client = install_rasp(), self.make()

        def view():
            for _ in range(3):
                client.set(SLOT, 1)
                client.delete(SLOT)
            assert client.add(SLOT, 1, noreply=False)
            assert not client.add(SLOT, 2, noreply=False)
            assert client.delete(SLOT, noreply=False)
            return "ok"

        assert self.judged(installed, view) == []
        assert installed.findings == []
        client.close()

    def test_a_callers_key_as_a_value_is_found_once(self, install_rasp):
        installed, client = install_rasp(), self.make(serde=pickle_serde)

        def view():
            client.set("user:1", {"name": "ann", "tokens": [request.headers["X-API-Key"]]})
            return "ok"

        assert self.judged(installed, view) == [("raw-token-stored", "warning", "view")]
        client.close()

    def test_a_prefix_belongs_to_the_name(self, install_rasp):
        installed = install_rasp()
        first, second = (self.make(key_prefix=prefix) for prefix in (b"a:", b"b:"))

        def view():
            for client in (first, second):
                client.set(SLOT, 1)
                client.delete(SLOT)
            return "ok"

        assert self.judged(installed, view) == []
        first.close()
        second.close()


class TestPooledClient(TestClient):
    def make(self, **options):
        return PooledClient(("127.0.0.1", self.server.port), max_pool_size=2, **options)


class TestHashClient(TestClient):
    hooks = tuple(hook for hook in TestClient.hooks if hook != "pymemcache.remove_many")  # it deletes one by one

    def make(self, **options):
        return HashClient([("127.0.0.1", self.server.port)], **options)


class TestRetryingClient(TestClient):
    def make(self, **options):
        return RetryingClient(super().make(**options), attempts=2)

    def test_strict_raises_what_observe_reports(self, install_rasp, tmp_path):
        """It tries again what strict has raised, and so swallows the first of two."""
        installed = install_rasp(mode="strict")
        with self.built(tmp_path / "strict") as subject, pytest.raises(rasp.RawTokenAsKey):
            self.call(subject, "/defect")
        assert len(installed.runtime.pipeline.pending) == 1
        installed.runtime.pipeline.pending.clear()


def test_an_entry_is_an_item_too(install_rasp, memcached_server):
    installed, app = install_rasp(record=True), flask_app()
    client = Client(("127.0.0.1", memcached_server.port))

    @app.get("/")
    def view():
        client[SLOT] = "ann"
        found = client[SLOT].decode()
        del client[SLOT]
        return found

    assert call(app, "/", HEADERS).body == b"ann"
    assert [action for action, _ in installed.seen("memcached")] == ["acquire", "use", "release"]
    client.close()
