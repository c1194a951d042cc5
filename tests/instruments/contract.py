"""The contract of every instrument: a test class per library inherits it and says what the library does.

A subject is a Flask app with a route ``/clean``, which uses the library as it should be used, and ``/defect``,
which mishandles the caller's key; ``written`` is what the library has written or kept by then.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask import Flask
from support.installed import MISSING, Installed, Process, at, install, instruments_of
from support.made_up import api_key
from support.web import Answer, call

import rasp
from rasp import runtime as process
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint

KEY = api_key("contract")
LIBRARIES = ("flask", "logging", "structlog", "loguru", "opentelemetry.sdk.trace", "cachelib", "flask_caching", "jwt")
REPORTERS = (
    "sentry_sdk",
    "gunicorn.http.wsgi",
    "opentelemetry.sdk._logs.export",
    "opentelemetry.baggage.propagation",
    "werkzeug.debug.tbtools",
)
CLIENTS = ("http.client", "urllib3", "requests", "httpx", "httpx2", "aiohttp")
STORES = (
    "redis",
    "valkey",
    "pymemcache",
    "cachetools",
    "limits.strategies",
    "diskcache",
    "dogpile.cache.backends.memory",
    "django.core.cache.backends.locmem",
)
STORAGE = ("sqlite3", "psycopg", "pymysql.cursors", "sqlalchemy", "pickle", "pty", "celery.app.base", "rq.queue")
SERVERS = ("gunicorn.app.base", "wsgiref.handlers", "waitress.server")
VERIFIERS = (
    "authlib.integrations.flask_oauth2", "authlib.jose", "joserfc.jwt", "jose.jwt", "jose.jwe", "itsdangerous",
    "flask_httpauth", "flask_login", "passlib.context", "passlib.utils.handlers", "django.core.signing",
    "django.contrib.auth.hashers", "google.auth.jwt",
)  # fmt: skip
STATES = f"""
import json, sys
sys.modules["absent_library"] = None
import rasp
from rasp import runtime
rasp.install({{"report": False}})
states = lambda: {{status.instrument: status.state for status in runtime.active().statuses()}}
before = states()
for name in {(*LIBRARIES, *REPORTERS, *CLIENTS, *STORES, *STORAGE, *VERIFIERS, *SERVERS)!r}:
    __import__(name)
after = states()
rasp.uninstall()
print(json.dumps([before, after]))
"""


@dataclass
class Subject:
    """A Flask app that uses the library, and what the library did."""

    app: Any
    written: Callable[[], Any] = lambda: None
    close: Callable[[], Any] = lambda: None


def flask_app(**settings: Any) -> Flask:
    """An app whose exceptions reach the server, as a test sees them best."""
    app = Flask("contract_app")
    app.config.update(PROPAGATE_EXCEPTIONS=True, **settings)
    return app


@functools.cache
def states() -> list[dict[str, str]]:
    """The states of all instruments in a fresh process, before and after their libraries are imported."""
    done = subprocess.run([sys.executable, "-c", STATES], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def place(point: PatchPoint) -> tuple[Any, str]:
    """The class or module of a patch point, and the attribute."""
    *parents, attribute = point.path.split(".")
    return functools.reduce(getattr, parents, sys.modules[point.module]), attribute


def put_back(point: PatchPoint, original: object) -> None:
    """The library's own attribute, where it was inherited none."""
    if original is MISSING:
        delattr(*place(point))
    else:
        setattr(*place(point), original)


def is_its_own(point: PatchPoint) -> bool:
    """Whether a class has an attribute that no base of it has, so that without it there is none."""
    if at(point) is MISSING:
        return False
    target, attribute = place(point)
    bases = [base for base in getattr(target, "__mro__", ())[1:] if base is not object]
    return not any(attribute in vars(base) for base in bases)


def wrapped(ours: Any) -> Any:
    """Another tool's wrapper around ours."""

    @functools.wraps(ours)
    def theirs(*args: Any, **kwargs: Any) -> Any:
        return ours(*args, **kwargs)

    return theirs


