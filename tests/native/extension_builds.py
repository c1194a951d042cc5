"""Builds the key checker for every family of libraries, with the system's compilers."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

SOURCES = Path(__file__).parent / "extension_sources"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
API_SOURCE = '#include "apikey.h"'
CDEF = """
struct apikey;
struct apikey *apikey_open(const char *secret);
int apikey_open_at(const char *secret, struct apikey **out);
int apikey_verify(struct apikey *key, const char *candidate);
void apikey_free(struct apikey *key);
void apikey_free_at(struct apikey **key);
int apikey_version(void);
size_t apikey_length(const char *secret);
"""


def compiled(output: Path, *sources: Path, compiler: str = "gcc", options: tuple[str, ...] = ()) -> Path:
    """A shared library of these sources."""
    include = sysconfig.get_paths()["include"]
    command = [compiler, "-shared", "-fPIC", "-w", f"-I{SOURCES}", f"-I{include}", *options, "-o", str(output)]
    subprocess.run([*command, *map(str, sources)], check=True, timeout=300)
    return output


def shared_library(folder: Path) -> Path:
    return compiled(folder / "libapikey.so", SOURCES / "apikey.c")


def c_module(folder: Path) -> Path:
    return compiled(folder / f"capikeys{SUFFIX}", SOURCES / "capikeys.c", SOURCES / "apikey.c")


def cython_module(folder: Path) -> Path:
    made = folder / "cykeys.c"
    command = [sys.executable, "-m", "cython", str(SOURCES / "cykeys.pyx"), "-o", str(made)]
    subprocess.run(command, check=True, timeout=300)
    return compiled(folder / f"cykeys{SUFFIX}", made, SOURCES / "apikey.c")


def pybind_module(folder: Path) -> Path:
    import pybind11

    apikey = compiled(folder / "apikey.o", SOURCES / "apikey.c", options=("-c",))
    options = ("-std=c++17", f"-I{pybind11.get_include()}")
    return compiled(folder / f"pykeys{SUFFIX}", SOURCES / "pykeys.cpp", apikey, compiler="g++", options=options)


def cffi_module(folder: Path) -> Path:
    """An out-of-line module in API mode."""
    import cffi

    builder = cffi.FFI()
    builder.cdef(CDEF)
    builder.set_source("apikey_api", API_SOURCE)
    made = folder / "apikey_api.c"
    builder.emit_c_code(str(made))
    return compiled(folder / f"apikey_api{SUFFIX}", made, SOURCES / "apikey.c")


def cffi_abi_module(folder: Path) -> Path:
    """An out-of-line module in ABI mode, which is Python."""
    import cffi

    builder = cffi.FFI()
    builder.cdef(CDEF)
    builder.set_source("apikey_abi", None)
    made = folder / "apikey_abi.py"
    builder.emit_python_code(str(made))
    return made


BUILDERS = {
    "shared": shared_library,
    "c": c_module,
    "cython": cython_module,
    "pybind11": pybind_module,
    "cffi": cffi_module,
    "cffi_abi": cffi_abi_module,
}
