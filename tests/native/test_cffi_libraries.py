"""cffi in this process: clean calls, destructors, memory, declarations that are wrong, and what is put back."""

from __future__ import annotations

import gc
import threading

import cffi
import pytest
from extension_builds import CDEF
from extension_fixtures import families, imported  # noqa: F401 - fixtures
from extension_scripts import KEY

import rasp
from rasp import runtime as process
from rasp.errors import ConfigError, DoubleRelease

ROLES = {
    "acquire": ["apikey_open", "apikey_open_at"],
    "use": ["apikey_verify"],
    "release": ["apikey_free", "apikey_free_at"],
}
RAW = KEY.encode()


@pytest.fixture
def opened(families, install_rasp):  # noqa: F811
    """``opened(mode=...)``: (ffi, lib, what is installed)."""
    path = families("shared")

    def make(**settings):
        installed = install_rasp(native=[{"library": "libapikey", **ROLES}], **settings)
        ffi = cffi.FFI()
        ffi.cdef(CDEF)
        return ffi, ffi.dlopen(str(path)), installed

    return make


def rules(installed):
    return [(found.rule, found.severity.word) for found in installed.findings]


class TestHandles:
    def test_a_clean_life_finds_nothing(self, opened):
        ffi, lib, installed = opened()
        for _ in range(50):
            key = lib.apikey_open(RAW)
            assert lib.apikey_verify(key, RAW) == 1
            lib.apikey_free(key)
            place = ffi.new("struct apikey **")
            assert lib.apikey_open_at(RAW, place) == 0
            lib.apikey_free_at(place)
        lib.apikey_free(lib.apikey_open(RAW))
        assert lib.apikey_version() == 3
        assert (installed.findings, installed.guard.failures) == ([], {})

    def test_a_stale_pointer_to_an_address_that_was_handed_out_again_is_a_double_release(self, opened):
        ffi, lib, installed = opened()
        stale = lib.apikey_open(RAW)
        address = int(ffi.cast("uintptr_t", stale))
        lib.apikey_free(stale)
        others = [lib.apikey_open(RAW) for _ in range(64)]
        owner = next((key for key in others if int(ffi.cast("uintptr_t", key)) == address), None)
        assert owner is not None, "the allocator gives the address out again"
        lib.apikey_free(stale)
        assert lib.apikey_verify(owner, RAW) == 1
        for key in others:
            lib.apikey_free(key)
        assert rules(installed) == [("double-release", "error")]

    def test_a_use_after_the_release_is_found(self, opened):
        _, lib, installed = opened(mode="protect")
        key = lib.apikey_open(RAW)
        lib.apikey_free(key)
        with pytest.raises(rasp.RaspViolation):
            lib.apikey_verify(key, RAW)
        assert rules(installed) == [("use-after-release", "error")]

    def test_a_release_whose_arguments_are_wrong_is_none(self, opened):
        _, lib, installed = opened()
        key = lib.apikey_open(RAW)
        with pytest.raises(TypeError):
            lib.apikey_free(key, key)
        lib.apikey_free(key)
        assert installed.findings == []

    def test_what_was_never_acquired_is_passed_on(self, families, install_rasp):  # noqa: F811
        ffi = cffi.FFI()
        ffi.cdef(CDEF)
        lib = ffi.dlopen(str(families("shared")))
        key = lib.apikey_open(RAW)
        installed = install_rasp(native=[{"library": "libapikey", **ROLES}])
        lib.apikey_free(key)
        assert rules(installed) == [("release-without-acquire", "warning")]

    def test_four_threads_release_one_handle_and_one_wins(self, opened):
        _, lib, installed = opened()
        for _ in range(40):
            key = lib.apikey_open(RAW)
            start = threading.Barrier(4)

            def free(key=key, start=start):
                start.wait(10)
                lib.apikey_free(key)

            threads = [threading.Thread(target=free) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
        assert {rule for rule, _ in rules(installed)} == {"double-release"}
        assert sum(found.count for found in process.active().counting.snapshot()) == 40 * 3
        assert installed.guard.failures == {}


class TestDestructors:
    def test_a_destructor_is_the_release_once(self, opened):
        ffi, lib, installed = opened()
        key = ffi.gc(lib.apikey_open(RAW), lib.apikey_free)
        assert lib.apikey_verify(key, RAW) == 1
        del key
        gc.collect()
        assert installed.findings == []
        assert list(process.active().ledger.native._table.opened()) == []

    def test_a_destructor_after_a_release_is_the_second(self, opened):
        ffi, lib, installed = opened(mode="strict")
        key = ffi.gc(lib.apikey_open(RAW), lib.apikey_free)
        lib.apikey_free(key)
        del key
        gc.collect()
        assert rules(installed) == [("double-release", "error")]

    def test_ffi_release_runs_it_and_a_second_one_does_nothing_but_is_graded(self, opened):
        ffi, lib, installed = opened()
        key = ffi.gc(lib.apikey_open(RAW), lib.apikey_free)
        ffi.release(key)
        assert installed.findings == []
        ffi.release(key)
        assert rules(installed) == [("double-release", "warning")]


class TestMemory:
    @pytest.fixture
    def followed(self, opened):
        ffi, lib, installed = opened()
        rasp.track(KEY, kind="api_key")
        return ffi, lib, installed

    @pytest.mark.parametrize("kind", ["new", "from_buffer"])
    def test_memory_with_a_credential_is_released_once(self, followed, kind):
        ffi, _, installed = followed
        memory = ffi.new("char[]", RAW) if kind == "new" else ffi.from_buffer("char[]", bytearray(RAW))
        ffi.release(memory)
        assert installed.findings == []
        ffi.release(memory)
        assert rules(installed) == [("double-release", "warning")]

    def test_a_read_after_the_release_is_found(self, followed):
        ffi, lib, installed = followed
        memory = ffi.new("char[]", RAW)
        assert ffi.string(memory) == RAW
        ffi.release(memory)
        ffi.string(memory)
        key = lib.apikey_open(RAW)
        lib.apikey_verify(key, memory)
        lib.apikey_free(key)
        assert rules(installed) == [("use-after-release", "error")] * 2

    def test_other_memory_is_not_followed(self, followed):
        ffi, _, installed = followed
        memory = ffi.new("char[]", b"nothing secret in here")
        ffi.release(memory)
        ffi.release(memory)
        assert installed.findings == []


class TestDeclarations:
    @pytest.mark.parametrize(
        ("roles", "said"),
        [
            ({"acquire": ["apikey_opne"]}, "has no function apikey_opne"),
            ({"release": ["apikey_version"]}, "takes no handle, so it can be no release function"),
            ({"acquire": ["apikey_free"]}, "gives out no handle, so it can be no acquire function"),
        ],
    )
    def test_a_wrong_one_is_said_and_never_a_crash(self, families, install_rasp, roles, said):  # noqa: F811
        path = families("shared")
        installed = install_rasp(native=[{"library": "libapikey", **roles}])
        ffi = cffi.FFI()
        ffi.cdef(CDEF)
        lib = ffi.dlopen(str(path))
        assert any(said in problem for problem in installed.runtime.native.problems)
        assert lib.apikey_version() == 3
        with pytest.raises(ConfigError, match=said):
            rasp.native_library(ffi.dlopen(str(path)), **roles)

    def test_what_is_no_library_is_refused(self, install_rasp):
        install_rasp()
        with pytest.raises(ConfigError, match="not str"):
            rasp.native_library("libapikey", release=["free"])


class TestUninstall:
    def test_the_functions_are_the_same_objects_as_before(self, families, install_rasp):  # noqa: F811
        ffi = cffi.FFI()
        ffi.cdef(CDEF)
        lib = ffi.dlopen(str(families("shared")))
        before = {name: getattr(lib, name) for roles in ROLES.values() for name in roles}
        methods = {name: vars(cffi.FFI)[name] for name in ("dlopen", "gc", "new", "release", "string", "from_buffer")}
        install_rasp(native=[{"library": "libapikey", **ROLES}])
        assert all(getattr(lib, name) is not function for name, function in before.items())
        process.uninstall()
        assert all(getattr(lib, name) is function for name, function in before.items())
        assert all(vars(cffi.FFI)[name] is method for name, method in methods.items())

    def test_api_mode_too_and_names_taken_from_it(self, imported, install_rasp):  # noqa: F811
        module = imported("cffi", "apikey_api")
        lib = module.lib
        before = lib.apikey_free
        globals()["taken"] = before
        install_rasp(native=[{"library": "apikey_api", **ROLES}])
        assert lib.apikey_free is not before
        assert globals()["taken"] is lib.apikey_free
        key = lib.apikey_open(RAW)
        globals()["taken"](key)
        lib.apikey_free(key)
        assert [found.rule for found in rasp.findings()] == ["double-release"]
        process.uninstall()
        assert lib.apikey_free is before
        assert globals().pop("taken") is before


class TestFailures:
    HOOKS = (
        "native.acquire", "native.use", "native.leave", "native.release", "native.released", "cffi.load",
    )  # fmt: skip

    @pytest.mark.parametrize("hook", HOOKS)
    def test_of_a_hook_do_not_reach_the_app(self, families, install_rasp, hook):  # noqa: F811
        installed = install_rasp(native=[{"library": "libapikey", **ROLES}])
        installed.guard.sabotage(hook)
        ffi = cffi.FFI()
        ffi.cdef(CDEF)
        lib = ffi.dlopen(str(families("shared")))
        key = lib.apikey_open(RAW)
        assert lib.apikey_verify(key, RAW) == 1
        lib.apikey_free(key)
        assert set(installed.guard.failures) == {hook}

    def test_strict_raises_before_the_call(self, opened):
        _, lib, _ = opened(mode="strict")
        key = lib.apikey_open(RAW)
        lib.apikey_free(key)
        with pytest.raises(DoubleRelease):
            lib.apikey_free(key)
