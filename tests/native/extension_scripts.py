"""One double release in each family of libraries, as an app would make it; the last release is the wrong one."""

from __future__ import annotations

from typing import NamedTuple

from support.made_up import api_key

KEY = api_key("extension")
HEAD = f'import sys\nsys.path[:0] = [{{folder!r}}, {{helpers!r}}]\nKEY = "{KEY}"\nRAW = KEY.encode()\n'


class Defect(NamedTuple):
    """``library``, ``roles``: its declaration. ``source``: the script."""

    library: str
    roles: dict[str, list[str]]
    source: str


def _roles(acquire: str, use: str, release: str) -> dict[str, list[str]]:
    return {"acquire": acquire.split(), "use": use.split(), "release": release.split()}


_APIKEY = _roles("apikey_open apikey_open_at", "apikey_verify", "apikey_free apikey_free_at")
_OPEN = """
import cffi
from extension_builds import CDEF
ffi = cffi.FFI()
ffi.cdef(CDEF)
lib = ffi.dlopen({folder!r} + "/libapikey.so")
"""
_FREED = """
assert lib.apikey_verify(key, RAW) == 1
lib.apikey_free(key)
lib.apikey_free(key)
print("survived")
"""
_FUNCTIONS = """
assert verify(key, GIVEN)
free(key)
free(key)
print("survived")
"""
_METHODS = """
assert key.verify(GIVEN)
key.close()
key.close()
print("survived")
"""

DEFECTS = {
    "cffi in-line": Defect("libapikey", _APIKEY, _OPEN + "key = lib.apikey_open(RAW)" + _FREED),
    "cffi out-parameter": Defect(
        "libapikey",
        _APIKEY,
        _OPEN
        + """
place = ffi.new("struct apikey **")
assert lib.apikey_open_at(RAW, place) == 0
assert lib.apikey_verify(place[0], RAW) == 1
lib.apikey_free_at(place)
lib.apikey_free(place[0])
print("survived")
""",
    ),
    "cffi destructor": Defect(
        "libapikey",
        _APIKEY,
        _OPEN
        + """
key = ffi.gc(lib.apikey_open(RAW), lib.apikey_free)
assert lib.apikey_verify(key, RAW) == 1
lib.apikey_free(key)
del key
print("survived")
""",
    ),
    "cffi API mode": Defect(
        "apikey_api", _APIKEY, "from apikey_api import ffi, lib\nkey = lib.apikey_open(RAW)" + _FREED
    ),
    "cffi ABI mode out-of-line": Defect(
        "",
        _APIKEY,
        """
import rasp
from apikey_abi import ffi
lib = ffi.dlopen({folder!r} + "/libapikey.so")
rasp.native_library(lib, acquire=["apikey_open"], use=["apikey_verify"], release=["apikey_free"])
key = lib.apikey_open(RAW)"""
        + _FREED,
    ),
    "C capsule": Defect(
        "capikeys",
        _roles("open", "verify", "free"),
        "from capikeys import open, verify, free\nGIVEN = KEY\nkey = open(KEY)" + _FUNCTIONS,
    ),
    "C address": Defect(
        "capikeys",
        _roles("open_address", "", "free_address"),
        """
import capikeys
key = capikeys.open_address(KEY)
assert capikeys.free_address(key) == 7
assert capikeys.free_address(key) == 7
print("survived")
""",
    ),
    "C heap type": Defect(
        "capikeys",
        _roles("Key", "Key.verify", "Key.close"),
        "from capikeys import Key\nGIVEN = KEY\nkey = Key(KEY)" + _METHODS,
    ),
    "C class method": Defect(
        "capikeys",
        _roles("Key.make", "Key.verify", "Key.close"),
        "from capikeys import Key\nGIVEN = KEY\nkey = Key.make(KEY)" + _METHODS,
    ),
    "Cython functions": Defect(
        "cykeys",
        _roles("open_key", "verify_key", "free_key"),
        "from cykeys import open_key as open, verify_key as verify, free_key as free\nGIVEN = RAW\nkey = open(RAW)"
        + _FUNCTIONS,
    ),
    "Cython class": Defect(
        "cykeys",
        _roles("Key", "Key.verify", "Key.close"),
        "from cykeys import Key\nGIVEN = RAW\nkey = Key(RAW)" + _METHODS,
    ),
    "pybind11 functions": Defect(
        "pykeys",
        _roles("open_key", "verify_key", "free_key"),
        "from pykeys import open_key as open, verify_key as verify, free_key as free\nGIVEN = KEY\nkey = open(KEY)"
        + _FUNCTIONS,
    ),
    "pybind11 class": Defect(
        "pykeys",
        _roles("Key", "Key.verify", "Key.close"),
        "from pykeys import Key\nGIVEN = KEY\nkey = Key(KEY)" + _METHODS,
    ),
    "pybind11 static method": Defect(
        "pykeys",
        _roles("Key.make", "Key.verify", "Key.close"),
        "from pykeys import Key\nGIVEN = KEY\nkey = Key.make(KEY)" + _METHODS,
    ),
}
