"""Builds and loads ``native/keyring.c``, as an app loads any C library: with ctypes."""

import ctypes
import pathlib
import shutil
import subprocess
import tempfile

SOURCE = pathlib.Path(__file__).parent / "native" / "keyring.c"


def load() -> ctypes.CDLL:
    """Compiles the library into a temporary folder and loads it; once loaded, the file is no longer needed.

    Raises:
        RuntimeError: there is no C compiler.
        subprocess.CalledProcessError: the compiler failed.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise RuntimeError("the demo needs a C compiler, cc or gcc")
    with tempfile.TemporaryDirectory(prefix="keyring-") as folder:
        built = pathlib.Path(folder, "libkeyring.so")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", str(built), str(SOURCE)], check=True, timeout=60)
        library = ctypes.CDLL(str(built))
    library.keyring_open.argtypes, library.keyring_open.restype = [ctypes.c_char_p], ctypes.c_void_p
    library.keyring_verify.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.keyring_free.argtypes, library.keyring_free.restype = [ctypes.c_void_p], None
    return library


keyring = load()
