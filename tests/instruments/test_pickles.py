"""pickle: what is dumped to a file on disk, and what is not."""

from __future__ import annotations

import collections
import dataclasses
import gzip
import io
import pickle
import tempfile
from types import SimpleNamespace

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from support.web import call


def presented():
    return request.headers["X-API-Key"]


class Refusing:
    """Raises what it was given when it is pickled."""

    def __init__(self, error):
        self.error = error

    def __reduce__(self):
        raise self.error


class TestPickle(InstrumentContract):
    name = holder = "pickle"
    hooks = ("pickle.dump",)
    clean = ()
    defective = ("expose",)
    finding = ("raw-token-stored", "warning", "defect")

    def subject(self, folder):
        app = flask_app()

        @app.get("/clean")
        def clean():
            with open(folder / "clean", "wb") as file:
                pickle.dump({"caller": presented()[:6]}, file)
            return {"made": len(pickle.dumps({"caller": presented()}))}

        @app.get("/defect")
        def defect():
            with open(folder / "defect", "wb") as file:
                pickle.dump({"caller": [presented()]}, file, protocol=4)
            return {"ok": True}

        return Subject(app, lambda: {path.name: pickle.loads(path.read_bytes()) for path in sorted(folder.iterdir())})

    def raises(self, subject):
        error = RuntimeError("not to be pickled")
        with tempfile.TemporaryFile() as file, pytest.raises(RuntimeError) as caught:
            pickle.dump([Refusing(error)], file)
        return error, caught.value


def served(installed, function):
    """(severity, holder) of what is found while a view does this."""
    app = flask_app()
    app.add_url_rule("/", "view", lambda: function(presented()) or "ok")
    call(app, "/", {"X-API-Key": KEY})
    return [(found.severity.word, found.trail[-1].holder) for found in installed.findings]


@dataclasses.dataclass(slots=True)
class Slotted:
    key: str
    empty: int = dataclasses.field(init=False)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda key: key,
        str.encode,
        lambda key: {key: 1},
        lambda key: {"a": (1, [frozenset({key})])},
        lambda key: SimpleNamespace(request=SimpleNamespace(headers={"Authorization": f"Bearer {key}"})),
        Slotted,
        lambda key: collections.deque([collections.OrderedDict(a=key)]),
        lambda key: collections.UserDict(a=key),
    ],
)
def test_it_is_found_in_what_is_dumped(observe, tmp_path, wrap):
    def view(key):
        with tempfile.TemporaryFile(dir=tmp_path) as file:
            pickle.dump(wrap(key), file, protocol=pickle.HIGHEST_PROTOCOL if wrap is Slotted else None)

    if wrap is Slotted:
        Slotted.__getstate__ = lambda self: (None, {"key": self.key})
    assert served(observe, view) == [("warning", "pickle")]


def test_a_compressed_file_is_a_file(observe, tmp_path):
    def view(key):
        with gzip.open(tmp_path / "f", "wb") as file:
            pickle.dump({"key": key}, file)

    assert served(observe, view) == [("warning", "pickle")]


def test_what_knows_itself_is_walked_to_an_end(observe, tmp_path):
    def view(key):
        itself = [key]
        itself.append(itself)
        with open(tmp_path / "f", "wb") as file:
            pickle.dump(itself, file)
            pickle.dump(list(range(10_000)), file)

    assert served(observe, view) == [("warning", "pickle")]


def test_of_many_long_texts_as_much_is_searched_as_of_one(observe, tmp_path, monkeypatch):
    values = observe.runtime.ledger.values
    lengths, find = [], values.find

    def finding(text, *limit):
        lengths.append(len(text))
        return find(text, *limit)

    monkeypatch.setattr(values, "find", finding)

    def view(key):
        with gzip.open(tmp_path / "f", "wb") as file:
            pickle.dump([key, *["ab " * 20_000] * 100], file)

    assert served(observe, view) == []
    assert 0 < sum(lengths) <= 400_000
    assert values.dropped == 1


def test_memory_is_no_file(observe):
    def view(key):
        pickle.dump({"key": key}, io.BytesIO())
        with gzip.GzipFile(fileobj=io.BytesIO(), mode="wb") as file:
            pickle.dump({"key": key}, file)
        with tempfile.SpooledTemporaryFile() as file:
            pickle.dump({"key": key}, file)

    assert served(observe, view) == []


def test_nothing_of_the_apps_is_called_to_look(observe, tmp_path):
    class Proud:
        def __getattribute__(self, name):
            if name == "__dict__":
                raise AssertionError("it was asked")
            return object.__getattribute__(self, name)

        def __iter__(self):
            raise AssertionError("it was gone through")

    class Table(dict):
        __slots__ = ()

        def items(self):
            raise AssertionError("it was asked")

    def view(key):
        with open(tmp_path / "f", "wb") as file, pytest.raises((pickle.PicklingError, AttributeError)):
            pickle.dump([Proud(), Table(a=1)], file)

    assert served(observe, view) == []


def test_strict_raises_before_it_is_written(install_rasp, tmp_path):
    install_rasp(mode="strict")

    def view(key):
        with open(tmp_path / "f", "wb") as file:
            pickle.dump({"key": key}, file)

    with pytest.raises(Exception, match="RASP207"):
        served(None, view)
    assert (tmp_path / "f").read_bytes() == b""