class InstrumentContract:
    """What holds for every library.

    Attributes:
        name: the instrument.
        hooks: the hooks that the routes reach, by their names in the guard.
        paths: all routes of the subject.
        holder: the name under which its events are recorded.
        clean: (action, holder) of the events of ``/clean``, each credential once a call.
        defective: the same of ``/defect``.
        finding: (rule, severity, function) of what ``/defect`` is found for.
        masks: whether ``protect`` replaces what is written.
    """

    name: ClassVar[str]
    hooks: ClassVar[tuple[str, ...]]
    paths: ClassVar[tuple[str, ...]] = ("/clean", "/defect")
    holder: ClassVar[str]
    clean: ClassVar[tuple[str, ...]]
    defective: ClassVar[tuple[str, ...]]
    finding: ClassVar[tuple[str, str, str]]
    masks: ClassVar[bool] = False

    def subject(self, folder: Path) -> Subject:
        """Builds the app anew."""
        raise NotImplementedError

    def raises(self, subject: Subject) -> tuple[BaseException | None, BaseException]:
        """(the exception the app or library was given to raise, what came out); ``None`` where the library makes it."""
        raise NotImplementedError

    def call(self, subject: Subject, path: str) -> Answer:
        """One request with the key."""
        return call(subject.app, path, {"X-API-Key": KEY})

    @contextmanager
    def built(self, folder: Path) -> Iterator[Subject]:
        folder.mkdir(exist_ok=True)
        subject = self.subject(folder)
        try:
            yield subject
        finally:
            subject.close()

    def outcome(self, folder: Path, *paths: str) -> Any:
        """What callers and the library's own output show of requests to these paths."""
        with self.built(folder) as subject:
            return [self.call(subject, path) for path in paths], subject.written()

    def points(self) -> Instrument:
        return next(entry for entry in instruments_of(Path(__file__).parent) if entry.name == self.name)

    # The tests

    def test_a_clean_call_is_untouched_and_its_credential_seen_once(self, install_rasp, tmp_path):
        bare = self.outcome(tmp_path / "bare", "/clean")
        installed: Installed = install_rasp(record=True)
        assert self.outcome(tmp_path / "under", "/clean") == bare
        assert installed.judged() == []
        assert installed.seen(self.holder) == [(action, self.holder) for action in self.clean]
        assert installed.guard.failures == {}

    def test_a_defect_is_found_once_and_the_app_is_left_alone(self, install_rasp, tmp_path):
        bare = self.outcome(tmp_path / "bare", "/defect")
        installed: Installed = install_rasp(record=True)
        assert self.outcome(tmp_path / "under", "/defect") == bare
        assert installed.judged() == [self.finding]
        assert installed.seen(self.holder) == [(action, self.holder) for action in self.defective]

    def test_strict_raises_what_observe_reports(self, install_rasp, tmp_path):
        installed: Installed = install_rasp(mode="strict")
        with self.built(tmp_path / "strict") as subject, pytest.raises(rasp.RaspViolation) as caught:
            self.call(subject, "/defect")
        assert caught.value.finding.rule == self.finding[0]
        assert KEY[3:] not in str(caught.value)
        assert installed.runtime.pipeline.pending == []

    def test_protect_writes_a_mask_where_it_can(self, install_rasp, tmp_path):
        bare, before = self.outcome(tmp_path / "bare", "/defect")
        install_rasp(mode="protect")
        answers, written = self.outcome(tmp_path / "protect", "/defect")
        assert answers == bare
        if self.masks:
            assert KEY in str(before)
            assert KEY[3:] not in str(written)
            assert "[credential:api_key:" in str(written)
        else:
            assert written == before

    def test_off_changes_and_sees_nothing(self, install_rasp, tmp_path):
        before = {point: at(point) for point in self.points().points}
        bare = self.outcome(tmp_path / "bare", *self.paths)
        installed: Installed = install_rasp(mode="off")
        assert {point: at(point) for point in before} == before
        assert self.outcome(tmp_path / "off", *self.paths) == bare
        assert installed.findings == []

    def test_an_exception_stays_the_apps_own(self, install_rasp, tmp_path):
        with self.built(tmp_path / "bare") as subject:
            _, bare = self.raises(subject)
        install_rasp()
        with self.built(tmp_path / "under") as subject:
            given, caught = self.raises(subject)
        assert (type(caught), caught.args) == (type(bare), bare.args)
        assert given is None or caught is given

    def test_uninstall_restores_the_identical_objects(self, install_rasp, tmp_path):
        with self.built(tmp_path / "load"):
            points = self.points().points
        before = [at(point) for point in points]
        install_rasp()
        patched = [at(point) for point in points]
        assert any(new is not old for new, old in zip(patched, before, strict=True))
        process.uninstall()
        assert all(at(point) is old for point, old in zip(points, before, strict=True))

    def test_installed_again_it_sees_everything_once(self, install_rasp, tmp_path):
        install_rasp()
        process.uninstall()
        installed: Installed = install_rasp(record=True)
        self.outcome(tmp_path / "under", "/defect")
        assert installed.judged() == [self.finding]
        assert installed.seen(self.holder) == [(action, self.holder) for action in self.defective]

    def test_what_another_tool_keeps_of_ours_is_inert_after_uninstall(self, install_rasp, tmp_path):
        self.outcome(tmp_path / "load", *self.paths)
        before = {point: at(point) for point in self.points().points}
        try:
            for point, original in before.items():
                if callable(original):
                    setattr(*place(point), wrapped(original))
            bare = self.outcome(tmp_path / "bare", *self.paths)
        finally:
            for point, original in before.items():
                if original is not MISSING:
                    setattr(*place(point), original)
        installed: Installed = install_rasp()
        theirs = {point: wrapped(at(point)) for point in before if callable(at(point))}
        try:
            for point, wrapper in theirs.items():
                setattr(*place(point), wrapper)
            process.uninstall()
            assert all(at(point) is wrapper for point, wrapper in theirs.items())
            assert self.outcome(tmp_path / "after", *self.paths) == bare
            assert installed.findings == []
        finally:
            for point in theirs:
                put_back(point, before[point])

    def test_a_failure_in_a_hook_does_not_reach_the_app(self, install_rasp, tmp_path, capfd):
        bare = self.outcome(tmp_path / "bare", *self.paths)
        installed: Installed = install_rasp()
        assert set(self.hooks) <= set(installed.guard.names)
        for hook in self.hooks:
            capfd.readouterr()
            installed.guard.failures.clear()
            installed.guard.sabotage(hook)
            under = self.outcome(tmp_path / hook, *self.paths)
            assert under == bare, hook
            assert set(installed.guard.failures) == {hook}
            told = [line for line in capfd.readouterr().err.splitlines() if line.startswith("rasp: ")]
            assert [line.partition(" failed with ")[0] for line in told] == [f"rasp: {hook}"]
            assert not any(KEY[3:] in line for line in told)

    def test_a_library_that_is_not_there_is_waited_for(self):
        before, after = states()
        assert before[self.name] == "waiting"
        assert after[self.name] == "installed"

    def test_a_version_without_a_patch_point_is_left_alone(self, tmp_path, monkeypatch):
        with self.built(tmp_path / "load"):
            points = self.points().points
        required = [point for point in points if not point.optional and not point.own_only]
        victim = next((point for point in reversed(required or points) if is_its_own(point)), None)
        if victim is None:  # every method is one that a base has too: a version without the class
            first = next(point for point in points if not point.optional)
            victim = first._replace(path=first.path.rpartition(".")[0])
            required = [victim]
        before = Process()
        monkeypatch.delattr(*place(victim))
        others = {point: at(point) for point in points if point != victim}
        installed = install(tmp_path)
        try:
            state, reason = installed.state(self.name)
            patched = {point: at(point) for point in others}
        finally:
            process.uninstall()
        before.check()
        if required:
            assert state == "unsupported"
            assert f"{victim.module}.{victim.path}" in reason
            assert patched == others
        else:
            assert state == "installed", "every class is wrapped for what it has"
            assert patched != others
        assert {point: at(point) for point in others} == others
