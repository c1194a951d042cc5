"""Extension modules in this process: objects as handles, names bound before, what refuses, and what is put back."""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import types

import pytest
from extension_fixtures import families, imported  # noqa: F401 - fixtures
from extension_scripts import KEY

import rasp
from rasp import runtime as process
from rasp.errors import ConfigError, DoubleRelease

CAPSULES = {"library": "capikeys", "acquire": ["open"], "use": ["verify"], "release": ["free"]}
OBJECTS = {
    "library": "capikeys",
    "acquire": ["Key", "Key.make"],
    "use": ["Key.verify"],
    "release": ["Key.close"],
}
BOUND = {"library": "pykeys", "acquire": ["Key"], "use": ["Key.verify"], "release": ["Key.close"]}
RAW = KEY.encode()


def rules(installed):
    return [(found.rule, found.severity.word) for found in installed.findings]


def opened(installed):
    return list(installed.runtime.ledger.native._table.opened())


@pytest.fixture
def capikeys(imported):  # noqa: F811
    return imported("c", "capikeys")


class TestObjects:
    def test_capsules_lead_a_clean_life(self, capikeys, install_rasp):
        installed = install_rasp(native=[CAPSULES])
        for _ in range(100):
            key = capikeys.open(KEY)
            assert capikeys.verify(key, KEY) is True
            capikeys.free(key)
        assert (installed.findings, opened(installed), installed.guard.failures) == ([], [], {})

    def test_a_stale_capsule_is_told_from_the_new_owner_of_its_address(self, capikeys, install_rasp):
        installed = install_rasp(native=[CAPSULES])
        stale = capikeys.open(KEY)
        capikeys.free(stale)
        others = [capikeys.open(KEY) for _ in range(64)]
        capikeys.free(stale)
        assert all(capikeys.verify(key, KEY) for key in others)
        for key in others:
            capikeys.free(key)
        assert rules(installed) == [("double-release", "error")]

    def test_objects_that_take_no_weak_reference_are_not_kept_alive_while_open(self, capikeys, install_rasp):
        installed = install_rasp(native=[OBJECTS])
        for _ in range(2_000):
            capikeys.Key(KEY)  # a leak of the library's, but no object of ours
        assert installed.findings == []
        objects = installed.runtime.native._modules._identities
        assert len(objects) < 50, "ids are handed out again, and entries with them"

    def test_a_new_object_with_the_id_of_a_released_one_is_not_it(self, capikeys, install_rasp):
        installed = install_rasp(native=[OBJECTS], quarantine=16)
        for _ in range(500):
            key = capikeys.Key(KEY)
            assert key.verify(KEY)
            key.close()
            del key
        assert installed.findings == []
        assert len(installed.runtime.native._modules._identities) <= 17

    def test_an_object_that_dies_is_an_implicit_end(self, imported, install_rasp):  # noqa: F811
        pykeys = imported("pybind11", "pykeys")
        installed = install_rasp(native=[BOUND])
        keys = [pykeys.Key(KEY) for _ in range(20)]
        assert len(opened(installed)) == 20
        del keys
        gc.collect()
        assert (opened(installed), installed.findings) == ([], [])

    def test_a_capsule_that_frees_its_pointer_ends_with_it(self, capikeys, install_rasp):
        roles = {"library": "capikeys", "acquire": ["open_owned"], "release": ["close_owned"]}
        installed = install_rasp(native=[roles])
        for _ in range(20):
            capikeys.open_owned(KEY)
        key = capikeys.open_owned(KEY)
        capikeys.close_owned(key)
        assert installed.findings == []
        capikeys.close_owned(key)
        assert rules(installed) == [("double-release", "error")]

    @pytest.mark.parametrize("kind", [ctypes.create_string_buffer, bytearray])
    def test_a_buffer_that_was_wiped_before_it_is_used(self, capikeys, install_rasp, kind):
        installed = install_rasp(native=[{"library": "capikeys", "use": ["touch"]}])
        rasp.track(KEY, kind="api_key")
        buffer = kind(RAW)
        capikeys.touch(buffer)
        assert installed.findings == []
        buffer[: len(RAW)] = bytes(len(RAW))
        capikeys.touch(buffer)
        assert rules(installed) == [("use-after-release", "error")]

    def test_what_was_never_acquired_is_a_warning(self, capikeys, install_rasp):
        key = capikeys.open(KEY)
        installed = install_rasp(native=[CAPSULES])
        capikeys.free(key)
        assert rules(installed) == [("release-without-acquire", "warning")]

    def test_a_release_that_raises_is_none(self, capikeys, install_rasp):
        installed = install_rasp(native=[CAPSULES])
        key = capikeys.open(KEY)
        with pytest.raises(TypeError):
            capikeys.free(key, key)
        capikeys.free(key)
        assert installed.findings == []

    def test_a_release_after_a_use_after_release_in_strict(self, capikeys, install_rasp):
        install_rasp(mode="strict", native=[CAPSULES])
        key = capikeys.open(KEY)
        capikeys.free(key)
        with pytest.raises(rasp.RaspViolation):
            capikeys.verify(key, KEY)
        with pytest.raises(DoubleRelease):
            capikeys.free(key)

    def test_four_threads_release_one_object_and_one_wins(self, capikeys, install_rasp):
        installed = install_rasp(native=[OBJECTS])
        for _ in range(40):
            key = capikeys.Key(KEY)
            start = threading.Barrier(4)

            def close(key=key, start=start):
                start.wait(10)
                key.close()

            threads = [threading.Thread(target=close) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(20)
        assert sum(found.count for found in rasp.findings()) == 40 * 3
        assert {rule for rule, _ in rules(installed)} == {"double-release"}


class TestNames:
    def test_imported_before_are_bound_anew_and_back(self, capikeys, install_rasp):
        original = capikeys.free
        taken = types.ModuleType("took_it_early")
        taken.release = original
        sys.modules["took_it_early"] = taken
        try:
            install_rasp(native=[CAPSULES])
            assert taken.release is capikeys.free is not original
            later = types.ModuleType("took_it_late")
            later.release = capikeys.free
            sys.modules["took_it_late"] = later
            process.uninstall()
            assert taken.release is later.release is capikeys.free is original
        finally:
            sys.modules.pop("took_it_early")
            sys.modules.pop("took_it_late", None)

    def test_uninstall_restores_methods_and_constructors(self, capikeys, install_rasp):
        before = dict(vars(capikeys.Key))
        install_rasp(native=[OBJECTS])
        assert vars(capikeys.Key)["close"] is not before["close"]
        process.uninstall()
        assert {name: value for name, value in vars(capikeys.Key).items() if value is not before[name]} == {}
        key = capikeys.Key(KEY)
        assert key.verify(KEY)
        key.close()

    def test_declared_in_code_is_taken_back_too(self, capikeys, install_rasp):
        before = capikeys.free
        install_rasp()
        rasp.native_library(capikeys, acquire=["open"], use=["verify"], release=["free"])
        key = capikeys.open(KEY)
        capikeys.free(key)
        capikeys.free(key)
        assert [found.rule for found in rasp.findings()] == ["double-release"]
        process.uninstall()
        assert capikeys.free is before


class TestWhatRefuses:
    @pytest.mark.parametrize(
        ("family", "module", "function", "said"),
        [
            ("c", "capikeys", "StaticKey.close", "static type or a cdef class"),
            ("cython", "cykeys", "FastKey.close", "static type or a cdef class"),
            ("c", "capikeys", "fre", "has no fre"),
            ("c", "capikeys", "Key.colse", "has no Key.colse"),
        ],
    )
    def test_is_said_with_its_reason(self, imported, install_rasp, family, module, function, said):  # noqa: F811
        loaded = imported(family, module)
        installed = install_rasp(native=[{"library": module, "release": [function]}])
        status = next(s for s in installed.runtime.statuses() if s.instrument == "extension_modules")
        assert any(said in line and function in line for line in status.unreachable)
        with pytest.raises(ConfigError, match=said):
            rasp.native_library(loaded, release=[function])

    def test_a_release_without_a_handle_is_said(self, capikeys, install_rasp):
        installed = install_rasp(native=[{"library": "capikeys", "release": ["length"]}])
        assert capikeys.length(KEY) == len(KEY)
        assert any("called without a handle" in problem for problem in installed.runtime.native.problems)
        assert installed.findings == []


class TestRust:
    """PyO3: a class of a wheel from PyPI; finishing a hash twice raises there, so nothing crashes."""

    def test_its_classes_are_followed_and_left_as_they_were(self, install_rasp):
        from cryptography.exceptions import AlreadyFinalized
        from cryptography.hazmat.primitives import hashes

        before = dict(vars(hashes.Hash))
        installed = install_rasp()
        rasp.native_library(hashes, acquire=["Hash"], use=["Hash.update"], release=["Hash.finalize"])
        value = hashes.Hash(hashes.SHA256())
        value.update(b"x")
        assert value.finalize() == value.finalize()
        assert rules(installed) == [("double-release", "error")]
        process.uninstall()
        assert {name for name, entry in vars(hashes.Hash).items() if entry is not before[name]} == set()
        value = hashes.Hash(hashes.SHA256())
        value.finalize()
        with pytest.raises(AlreadyFinalized):
            value.finalize()

    def test_its_functions(self, install_rasp):
        import bcrypt

        before = bcrypt.gensalt
        install_rasp()
        rasp.native_library(bcrypt, use=["kdf"])
        process.uninstall()
        assert bcrypt.gensalt is before


@pytest.mark.parametrize("hook", ["native.acquire", "native.use", "native.leave", "native.release", "native.released"])
def test_a_failure_in_a_hook_does_not_reach_the_app(capikeys, install_rasp, hook):
    installed = install_rasp(native=[CAPSULES])
    installed.guard.sabotage(hook)
    key = capikeys.open(KEY)
    assert capikeys.verify(key, KEY) is True
    assert capikeys.free(key) is None
    assert set(installed.guard.failures) == {hook}
