"""Files that app code opens: written as before, by objects that nobody can tell from the originals."""

from __future__ import annotations

import base64
import builtins
import codecs
import copy
import csv
import functools
import gc
import inspect
import io
import json
import logging
import os
import pickle
import shelve
import subprocess
import sys
import tempfile
import warnings
import weakref
from pathlib import Path
from unittest import mock

import pytest
from contract import KEY, InstrumentContract, Subject, flask_app, put_back, wrapped
from flask import request
from support.installed import MISSING, Process, at, install
from support.web import call

from rasp import runtime as process


def presented():
    return request.headers["X-API-Key"]


class TestFiles(InstrumentContract):
    name = holder = "file"
    hooks = ("file.open", "file.write", "file.shelve")
    paths = ("/clean", "/defect", "/bytes", "/shelf")
    clean = ()
    defective = ("expose",)
    finding = ("raw-token-stored", "warning", "defect")

    def subject(self, folder):
        app = flask_app()
        kept = []

        @app.get("/clean")
        def clean():
            with open(folder / "clean.txt", "w", encoding="utf-8") as file:
                kept.append(file.write("caller " + presented()[:6]))
            with open(folder / "clean.txt", encoding="utf-8") as file:
                return file.read()

        @app.get("/defect")
        def defect():
            with open(folder / "defect.txt", "w", encoding="utf-8", newline="\r\n") as file:
                kept.append(file.write("caller " + presented() + "\n"))
            return {"ok": True}

        @app.get("/bytes")
        def bytes_():
            with open(folder / "bytes", "wb") as file:
                kept.append(file.write(b"\xff\x00" + presented().encode()))
            return {"ok": True}

        @app.get("/shelf")
        def shelf():
            with shelve.open(str(folder / "shelf")) as shelf:
                shelf["caller"] = {"key": [presented()]}
                kept.append(dict(shelf))
            return {"ok": True}

        def written():
            return kept, {
                path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith("shelf")
            }

        return Subject(app, written)

    def raises(self, subject):
        with pytest.raises(FileNotFoundError) as caught:
            open("/nowhere/at/all", "w")  # noqa: SIM115
        return None, caught.value

    def test_a_library_that_is_not_there_is_waited_for(self):
        assert install  # io and builtins always are there

    def test_a_version_without_a_patch_point_is_left_alone(self, tmp_path, monkeypatch):
        before = Process()
        monkeypatch.delattr(shelve.Shelf, "__setitem__")
        installed = install(tmp_path)
        try:
            state, reason = installed.state(self.name)
        finally:
            process.uninstall()
        before.check()
        assert state == "installed", "it is left to its base class"
        assert not reason

    def test_what_another_tool_keeps_of_ours_is_inert_after_uninstall(self, install_rasp, tmp_path):
        points = self.points().points
        before = {point: at(point) for point in points}
        bare = self.outcome(tmp_path / "bare", *self.paths)
        installed = install_rasp()
        theirs = {point: wrapped(at(point)) for point in points if at(point) is not MISSING}
        try:
            for point, wrapper in theirs.items():
                setattr(*place_of(point), wrapper)
            process.uninstall()
            assert all(at(point) is wrapper for point, wrapper in theirs.items())
            assert self.outcome(tmp_path / "after", *self.paths) == bare
            assert installed.findings == []
        finally:
            for point in theirs:
                put_back(point, before[point])


def place_of(point):
    *parents, attribute = point.path.split(".")
    target = sys.modules[point.module]
    for name in parents:
        target = getattr(target, name)
    return target, attribute


def told(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return type(error), str(error)


MODES = ("w", "wt", "w+", "a", "a+", "x", "r+", "wb", "ab", "rb+", "wb+", "r", "rb", "rt", "W", "bw")


def looked_at(path, mode, **options):
    """Everything that an app can observe of a file opened in a mode, and what is in it in the end."""
    path.unlink(missing_ok=True)
    if "r" in mode:
        path.write_bytes(b"one\ntwo\r\nthree")
    file = told(functools.partial(open, path, mode, **options))
    if isinstance(file, tuple):
        return file
    text = "b" not in mode
    kind = type(file)
    base = getattr(io, kind.__name__)

    def cut(found):
        return found.replace(str(path), "PATH")

    seen = [
        isinstance(file, base), file.__class__ is base, kind == base, {base: 1}.get(kind), repr(kind), kind.__module__,
        kind.__qualname__, cut(repr(file)), dir(file), file.mode, cut(str(file.name)), file.closed, file.fileno() > 2,
        told(lambda: file.nothing), told(pickle.dumps, file), told(copy.copy, file), told(len, file), file.seekable(),
        told(lambda: file.write(3)), told(file.write), told(lambda: file.write("a" if text else b"a", 1)),
        told(lambda: file.write(b"x" if text else "x")), told(lambda: file.write("é\n" if text else b"\xff\n")),
        told(lambda: file.writelines(["1\n", "2\r\n"] if text else [b"1", bytearray(b"2")])), told(file.tell),
        told(lambda: file.seek(0)), told(file.read), told(lambda: list(file)), told(lambda: file.truncate(2)),
        file.readable(), file.writable(), isinstance(file, io.IOBase), vars(file).keys(), file.isatty(),
    ]  # fmt: skip
    if text:
        seen += [file.encoding, file.errors, file.newlines, file.line_buffering, file.write_through]
        seen += [type(file.buffer), type(file.buffer.raw), told(lambda: file.reconfigure(line_buffering=True))]
    elif kind is not io.FileIO:
        seen += [type(file.raw), told(lambda: type(file.detach()))]
    told(file.close)
    return [*seen, file.closed if text else None, path.read_bytes()]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "options",
    [
        {}, {"encoding": "utf-16", "newline": "\r\n", "errors": "replace"}, {"buffering": 1}, {"buffering": 7},
        {"buffering": 0},
    ],
    ids=["plain", "encoded", "lines", "small", "raw"],
)  # fmt: skip
def test_nothing_tells_a_file_from_an_original_one(install_rasp, tmp_path, mode, options):
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        bare = looked_at(tmp_path / "file", mode, **options)
        install_rasp()
        under = looked_at(tmp_path / "file", mode, **options)
    assert under == bare


