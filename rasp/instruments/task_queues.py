"""Celery and RQ: credentials in the arguments of a task, which the broker keeps until a worker takes it, or longer.

A Celery task that runs at once (``apply``, ``task_always_eager``) is not sent and not judged; RQ keeps every job on its
server, those of a synchronous queue too. What the client of the broker writes meanwhile is not told again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from rasp.instruments.key_material import argument
from rasp.instruments.kit import Kit, obey
from rasp.instruments.stored import Stored
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import Make, PatchPoint, named_like

_CELERY_OPTIONS = ("chain", "chord", "link", "link_error", "headers")
"""Options of a task that hold further tasks, or travel with it."""


class Queues:
    """Judges what is given to a queue, once: its methods call each other."""

    def __init__(self, kit: Kit, holder: str) -> None:
        self._holder = holder
        self._stored = kit.shared(Stored)
        self._inside = ContextVar(f"rasp.{holder}", default=False)
        self._sent = kit.hook(f"{holder}.send", self.sent)

    def sent(self, given: object) -> Verdict | None:
        """A task is about to be sent."""
        hits = self._stored.found(given) if self._stored.possible else []
        verdict: Verdict | None = self._stored.report(self._holder, hits) if hits else None
        return verdict

    def method(self, pick: Callable[[Any, Any], object]) -> Make:
        """The wrapper of a method. What a queue writes as values the stores' instruments leave to this one."""
        sent, inside = self._sent, self._inside

        def make(original: Any) -> Any:
            def send(self: Any, *args: Any, **kwargs: Any) -> Any:
                if inside.get():
                    return original(self, *args, **kwargs)
                obey(sent(pick(args, kwargs)))
                inside.set(True)
                try:
                    return original(self, *args, **kwargs)
                finally:
                    inside.set(False)

            return named_like(original, send)

        return make


def _celery(args: Any, kwargs: Any) -> object:
    options = [kwargs.get(name) for name in _CELERY_OPTIONS]
    return (argument(args, kwargs, 1, "args"), argument(args, kwargs, 2, "kwargs"), options)


def _call(args: Any, kwargs: Any) -> object:
    return (argument(args, kwargs, 1, "args"), argument(args, kwargs, 2, "kwargs"))


def _many(args: Any, kwargs: Any) -> object:
    jobs = argument(args, kwargs, 0, "job_datas")
    return jobs if isinstance(jobs, (list, tuple)) else None


def _job(args: Any, kwargs: Any) -> object:
    job = argument(args, kwargs, 0, "job")
    return (getattr(job, "_args", None), getattr(job, "_kwargs", None))


def instruments(kit: Kit) -> list[Instrument]:
    """The instruments of Celery and RQ."""
    celery, rq = Queues(kit, "celery"), Queues(kit, "rq")
    picks = {"enqueue_call": _call, "enqueue_many": _many, "enqueue_job": _job, "schedule_job": _job}
    return [
        Instrument(
            name="celery",
            library="celery",
            supported=">=5,<6",
            points=(PatchPoint("celery.app.base", "Celery.send_task", celery.method(_celery)),),
            unreachable=("what a task's result back end keeps",),
        ),
        Instrument(
            name="rq",
            library="rq",
            supported=">=1.10,<4",
            points=tuple(
                PatchPoint("rq.queue", f"Queue.{name}", rq.method(pick), optional=name == "enqueue_many")
                for name, pick in picks.items()
            ),
            unreachable=("results and meta data that a worker keeps",),
        ),
    ]
