"""What all caches have in common: bulk and layered calls are one event each, a second release is told by evidence."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request

SLOT = "claims:" + hashlib.sha256(KEY.encode()).hexdigest()
OTHER = "other:" + hashlib.sha1(KEY.encode()).hexdigest()


class Refusing:
    """Pickles nothing, and says why with the exception it was given."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def dumps(self, *args: Any) -> Any:
        raise self.error

    loads = load = dump = dumps


class CacheContract(InstrumentContract):
    """A cache: ``make`` opens one, ``remembers`` says whether it keeps what it is given."""

    hooks = ("cachelib.store", "cachelib.read", "cachelib.remove", "cachelib.clear")
    paths = ("/clean", "/defect", "/bulk", "/clear")
    clean = ("acquire", "use", "use", "release")
    defective = ("acquire",)
    finding = ("raw-token-as-key", "warning", "defect")
    name = "cachelib"
    remembers = True

    def make(self, folder, app):
        raise NotImplementedError

    def subject(self, folder):
        app = flask_app()
        cache = self.make(folder, app)
        kept = []

        @app.get("/clean")
        def clean():
            kept.append((cache.set(SLOT, {"user": "ann"}, timeout=60), cache.get(SLOT), cache.has(SLOT)))
            kept.append((cache.set("plain", 1), cache.get("plain"), cache.get("missing")))
            return {"gone": cache.delete(SLOT)}

        @app.get("/defect")
        def defect():
            kept.append(cache.set(value="ann", key=request.headers["X-API-Key"]))
            return {"ok": True}

        @app.get("/bulk")
        def bulk():
            kept.append(cache.set_many({SLOT: 1, OTHER: 2, "plain": 3}))
            kept.append((cache.get_many(SLOT, OTHER), cache.get_dict(SLOT, "plain")))
            kept.append(cache.add(SLOT, 3))
            return {"gone": sorted(cache.delete_many(SLOT, OTHER, "plain"))}

        @app.get("/clear")
        def clear():
            cache.set(SLOT, 1)
            kept.append((cache.clear(), cache.get(SLOT)))
            return {"ok": True}

        @app.get("/twice")
        def twice():
            cache.set(SLOT, 1)
            cache.delete(SLOT)
            return release(cache)

        subject = Subject(app, lambda: kept)
        subject.cache = cache
        return subject

    def raises(self, subject):
        error = RuntimeError("cannot be stored")
        subject.cache.serializer = Refusing(error)
        with pytest.raises(RuntimeError) as caught:
            subject.cache.set("plain", object())
        return error, caught.value

    def test_a_bulk_call_is_one_event_for_each_entry(self, install_rasp, tmp_path):
        installed = install_rasp(record=True)
        self.outcome(tmp_path / "under", "/bulk")
        stored, read, removed = ["acquire"] * 2, ["use"] * 3, ["release"] * 2
        added = [] if self.remembers else ["acquire"]
        assert [action for action, _ in installed.seen(self.holder)] == stored + read + added + removed
        assert installed.judged() == []

    def test_a_second_delete_is_told_by_whether_something_was_there(self, install_rasp, tmp_path):
        installed = install_rasp()
        self.outcome(tmp_path / "under", "/twice")
        expected = [("double-release", "warning", "release")] if self.remembers else []
        assert installed.judged() == expected

    def test_clear_ends_epochs_and_releases_nothing(self, install_rasp, tmp_path):
        installed = install_rasp(record=True)
        self.outcome(tmp_path / "under", "/clear")
        assert [action for action, _ in installed.seen(self.holder)] == ["acquire", "use"]
        assert installed.findings == []


def release(cache: Any) -> dict[str, bool]:
    """The second owner."""
    return {"gone": cache.delete(SLOT)}
