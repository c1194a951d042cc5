"""redis and valkey against a real server: single commands, pipelines, scripts, hashes and sets, a cluster."""

from __future__ import annotations

import hashlib
import json
import pickle
from contextlib import contextmanager

import pytest
import redis
import valkey
from cachelib import RedisCache
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from redis.cluster import RedisCluster
from support.made_up import api_key
from support.web import call
from valkey.cluster import ValkeyCluster

from rasp import runtime as process
from rasp.instruments.redis_commands import COMMANDS
from rasp.instruments.redis_scripts import stores

DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
SLOT = "claims:" + DIGEST
HEADERS = {"X-API-Key": KEY}


class TestRedis(InstrumentContract):
    name = holder = "redis"
    hooks = ("redis.command", "redis.queue", "redis.pipeline", "redis.script")
    paths = ("/clean", "/defect", "/pipeline", "/script")
    clean = ("acquire", "use", "use", "release")
    defective = ("acquire",)
    finding = ("raw-token-as-key", "warning", "defect")
    library, client = redis, redis.Redis

    @pytest.fixture(autouse=True)
    def _server(self, redis_server):
        self.server = redis_server

    def subject(self, folder):
        app, kept = flask_app(), []
        client = self.client(port=self.server.port)
        client.flushdb()

        @app.get("/clean")
        def clean():
            kept.append((client.set(SLOT, "ann", ex=60), client.get(SLOT), client.exists(SLOT)))
            kept.append((client.set("plain", 1), client.get("plain"), client.get("missing"), client.delete("plain")))
            return {"gone": client.delete(SLOT)}

        @app.get("/defect")
        def defect():
            kept.append(client.set(request.headers["X-API-Key"], "ann"))
            return {"ok": True}

        @app.get("/pipeline")
        def pipeline():
            with client.pipeline() as pipe:
                pipe.set(SLOT, 1).get(SLOT).incr("plain").delete(SLOT)
                kept.append(pipe.execute())
            with client.pipeline() as pipe:
                pipe.watch(SLOT)
                kept.append(pipe.get(SLOT))
                pipe.multi()
                pipe.set(SLOT, 2)
                kept.append(pipe.execute())
            return {"empty": client.pipeline().execute()}

        @app.get("/script")
        def script():
            count = client.register_script("return redis.call('INCR', KEYS[1])")
            kept.append((count(keys=["n:" + DIGEST]), count(keys=["n:" + DIGEST])))
            kept.append(client.eval("return redis.call('GET', KEYS[1])", 1, "n:" + DIGEST))
            return {"ok": True}

        return Subject(app, lambda: kept, client.connection_pool.disconnect)

    def raises(self, subject):
        with self.connected() as client:
            client.set("text", "no number")
            with pytest.raises(self.library.ResponseError) as caught:
                client.incr("text")
        return None, caught.value

    @contextmanager
    def connected(self, **options):
        client = self.client(port=self.server.port, **options)
        client.flushdb()
        try:
            yield client
        finally:
            client.connection_pool.disconnect()

    def seen(self, installed, view, headers=HEADERS):
        """The events of one request, and what is judged."""
        app = flask_app()
        app.get("/")(view)
        assert call(app, "/", headers).status == "200 OK"
        return [action for action, _ in installed.seen(self.holder)], installed.judged()

    def test_a_pipeline_is_judged_when_it_is_executed(self, install_rasp, tmp_path):
        installed = install_rasp(record=True)
        self.outcome(tmp_path / "under", "/pipeline")
        actions = [action for action, _ in installed.seen(self.holder)]
        assert actions == ["acquire", "use", "release", "use", "use", "acquire"]
        assert installed.judged() == []

    def test_a_pipeline_that_is_never_executed_does_nothing(self, install_rasp):
        installed = install_rasp(record=True)
        with self.connected() as client:

            def view():
                with client.pipeline() as pipe:
                    pipe.set(KEY, 1)
                return "ok"

            assert self.seen(installed, view) == ([], [])

    def test_a_script_that_stores_opens_an_entry(self, install_rasp, tmp_path):
        installed = install_rasp(record=True)
        self.outcome(tmp_path / "under", "/script")
        assert [action for action, _ in installed.seen(self.holder)] == ["acquire", "acquire", "use"]

    def test_a_script_with_a_raw_key_is_found(self, install_rasp):
        installed = install_rasp(record=True)
        with self.connected() as client:
            limit = client.register_script("redis.call('incr', KEYS[1]) return 1")

            def view():
                limit(keys=["limit:" + KEY])
                return "ok"

            assert self.seen(installed, view) == (["acquire"], [("raw-token-as-key", "warning", "view")])

    def test_hashes_and_sets_have_a_slot_for_each_member(self, install_rasp):
        installed = install_rasp(record=True)
        with self.connected() as client:

            def view():
                client.hset("claims", mapping={DIGEST: 1, "other": 2})
                assert client.hget("claims", DIGEST)
                assert client.hdel("claims", "other", DIGEST) == 2
                client.sadd("seen", DIGEST)
                assert client.sismember("seen", DIGEST)
                assert client.srem("seen", DIGEST)
                client.zadd("scores", {DIGEST: 1.5}, nx=True)
                assert client.zscore("scores", DIGEST) == 1.5
                assert client.zrem("scores", DIGEST)
                return "ok"

            assert self.seen(installed, view) == (["acquire", "use", "release"] * 3, [])

    def test_a_field_deleted_twice_is_a_second_release(self, install_rasp):
        installed = install_rasp()
        with self.connected() as client:

            def view():
                client.hset("claims", DIGEST, 1)
                client.hdel("claims", DIGEST)
                return again()

            def again():
                client.hdel("claims", DIGEST)
                return "ok"

            app = flask_app()
            app.get("/")(view)
            call(app, "/", HEADERS)
        assert installed.judged() == [("double-release", "warning", "again")]

    def test_a_raw_member_is_a_raw_key(self, install_rasp):
        installed = install_rasp(record=True)
        with self.connected() as client:

            def view():
                client.sadd("revoked", "no credential here", KEY)
                return "ok"

            assert self.seen(installed, view) == (["acquire"], [("raw-token-as-key", "warning", "view")])

    def test_the_fields_of_a_hash_under_a_digest_are_one_entry(self, install_rasp):
        installed = install_rasp(record=True)
        with self.connected() as client:

            def view():
                client.hset(SLOT, mapping={"name": "ann", "mail": "ann@example.org"})
                client.hdel(SLOT, "name", "mail")
                client.hdel(SLOT, "name")
                return {"gone": client.delete(SLOT)}

            assert self.seen(installed, view) == (["acquire", "use", "use", "release"], [])
            assert [found.rule for found in installed.findings] == []

    def test_what_the_server_says_tells_whether_it_was_removed(self, install_rasp):
        installed = install_rasp()
        with self.connected() as client:

            def view():
                client.mset({SLOT: 1, "other:" + DIGEST: 2})
                assert client.delete(SLOT) == 1
                client.set(SLOT, 2)
                assert client.unlink(SLOT) == 1
                client.set("other:" + DIGEST, 3)
                assert client.getdel("other:" + DIGEST) == b"3"
                return last()

            def last():
                assert client.getdel(SLOT) is None
                return "ok"

            app = flask_app()
            app.get("/")(view)
            call(app, "/", HEADERS)
        assert installed.judged() == [("double-release", "warning", "last")]

    def test_another_client_of_the_same_database_is_the_same_holder(self, install_rasp):
        installed = install_rasp()
        with self.connected() as client, self.connected(host="localhost") as same, self.connected(db=1) as other:

            def view():
                for each in (client, other):
                    each.set(SLOT, 1)
                    each.delete(SLOT)
                return again()

            def again():
                same.delete(SLOT)
                return "ok"

            app = flask_app()
            app.get("/")(view)
            call(app, "/", HEADERS)
        assert installed.judged() == [("double-release", "warning", "again")]

    def test_a_socket_is_a_back_end_too(self, install_rasp):
        installed = install_rasp(record=True)
        client = self.client(unix_socket_path=self.server.socket)

        def view():
            client.set(SLOT, 1)
            return {"gone": client.delete(SLOT)}

        assert self.seen(installed, view) == (["acquire", "release"], [])
        client.connection_pool.disconnect()

    def test_a_release_that_fails_is_none(self, install_rasp):
        installed = install_rasp(record=True)
        with self.connected() as client:
            nobody = self.client(port=1, retry=None)

            def view():
                client.set(SLOT, 1)
                for _ in range(2):
                    with pytest.raises(self.library.ConnectionError):
                        nobody.delete(SLOT)
                    with pytest.raises(self.library.ResponseError):
                        client.execute_command("DEL")
                return {"gone": client.delete(SLOT)}

            assert self.seen(installed, view) == (["acquire", "release"], [])
            nobody.connection_pool.disconnect()

    def test_a_flush_ends_epochs_and_releases_nothing(self, install_rasp):
        installed = install_rasp(record=True)
        with self.connected() as client:

            def view():
                client.set(SLOT, 1)
                client.delete(SLOT)
                client.flushdb()
                client.delete(SLOT)
                return "ok"

            assert self.seen(installed, view)[1] == []

    @pytest.mark.parametrize("dump", [str, str.encode, pickle.dumps, lambda key: json.dumps({"token": key})])
    def test_a_callers_key_as_a_value_is_found(self, install_rasp, dump):
        installed = install_rasp()
        with self.connected() as client:

            def view():
                client.set("user:1", dump(request.headers["X-API-Key"]))
                return "ok"

            assert self.seen_findings(installed, view) == [("raw-token-stored", "warning", "view")]

    def seen_findings(self, installed, view):
        app = flask_app(SECRET_KEY=api_key("service"))
        app.get("/")(view)
        call(app, "/", HEADERS)
        return installed.judged()

    @pytest.mark.filterwarnings("ignore:Call to deprecated")
    def test_values_of_every_command_that_stores_are_judged(self, install_rasp):
        with self.connected() as client:
            storing = {
                "SET": lambda: client.set("a", KEY),
                "SETEX": lambda: client.setex("a", 60, KEY),
                "PSETEX": lambda: client.psetex("a", 60_000, KEY),
                "SETNX": lambda: client.setnx("b", KEY),
                "GETSET": lambda: client.getset("a", KEY),
                "APPEND": lambda: client.append("c", KEY),
                "SETRANGE": lambda: client.setrange("c", 0, KEY),
                "MSET": lambda: client.mset({"a": 1, "b": KEY}),
                "MSETNX": lambda: client.msetnx({"d": 1, "e": KEY}),
                "HSET": lambda: client.hset("h", mapping={"a": 1, "b": KEY}),
                "HSETNX": lambda: client.hsetnx("h", "c", KEY),
                "LPUSH": lambda: client.lpush("l", "a", KEY),
                "RPUSH": lambda: client.rpush("l", KEY),
                "LPUSHX": lambda: client.lpushx("l", KEY),
                "RPUSHX": lambda: client.rpushx("l", KEY),
                "LSET": lambda: client.lset("l", 0, KEY),
                "LINSERT": lambda: client.linsert("l", "BEFORE", "a", KEY),
            }
            with_values = {name for name, command in COMMANDS.items() if command.values is not None}
            assert with_values - set(storing) == {"HMSET", "JSON.SET"}
            for name, store in storing.items():
                client.flushdb()
                client.rpush("l", "a")
                installed = install_rasp()

                def view(store=store):
                    store()
                    return "ok"

                assert self.seen_findings(installed, view) == [("raw-token-stored", "warning", "<lambda>")], name
                process.uninstall()

    def test_what_is_no_callers_credential_may_be_stored(self, install_rasp):
        installed = install_rasp()
        with self.connected() as client:

            def view():
                client.set("a", api_key("service"))
                client.set("b", hashlib.sha256(KEY.encode()).hexdigest())
                client.set("c", KEY[:12] + "...")
                client.rpush("d", 1, 2.5, b"\xff\xfe")
                return "ok"

            assert self.seen_findings(installed, view) == []

    def test_an_odd_name_hurts_nothing(self, install_rasp):
        installed = install_rasp(record=True)
        with self.connected(decode_responses=True) as client:

            def view():
                for name in ("", "ü" * 40, b"\xff\x00" * 9, "x" * 8192, ".*[(" * 8, 17, 1.5):
                    client.set(name, "v", keepttl=True)
                    assert client.get(name) == "v"
                    assert client.delete(name, name) == 1
                assert client.execute_command("set", SLOT, 1)
                assert client.execute_command("GeT", SLOT) == "1"
                return "ok"

            assert self.seen(installed, view) == (["acquire", "use"], [])


