"""Stores as apps use them, rightly: none of this is found, and what other libraries do for themselves is silent."""

from __future__ import annotations

import hashlib
import operator
import threading

import pytest
import redis
from contract import KEY, flask_app
from flask import request, session
from flask_session import Session
from rq import Queue
from support.made_up import api_key, jwt, text
from support.web import call

HEADERS = {"X-API-Key": KEY}
SLOT = "claims:" + hashlib.sha256(KEY.encode()).hexdigest()


@pytest.fixture
def client(redis_server):
    client = redis.Redis(port=redis_server.port, db=7)
    client.flushdb()
    yield client
    client.connection_pool.disconnect()


def asked(app, path="/", headers=HEADERS):
    answer = call(app, path, headers)
    assert answer.status == "200 OK"
    return answer


def digest_of_caller():
    return "claims:" + hashlib.sha256(request.headers["X-API-Key"].encode()).hexdigest()


@pytest.fixture
def sessions(client):
    """An app that keeps its sessions in redis."""
    app = flask_app(SECRET_KEY=text("sessions", 40), SESSION_TYPE="redis", SESSION_REDIS=client)
    Session(app)

    @app.get("/login")
    def login():
        session["user"] = "ann"
        session["token"] = request.headers["X-API-Key"]
        return "in"

    @app.get("/renew")
    def renew():
        app.session_interface.regenerate(session)
        return "renewed"

    @app.get("/page")
    def page():
        session["visits"] = session.get("visits", 0) + 1
        return session.get("user", "nobody")

    @app.get("/logout")
    def logout():
        session.clear()
        return "out"

    return app


def test_a_session_library_keeps_what_it_must(install_rasp, sessions):
    installed, headers = install_rasp(), dict(HEADERS)
    for path in ("/login", "/page", "/page", "/renew", "/page", "/logout", "/logout", "/page", "/page"):
        answer = asked(sessions, path, headers)
        cookies = [value.partition(";")[0] for name, value in answer.headers if name == "Set-Cookie"]
        if cookies:
            headers["Cookie"] = cookies[-1]
    assert installed.judged() == []
    assert {found.rule for found in installed.findings} == {"raw-token-as-key"}


def test_what_a_task_queue_stores_is_told_of_once_and_so_is_a_credential_in_a_key(install_rasp, client):
    installed, app, queue = install_rasp(), flask_app(), Queue(connection=client)

    @app.get("/")
    def view():
        job = queue.enqueue(operator.truth, request.headers["X-API-Key"])
        return str(len(queue)) + job.id[:0]

    @app.get("/named")
    def named():
        queue.enqueue(operator.truth, 1, job_id=request.headers["X-API-Key"])
        return "ok"

    assert asked(app).body == b"1"
    assert [(rule, function) for rule, _, function in installed.judged()] == [("raw-token-stored", "view")]
    asked(app, "/named")
    told = {(rule, function) for rule, _, function in installed.judged() if function == "named"}
    assert ("raw-token-as-key", "named") in told


def test_looking_up_under_a_raw_key_stores_nothing(install_rasp, client):
    installed, app = install_rasp(), flask_app()

    @app.get("/")
    def view():
        key = request.headers["X-API-Key"]
        found = [client.get(key), client.exists(key), client.hget("keys", key), client.sismember("keys", key)]
        found += [client.mget([key, "a"]), client.zscore("keys", key), client.ttl(key), client.expire(key, 5)]
        found += [client.set(key, 1, xx=True), client.hmget("keys", [key])]
        return str(len(found))

    asked(app)
    assert installed.findings == []


def test_negative_caching_is_fine(install_rasp, client):
    installed, app = install_rasp(), flask_app()

    @app.get("/")
    def view():
        known = client.get(digest_of_caller())
        if known is None:
            client.set(digest_of_caller(), "unknown", ex=30, nx=True)
        client.set(digest_of_caller(), "unknown", ex=30, nx=True)
        return "ok"

    for _ in range(3):
        asked(app)
    assert installed.findings == []


def test_logging_out_twice_is_no_second_release(install_rasp, client):
    installed, app = install_rasp(), flask_app()

    @app.get("/login")
    def login():
        client.set(digest_of_caller(), 1)
        return "in"

    @app.get("/logout")
    def logout():
        return {"gone": client.delete(digest_of_caller())}

    for path in ("/login", "/logout", "/logout", "/login", "/logout"):
        asked(app, path)
    assert installed.findings == []