def test_it_is_another_class_after_all(install_rasp, tmp_path):
    install_rasp()
    with open(tmp_path / "file", "w") as ours, open(tmp_path / "file") as theirs:
        assert type(ours) is not io.TextIOWrapper
        assert type(theirs) is io.TextIOWrapper
        assert type(ours.buffer) is io.BufferedWriter


def test_open_is_one_function_that_binds_to_nothing(install_rasp, tmp_path):
    def looks():
        return repr(open), open.__name__, open.__doc__, open.__module__, str(inspect.signature(open)), open.__class__

    bare, original = looks(), open
    installed = install_rasp()
    assert installed.state("file")[0] == "installed"
    assert open is not original
    assert open is io.open is builtins.open
    assert open == original
    assert open in {original}
    assert looks() == bare
    assert inspect.isbuiltin(open)
    assert pickle.loads(pickle.dumps(open)) is open
    assert weakref.ref(open)() is open

    class Holder:
        opener = open

    with Holder().opener(tmp_path / "file", "w") as file:
        file.write("x")
    for arguments in ((), (1, 2, 3, 4, 5, 6, 7, 8, 9)):
        assert told(open, *arguments) == told(original, *arguments)


def test_a_file_left_open_is_told_as_before(install_rasp, tmp_path):
    gc.collect()

    def leave():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            open(tmp_path / "left", "w").write("x")  # noqa: SIM115
            open(tmp_path / "left", "ab").write(b"x")  # noqa: SIM115
            gc.collect()
        return [str(one.message) for one in caught], (tmp_path / "left").read_bytes()

    bare = leave()
    assert len(bare[0]) == 2
    install_rasp()
    assert leave() == bare


def test_files_of_libraries_and_files_that_are_read_are_untouched(install_rasp, tmp_path):
    install_rasp()
    handler = logging.FileHandler(tmp_path / "log")
    assert type(handler.stream) is io.TextIOWrapper
    handler.close()
    with open(tmp_path / "log") as file:
        assert type(file) is io.TextIOWrapper


def served(installed, function):
    """(rule, severity, holder, function) of what is found while a view does this."""
    app = flask_app()
    app.add_url_rule("/", "view", lambda: function(presented()) or "ok")
    call(app, "/", {"X-API-Key": KEY})
    return [
        (found.rule, found.severity.word, found.trail[-1].holder, found.location.function)
        for found in installed.findings
    ]


def by_print(folder, key):
    with open(folder / "f", "a") as file:
        print("key:", key, file=file)


def by_json(folder, key):
    with open(folder / "f", "w") as file:
        json.dump({"caller": [key]}, file)


def by_csv(folder, key):
    with open(folder / "f", "w", newline="") as file:
        csv.writer(file).writerow([1, key])


def by_path(folder, key):
    (folder / "f").write_text(key)


def by_path_bytes(folder, key):
    (folder / "f").write_bytes(key.encode())


def by_path_open(folder, key):
    with (folder / "f").open("a") as file:
        file.writelines(["a", key])


def by_tempfile(folder, key):
    with tempfile.NamedTemporaryFile("w", dir=folder) as file:
        file.write(key)


def by_codecs(folder, key):
    with codecs.open(str(folder / "f"), "w", "utf-8") as file:
        file.write(key)


def by_descriptor(folder, key):
    with os.fdopen(os.open(folder / "f", os.O_CREAT | os.O_WRONLY), "w") as file:
        file.write(key)


def by_pickler(folder, key):
    with open(folder / "f", "wb") as file:
        pickle.Pickler(file).dump({"key": key})


@pytest.mark.parametrize(
    "way",
    [
        by_print, by_json, by_csv, by_path, by_path_bytes, by_path_open, by_tempfile, by_codecs, by_descriptor,
        by_pickler,
    ],
)  # fmt: skip
def test_what_is_written_by_any_way_is_found_once(observe, tmp_path, way):
    assert served(observe, lambda key: way(tmp_path, key)) == [("raw-token-stored", "warning", "file", way.__name__)]