class TestValkey(TestRedis):
    name = holder = "valkey"
    hooks = tuple(hook.replace("redis", "valkey") for hook in TestRedis.hooks)
    library, client = valkey, valkey.Valkey


class TestRedisCluster:
    client, holder = RedisCluster, "redis"

    def test_it_is_one_back_end(self, install_rasp, redis_cluster):
        installed = install_rasp(record=True)
        clients = [self.client(host="127.0.0.1", port=redis_cluster.port) for _ in range(2)]
        app = flask_app()

        @app.get("/")
        def view():
            first, second = clients
            with first.pipeline() as pipe:
                pipe.set(SLOT, 1)
                pipe.set("n:" + KEY, 1)
                assert pipe.execute() == [True, True]
            assert first.get(SLOT) == b"1"
            assert first.delete(SLOT) == 1
            return again(second)

        def again(second):
            assert second.delete(SLOT) == 0
            return "ok"

        assert call(app, "/", HEADERS).status == "200 OK"
        assert [action for action, _ in installed.seen(self.holder)] == [
            "acquire", "acquire", "use", "release", "release",
        ]  # fmt: skip
        assert installed.judged() == [("raw-token-as-key", "warning", "view"), ("double-release", "warning", "again")]
        for client in clients:
            client.close()


class TestValkeyCluster(TestRedisCluster):
    client, holder = ValkeyCluster, "valkey"


def test_cachelib_over_redis_is_one_event_and_values_are_judged_once(install_rasp, redis_server):
    installed = install_rasp(record=True)
    client = redis.Redis(port=redis_server.port)
    client.flushdb()
    cache, app = RedisCache(client), flask_app()

    @app.get("/")
    def view():
        cache.set(SLOT, {"token": KEY})
        return {"gone": [cache.get(SLOT) is not None, cache.delete(SLOT)]}

    assert call(app, "/", HEADERS).status == "200 OK"
    actions = [action for action, _ in installed.seen("redis", "cachelib.redis")]
    assert actions == ["acquire", "expose", "use", "release"] or actions == ["expose", "acquire", "use", "release"]
    assert installed.judged() == [("raw-token-stored", "warning", "view")]
    client.connection_pool.disconnect()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("return redis.call('SET', KEYS[1], ARGV[1])", True),
        ('local n = redis . pcall ( "incrby", KEYS[1], 1)', True),
        ("if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end", False),
        ("return 'set'", False),
        ("", False),
    ],
)
def test_a_script_is_told_by_what_it_calls(text, expected):
    assert stores(text) is expected
