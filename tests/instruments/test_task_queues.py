"""Celery over its in-memory broker and RQ over a redis of its protocol: what tasks are sent with."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import fakeredis
import pytest
from celery import Celery, chain
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from rq import Queue
from rq.exceptions import DeserializationError
from rq.job import Job
from support.web import call


def presented():
    return request.headers["X-API-Key"]


def celery_app(**settings):
    app = Celery("tasks", broker="memory://", backend="cache+memory://", set_as_current=False, **settings)
    app.conf.update(broker_connection_retry_on_startup=False, worker_hijack_root_logger=False)

    @app.task(name="work", shared=False)
    def work(*args, **kwargs):
        return len(args)

    return app


def drained(app):
    """What is waiting at the broker."""
    found = []
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue("celery")
        while len(queue):
            message = queue.get_nowait()
            found.append((message.headers["task"], message.payload[:2]))
            message.ack()
        queue.close()
    return found


class Unsendable:
    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        raise self.error


class TestCelery(InstrumentContract):
    name = holder = "celery"
    hooks = ("celery.send",)
    clean = ()
    defective = ("expose",)
    finding = ("raw-token-stored", "warning", "defect")

    def subject(self, folder):
        tasks = celery_app()
        app = flask_app()

        @app.get("/clean")
        def clean():
            tasks.tasks["work"].delay(17, user="ann")
            return {"ok": True}

        @app.get("/defect")
        def defect():
            tasks.tasks["work"].delay(17, key=presented())
            return {"ok": True}

        return Subject(app, lambda: drained(tasks), tasks.close)

    def raises(self, subject):
        tasks = celery_app()
        with pytest.raises(TypeError, match="list or tuple") as caught:
            tasks.send_task("work", 17)
        tasks.close()
        return None, caught.value


def echo(*args, **kwargs):
    """A job."""
    return len(args)


class TestRq(InstrumentContract):
    name = holder = "rq"
    hooks = ("rq.send",)
    clean = ()
    defective = ("expose",)
    finding = ("raw-token-stored", "warning", "defect")

    def subject(self, folder):
        connection = fakeredis.FakeStrictRedis(server=fakeredis.FakeServer())
        queue = Queue(connection=connection)
        app = flask_app()

        @app.get("/clean")
        def clean():
            queue.enqueue(echo, 17, user="ann")
            return {"ok": True}

        @app.get("/defect")
        def defect():
            queue.enqueue(echo, 17, key=presented())
            return {"ok": True}

        return Subject(app, lambda: [(job.args, job.kwargs) for job in queue.jobs], connection.close)

    def raises(self, subject):
        error = RuntimeError("not to be sent")
        connection = fakeredis.FakeStrictRedis(server=fakeredis.FakeServer())
        with pytest.raises(RuntimeError) as caught:
            Queue(connection=connection).enqueue(echo, Unsendable(error))
        connection.close()
        return error, caught.value


def served(installed, function):
    """(severity, holder, function) of what is found while a view does this."""
    app = flask_app()
    app.add_url_rule("/", "view", lambda: function(presented()) or "ok")
    call(app, "/", {"X-API-Key": KEY})
    return [
        (found.severity.word, found.trail[-1].holder, found.location.function)
        for found in installed.findings
        if found.rule == "raw-token-stored"
    ]


@pytest.fixture
def tasks():
    app = celery_app()
    yield app
    drained(app)
    app.close()


@pytest.mark.parametrize(
    "send",
    [
        lambda app, key: app.tasks["work"].delay(key),
        lambda app, key: app.tasks["work"].apply_async(kwargs={"a": [{"headers": (key,)}]}),
        lambda app, key: app.send_task("work", args=[key]),
        lambda app, key: app.tasks["work"].s(f"Bearer {key}").apply_async(countdown=10),
        lambda app, key: chain(app.tasks["work"].s(1), app.tasks["work"].si(key)).apply_async(),
        lambda app, key: app.tasks["work"].apply_async(link=app.tasks["work"].si(key)),
    ],
)
def test_every_way_to_send_a_task_is_one_event(observe, tasks, send):
    def view(key):
        send(tasks, key)

    (found,) = served(observe, view)
    assert found[:2] == ("warning", "celery")


def test_a_task_that_runs_at_once_is_not_sent(observe):
    eager = celery_app(task_always_eager=True)

    def view(key):
        assert eager.tasks["work"].delay(key).get() == 1
        assert eager.tasks["work"].apply((key,)).get() == 1

    assert served(observe, view) == []
    eager.close()


def test_strict_raises_before_a_task_is_sent(install_rasp, tasks):
    install_rasp(mode="strict")
    with pytest.raises(Exception, match="RASP207"):
        served(None, tasks.tasks["work"].delay)
    assert drained(tasks) == []


@pytest.fixture
def redis():
    connection = fakeredis.FakeStrictRedis(server=fakeredis.FakeServer())
    yield connection
    connection.close()


@pytest.mark.parametrize(
    "send",
    [
        lambda queue, key: queue.enqueue(echo, key),
        lambda queue, key: queue.enqueue(echo, kwargs={"a": {"key": key}}),
        lambda queue, key: queue.enqueue_call(echo, (key,)),
        lambda queue, key: queue.enqueue_call(func=echo, kwargs={"a": f"Bearer {key}"}),
        lambda queue, key: queue.enqueue_at(datetime(2099, 1, 1, tzinfo=UTC), echo, key),
        lambda queue, key: queue.enqueue_in(timedelta(hours=1), echo, a=key),
        lambda queue, key: queue.enqueue_many([Queue.prepare_data(echo, (1,)), Queue.prepare_data(echo, (key,))]),
        lambda queue, key: queue.enqueue_job(Job.create(echo, (key,), connection=queue.connection)),
        lambda queue, key: queue.enqueue(echo, key, depends_on=queue.enqueue(echo, 1)),
    ],
)
def test_every_way_to_enqueue_a_job_is_one_event(observe, redis, send):
    def view(key):
        send(Queue(connection=redis), key)

    (found,) = served(observe, view)
    assert found[:2] == ("warning", "rq")


def by_its_id(key):
    """A job that logs what it was given, as the app's own code."""
    logging.getLogger("job").warning("key %s", key)


def test_a_synchronous_queue_keeps_the_job_and_runs_it_as_the_apps_code(observe, redis):
    def view(key):
        Queue(connection=redis, is_async=False).enqueue(by_its_id, key)

    assert [found[:2] for found in served(observe, view)] == [("warning", "rq")]
    assert [found.rule for found in observe.findings] == ["raw-token-stored", "raw-token-logged"]


def test_a_job_that_cannot_be_read_is_no_matter(observe, redis):
    queue = Queue(connection=redis)
    job = queue.enqueue(echo, 1)
    redis.hset(job.key, "data", b"\x00")
    job.refresh()
    assert served(observe, lambda key: queue.enqueue_job(job) and None) == []
    with pytest.raises(DeserializationError):
        assert job.args