def test_deleting_what_was_never_seen_is_a_note(install_rasp, client):
    installed, app = install_rasp(), flask_app()

    @app.get("/")
    def view():
        return {"gone": client.delete(digest_of_caller())}

    asked(app)
    assert [(found.rule, found.severity.word) for found in installed.findings] == [("release-without-acquire", "note")]


def test_keys_are_rotated(install_rasp, client):
    installed, app = install_rasp(), flask_app()

    @app.get("/")
    def view():
        old, new = digest_of_caller(), "claims:" + hashlib.sha256(api_key("new").encode()).hexdigest()
        with client.pipeline() as pipe:
            pipe.get(old).delete(old).set(new, 1).execute()
        client.rename(new, "claims:current")
        return {"gone": client.delete("claims:current")}

    asked(app)
    assert [(found.rule, found.severity.word) for found in installed.findings] == [("release-without-acquire", "note")]


def test_requests_at_once_may_store_the_same_entry(install_rasp, client):
    installed, app = install_rasp(), flask_app()
    both = threading.Barrier(2, timeout=20)

    @app.get("/")
    def view():
        both.wait()
        client.set(digest_of_caller(), 1, ex=60)
        both.wait()
        found = client.get(digest_of_caller())
        both.wait()
        return found

    threads = [threading.Thread(target=asked, args=(app,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert installed.findings == []


def test_one_request_takes_what_another_one_stored(install_rasp, client):
    installed, app = install_rasp(), flask_app()

    @app.get("/")
    def view():
        client.set(digest_of_caller(), 1)
        inner = threading.Thread(target=asked, args=(app, "/logout"))
        inner.start()
        inner.join()
        return str(client.get(digest_of_caller()))

    @app.get("/logout")
    def logout():
        return {"gone": client.delete(digest_of_caller())}

    asked(app)
    assert installed.judged() == [("concurrent-reuse", "error", "view")]


def test_what_the_app_issues_it_may_store(install_rasp, client):
    import jwt as pyjwt

    installed, app = install_rasp(), flask_app()

    @app.get("/")
    def view():
        token = pyjwt.encode({"sub": "ann"}, text("signing key", 40))
        client.set("refresh:ann", token)
        return {"access_token": token}

    asked(app)
    assert installed.judged() == []


def test_a_lock_is_taken_and_given_back(install_rasp, client):
    installed, app = install_rasp(), flask_app()

    @app.get("/")
    def view():
        with client.lock("lock:" + digest_of_caller(), timeout=10):
            pass
        lock = client.lock("lock:" + digest_of_caller(), timeout=10)
        assert lock.acquire()
        lock.release()
        with pytest.raises(redis.exceptions.LockError):
            lock.release()
        return "ok"

    asked(app)
    assert installed.judged() == []


def test_a_bearer_token_in_a_hash_field_and_in_a_value(install_rasp, client):
    installed, app, token = install_rasp(), flask_app(), jwt("layers")

    @app.get("/")
    def view():
        client.hset("seen", request.headers["Authorization"].removeprefix("Bearer "), 1)
        return value()

    def value():
        client.rpush("audit", b"\x00" + request.headers["Authorization"].encode() + b"\xff")
        return "ok"

    asked(app, "/", {"Authorization": f"Bearer {token}"})
    assert installed.judged() == [("raw-token-as-key", "warning", "view"), ("raw-token-stored", "warning", "value")]


RUNS_THE_APP = """
def around(call):
    def run(*args):
        return call(*args)
    return run
"""


@pytest.mark.parametrize("module", ["beaker.middleware", "django.contrib.sessions.middleware", "rq.job"])
def test_a_library_that_runs_the_app_is_not_what_stores(install_rasp, client, module):
    installed, app, library = install_rasp(), flask_app(), {"__name__": module}
    exec(RUNS_THE_APP, library)

    @app.get("/")
    def view():
        client.set(request.headers["X-API-Key"], 1)
        client.set("user:1", request.headers["X-API-Key"])
        return "ok"

    app.wsgi_app = library["around"](app.wsgi_app)
    app.view_functions["view"] = library["around"](view)
    asked(app)
    assert installed.judged() == [("raw-token-as-key", "warning", "view"), ("raw-token-stored", "warning", "view")]
