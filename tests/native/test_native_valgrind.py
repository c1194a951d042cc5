"""valgrind's judgement: the second release is an invalid access without rasp, and does not reach the heap with it."""

from __future__ import annotations

import shutil
import subprocess
import sys

from support.packages import needed

APP = """\
import ctypes
from flask import Flask
lib = ctypes.CDLL("./libkeys.so")
lib.key_open.argtypes, lib.key_open.restype = [ctypes.c_char_p], ctypes.c_void_p
lib.key_free.argtypes, lib.key_free.restype = [ctypes.c_void_p], None
app = Flask(__name__)

@app.get("/")
def view():
    handle = lib.key_open(b"sk_made_up_3f9a1c7e5b2d4860")
    lib.key_free(handle)
    lib.key_free(handle)
    return "done"

print(app.test_client().get("/").data)
"""
TOML = '[[native]]\nlibrary = "libkeys"\nacquire = ["key_open"]\nrelease = ["key_free"]\n'


def test_invalid_accesses_are_there_without_rasp_and_gone_with_it(tmp_path, built, monkeypatch):
    shutil.copy(built, tmp_path / "libkeys.so")
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "rasp.toml").write_text(TOML)
    monkeypatch.setenv("PYTHONMALLOC", "malloc")
    checked = [needed("valgrind", "valgrind"), sys.executable, "app.py"]

    def run(*before):
        return subprocess.run(
            [*before, *checked], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
        ).stderr

    bare = run()
    assert "Invalid free()" in bare
    assert "key_free" in bare
    watched = run(sys.executable, "-m", "rasp", "run", "--")
    assert "ERROR SUMMARY" in watched, "it did run under valgrind"
    assert "rasp: double-release" in watched
    assert "Invalid" not in watched
