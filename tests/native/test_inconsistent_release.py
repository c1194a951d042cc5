"""Routes that release a native handle on their success path only: found, unless the handle releases itself."""

from __future__ import annotations

import ctypes
import threading
import weakref

import cffi
import pytest
from extension_builds import CDEF
from extension_fixtures import families, imported  # noqa: F401 - fixtures
from flask import Flask, request
from support.web import call

import rasp
from rasp.errors import InconsistentRelease

KEY = "Kq3vT9mZr7Lw2Xy5Bn8C"
RAW = KEY.encode()
CFFI = {"library": "libapikey", "acquire": ["apikey_open"], "use": ["apikey_verify"], "release": ["apikey_free"]}
PYBIND = {"library": "pykeys", "acquire": ["Key"], "use": ["Key.verify"], "release": ["Key.close"]}
CAPSULES = {"library": "capikeys", "acquire": ["open"], "use": ["verify"], "release": ["free"]}


def serving(view):
    """An app with one route, that raises where ``bad`` is asked for."""
    app = Flask(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.logger.disabled = True
    app.add_url_rule("/", view_func=view)
    return app


def drive(app, *paths):
    return [call(app, path, {"X-API-Key": KEY}).status[:3] for path in paths]


def failing():
    if "bad" in request.args:
        raise ValueError


def found(installed):
    return [(finding.severity.word, finding.location.function) for finding in of_rule(installed)]


def of_rule(installed):
    return [finding for finding in installed.findings if finding.rule == "inconsistent-release"]


@pytest.mark.parametrize("paths", [("/", "/?bad=1"), ("/?bad=1", "/")], ids=["success first", "error first"])
def test_a_handle_that_an_exception_leaves_is_found_in_either_order(keys, paths):
    installed, lib = keys

    def view():
        handle = lib.key_open(RAW)
        failing()
        lib.key_free(handle)
        return "done"

    app = serving(view)
    assert sorted(drive(app, *paths)) == ["200", "500"]
    drive(app, *paths)
    assert found(installed) == [("warning", "view")]
    (finding,) = of_rule(installed)
    assert finding.cwe == (459,)
    assert (finding.request.route, finding.request.status) == ("/", 500)
    assert [step.action.value for step in finding.trail] == ["acquire", "release", "acquire"]
    assert finding.trail[-1].request == finding.request.id
    assert finding.location == finding.trail[-1].location


def test_strict_raises_it_when_the_request_ends(native, load):
    installed, lib = native(mode="strict"), load()

    def view():
        handle = lib.key_open(RAW)
        if "bad" in request.args:
            return "bad", 400
        lib.key_free(handle)
        return "done"

    app = serving(view)
    assert drive(app, "/") == ["200"]
    with pytest.raises(InconsistentRelease):
        drive(app, "/?bad=1")
    assert drive(app, "/?bad=1", "/") == ["400", "200"]
    assert len(of_rule(installed)) == 1


class Closing:
    """A handle with a method that releases it, and a destructor that does so too."""

    def __init__(self, lib):
        self.lib = lib
        self.handle = lib.key_open(RAW)

    def close(self):
        handle, self.handle = self.handle, None
        if handle is not None:
            self.lib.key_free(handle)

    def __del__(self):
        self.close()


class Finalized:
    def __init__(self, lib):
        self.handle = lib.key_open(RAW)
        weakref.finalize(self, lib.key_free, self.handle)


@pytest.mark.parametrize("wrapper", [Closing, Finalized])
def test_what_a_finaliser_releases_is_no_path(keys, wrapper):
    installed, lib = keys

    def view():
        wrapped = wrapper(lib)
        failing()
        return str(bool(wrapped))

    assert drive(serving(view), "/", "/?bad=1", "/", "/?bad=1") == ["200", "500", "200", "500"]
    assert found(installed) == []


def test_memory_of_libc_is_no_handle_of_the_app(keys):
    installed, _ = keys
    libc = ctypes.CDLL(None)
    libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    libc.free.argtypes, libc.free.restype = [ctypes.c_void_p], None

    def view():
        memory = libc.malloc(64)
        failing()
        libc.free(memory)
        return "done"

    assert drive(serving(view), "/", "/?bad=1") == ["200", "500"]
    assert found(installed) == []


def test_a_handle_that_another_thread_releases_in_time_is_released(keys):
    installed, lib = keys

    def view():
        handle = lib.key_open(RAW)
        thread = threading.Thread(target=lib.key_free, args=(handle,))
        thread.start()
        thread.join()
        failing()
        return "done"

    assert drive(serving(view), "/", "/?bad=1") == ["200", "500"]
    assert found(installed) == []


def test_a_unit_of_work_has_paths_too(keys):
    installed, lib = keys

    def job(bad):
        with rasp.scope("nightly"):
            rasp.track(KEY, kind="api_key")
            handle = lib.key_open(RAW)
            if bad:
                raise ValueError
            lib.key_free(handle)

    job(False)
    with pytest.raises(ValueError, match=r"^$"):
        job(True)
    assert found(installed) == [("warning", "job")]
    assert of_rule(installed)[0].request.route == "nightly"


class TestCffi:
    @pytest.fixture
    def opened(self, families, install_rasp):  # noqa: F811
        path = families("shared")
        installed = install_rasp(native=[CFFI])
        ffi = cffi.FFI()
        ffi.cdef(CDEF)
        return ffi, ffi.dlopen(str(path)), installed

    def test_a_pointer_that_an_error_path_leaves(self, opened):
        _, lib, installed = opened

        def view():
            key = lib.apikey_open(RAW)
            failing()
            lib.apikey_free(key)
            return "done"

        drive(serving(view), "/", "/?bad=1")
        assert found(installed) == [("warning", "view")]

    def test_what_has_a_destructor_releases_itself(self, opened):
        ffi, lib, installed = opened

        def view():
            key = ffi.gc(lib.apikey_open(RAW), lib.apikey_free)
            secret = ffi.new("char[]", RAW)
            failing()
            ffi.release(key)
            ffi.release(secret)
            return "done"

        drive(serving(view), "/", "/?bad=1", "/", "/?bad=1")
        assert found(installed) == []


class TestModules:
    def test_a_capsule_without_a_destructor_that_an_error_path_leaves(self, imported, install_rasp):  # noqa: F811
        module = imported("c", "capikeys")
        installed = install_rasp(native=[CAPSULES])

        def view():
            key = module.open(KEY)
            failing()
            module.free(key)
            return "done"

        drive(serving(view), "/", "/?bad=1")
        assert found(installed) == [("warning", "view")]

    def test_an_object_ends_with_itself(self, imported, install_rasp):  # noqa: F811
        module = imported("pybind11", "pykeys")
        installed = install_rasp(native=[PYBIND])

        def view():
            key = module.Key(KEY)
            failing()
            key.close()
            return "done"

        drive(serving(view), "/", "/?bad=1", "/", "/?bad=1")
        assert found(installed) == []