def test_a_file_that_was_opened_at_start_is_seen(observe, tmp_path):
    with open(tmp_path / "audit", "a") as audit:

        def view(key):
            audit.write(f"{key} was here\n")

        assert served(observe, view) == [("raw-token-stored", "warning", "file", "view")]


class Searches:
    """Counts the characters that were searched."""

    def __init__(self, installed, monkeypatch):
        self.length = 0
        values = installed.runtime.ledger.values
        find = values.find

        def counting(text, *limit):
            self.length += len(text)
            return find(text, *limit)

        monkeypatch.setattr(values, "find", counting)


@pytest.mark.parametrize("piece", [1_000, 50_000])
def test_a_large_copy_is_searched_to_a_bound_in_each_request(observe, tmp_path, monkeypatch, piece):
    searches = Searches(observe, monkeypatch)
    with open(tmp_path / "copy", "wb") as copied:

        def copies(key):
            before = searches.length
            for _ in range(2_000_000 // piece):
                copied.write(b"ab, " * (piece // 4))
            copied.write(key.encode())
            assert searches.length - before < 350_000

        def names(key):
            copied.write(key.encode())

        assert served(observe, copies) == []
        assert observe.runtime.ledger.values.dropped == 1
        assert served(observe, names) == [("raw-token-stored", "warning", "file", "names")]


def test_a_file_in_base64_is_passed_over_and_what_follows_it_is_found(observe, tmp_path):
    image = base64.b64encode(bytes(range(256)) * 100).decode().rstrip("=")

    def view(key):
        with open(tmp_path / "f", "w") as file:
            file.write(f"{image} {key}")

    assert served(observe, view) == [("raw-token-stored", "warning", "file", "view")]


def test_a_log_into_an_opened_file_is_a_log(observe, tmp_path):
    class Own(logging.Handler):
        def emit(self, record):
            file.write(self.format(record))

    with open(tmp_path / "log", "w") as file:
        log = logging.Logger("app")
        log.addHandler(logging.StreamHandler(file))
        own = logging.Logger("own")
        own.addHandler(Own())

        def view(key):
            log.warning("key %s", key)
            own.warning("key %s", key)

        assert {rule for rule, *_ in served(observe, view)} == {"raw-token-logged"}


def test_memory_pipes_and_standard_streams_are_no_files(observe, tmp_path):
    def view(key):
        io.StringIO().write(key)
        io.BytesIO().write(key.encode())
        reader, writer = os.pipe()
        with os.fdopen(writer, "w") as file:
            file.write(key)
        os.close(reader)
        with open(os.devnull, "w") as file:
            file.write(key)
        with open(1, "w", closefd=False) as file:
            print(key, file=file)
        subprocess.run([sys.executable, "-c", ""], input=key.encode(), check=True)

    assert served(observe, view) == []


def test_what_holds_no_presented_credential_is_no_finding(observe, tmp_path):
    secret = "sv" + KEY[::-1]
    observe.runtime.ledger.own(secret, "env:PEPPER")

    def view(key):
        (tmp_path / "f").write_text(secret)
        (tmp_path / "f").write_text(key[:10])
        (tmp_path / "f").write_bytes(os.urandom(70_000))
        (tmp_path / "f").write_text("")

    assert served(observe, view) == []


def test_a_shelf_in_memory_is_no_file(observe):
    with shelve.Shelf({}) as shelf:
        assert served(observe, lambda key: shelf.__setitem__("caller", key)) == []


def test_open_can_be_mocked(install_rasp):
    install_rasp()
    with mock.patch("builtins.open", mock.mock_open(read_data="mocked")) as mocked, open("anything") as file:
        assert file.read() == "mocked"
    mocked.assert_called_once_with("anything")
    with mock.patch("builtins.open", autospec=True) as mocked:
        open("anything", mode="w")  # noqa: SIM115
    mocked.assert_called_once_with("anything", mode="w")


def test_an_upload_is_saved_as_before(observe, tmp_path):
    app = flask_app()

    @app.post("/")
    def upload():
        request.files["file"].save(tmp_path / "upload")
        return "ok"

    body = b"--b\r\nContent-Disposition: form-data; name=file; filename=f\r\n\r\ndata\r\n--b--\r\n"
    headers = {"X-API-Key": KEY}
    call(app, "/", headers, method="POST", body=body, type="multipart/form-data; boundary=b")
    assert (tmp_path / "upload").read_bytes() == b"data"
    assert observe.findings == []


def test_strict_raises_before_it_is_written(install_rasp, tmp_path):
    install_rasp(mode="strict")

    def view(key):
        with open(tmp_path / "f", "w") as file:
            file.write("before ")
            file.write(key)

    with pytest.raises(Exception, match="RASP207"):
        served(None, view)
    assert Path(tmp_path / "f").read_text() == "before "
