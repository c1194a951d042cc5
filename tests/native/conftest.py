"""Builds the library that the tests of the native boundary load, and declares it to rasp."""

from __future__ import annotations

import ctypes
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
DECLARED = {
    "library": "libkeys",
    "acquire": ["key_open", "key_make", "session_open", "context_init", "pool_open"],
    "retain": ["key_retain"],
    "use": ["key_verify", "key_same", "key_visit", "session_sign", "context_use"],
    "release": ["key_free", "key_close", "key_drop", "session_close", "context_clear", "pool_close"],
}


def declared(lib):
    """A loaded library with the types of its functions, as an app sets them."""
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name in ("key_open", "key_open_unseen", "pool_open", "pool_open_unseen"):
        function = getattr(lib, name)
        function.argtypes, function.restype = [text], pointer
    for name in ("key_free", "pool_close"):
        function = getattr(lib, name)
        function.argtypes, function.restype = [pointer], None
    lib.key_verify.argtypes = [pointer, text]
    lib.key_same.argtypes = [pointer, pointer]
    lib.key_retain.argtypes, lib.key_retain.restype = [pointer], pointer
    lib.key_close.argtypes = [pointer]
    lib.session_sign.argtypes = [ctypes.c_ulong, ctypes.c_int]
    lib.session_close.argtypes = [ctypes.c_ulong]
    return lib


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The compiled library; each copy of the file is a library of its own to the loader."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    assert compiler is not None, "these tests need a C compiler"
    path = tmp_path_factory.mktemp("native") / "libkeys.so"
    subprocess.run(
        [compiler, "-g", "-shared", "-fPIC", "-Wall", "-Wl,-Bsymbolic", "-o", str(path), str(HERE / "keys.c")],
        check=True,
        timeout=60,
    )
    return path


@pytest.fixture
def load(built, tmp_path):
    """``load()``: the library, freshly loaded, with its types set."""

    def make(**changes):
        copy = tmp_path / "libkeys.so"
        if not copy.exists():
            shutil.copy(built, copy)
        return declared(ctypes.CDLL(str(copy), **changes))

    return make


@pytest.fixture
def native(install_rasp):
    """``native(mode=..., **declaration)``: rasp with the library declared."""

    def make(*, declaration=(), **settings):
        return install_rasp(native=[{**DECLARED, **dict(declaration)}], **settings)

    return make


@pytest.fixture
def keys(native, load):
    """(rasp in mode observe, the library)."""
    rasp = native()
    return rasp, load()
