"""Each defect twice: as it is, where it kills or corrupts, and under rasp, where the process lives and it is told."""

from __future__ import annotations

import json
import shutil
import signal

import pytest

LOAD = """\
import ctypes
from flask import Flask, g, request, stream_with_context
lib = ctypes.CDLL("./libkeys.so")
lib.key_open.argtypes, lib.key_open.restype = [ctypes.c_char_p], ctypes.c_void_p
lib.key_verify.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
lib.key_free.argtypes, lib.key_free.restype = [ctypes.c_void_p], None
libc = ctypes.CDLL(None)
libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
libc.free.argtypes, libc.free.restype = [ctypes.c_void_p], None
KEY = "sk_made_up_" + "3f9a1c7e5b2d4860"
app = Flask(__name__)
"""
DRIVE = """
try:
    reply = app.test_client().get("/", headers={"X-API-Key": KEY})
    print("answered", reply.status_code, reply.data.decode())
except BaseException as error:
    print("raised", type(error).__name__)
"""
TOML = """\
[[native]]
library = "libkeys"
acquire = ["key_open"]
use = ["key_verify"]
release = ["key_free"]
"""
VIEW = """
@app.get("/")
def view():
    handle = lib.key_open(KEY.encode())
    lib.key_free(handle)
    {line}  # here
    return "done"
"""
DEFECTS = {
    "key released twice": ("double-release", VIEW.format(line="lib.key_free(handle)")),
    "small memory freed twice": (
        "double-release",
        VIEW.format(line="p = libc.malloc(64); libc.free(p); libc.free(p)"),
    ),
    "large memory freed twice": (
        "double-release",
        VIEW.format(line="p = libc.malloc(5000); libc.free(p); libc.free(p)"),
    ),
    "mapped memory freed twice": (
        "double-release",
        VIEW.format(line="p = libc.malloc(300_000); libc.free(p); libc.free(p)"),
    ),
    "teardown repeated for a stream": (
        "double-release",
        """
@app.get("/")
def view():
    g.handle = lib.key_open(KEY.encode())
    return app.response_class(stream_with_context(iter(["a", "b"])))

@app.teardown_request
def free(error):
    lib.key_free(g.handle)  # here
""",
    ),
}
STALE = (
    LOAD
    + """
@app.get("/")
def view():
    first = int(libc.malloc(64))
    libc.free(first)
    second = int(libc.malloc(64))
    libc.free(first)  # here
    third = int(libc.malloc(64))
    ctypes.memmove(second, b"mine\\0", 5)
    ctypes.memmove(third, b"yours\\0", 6)
    return ctypes.string_at(second)
"""
    + DRIVE
)
USED = (
    LOAD
    + """
@app.get("/")
def view():
    handle = lib.key_open(KEY.encode())
    lib.key_free(handle)
    held = [libc.malloc(size) for size in (256, 264, 40, 48, 32)]
    for place in held:
        ctypes.memset(place, 255, 32)
    return str(lib.key_verify(handle, KEY.encode()))  # here
"""
    + DRIVE
)
DIED = (-signal.SIGABRT, -signal.SIGSEGV)


@pytest.fixture
def folder(scripts, built):
    shutil.copy(built, scripts.folder / "libkeys.so")
    (scripts.folder / "rasp.toml").write_text(TOML)
    return scripts


def line_of(source):
    return next(number for number, line in enumerate(source.splitlines(), 1) if "# here" in line)


@pytest.mark.parametrize("name", DEFECTS)
def test_double_release_kills_without_rasp_and_is_told_with_it(folder, name):
    rule, body = DEFECTS[name]
    source = LOAD + body + DRIVE
    assert folder.plain(source).returncode in DIED
    for mode in ("observe", "protect", "strict"):
        ran = folder.under_rasp(source, "--mode", mode)
        assert ran.returncode == 0, ran.stderr
        assert ran.judged() == [(rule, line_of(source))]
        assert ("raised DoubleRelease" if mode == "strict" else "answered 200") in ran.stdout
        [found] = [found for found in ran.findings if found["severity"] != "note"]
        assert found["action_taken"] == ("raised" if mode == "strict" else "call skipped")
        assert [step["action"] for step in found["trail"]] == ["acquire", "release", "release"]
        assert found["cwe"] == [415]


def test_stale_release_gives_one_address_to_two_owners_without_rasp_and_none_with_it(folder):
    plain = folder.plain(STALE)
    assert "answered 200 yours" in plain.stdout, "silent: the second owner's text in the first one's memory"
    for mode in ("observe", "protect"):
        ran = folder.under_rasp(STALE, "--mode", mode)
        assert "answered 200 mine" in ran.stdout
        assert ran.judged() == [("double-release", line_of(STALE))]
    ran = folder.under_rasp(STALE, "--mode", "strict")
    assert "raised DoubleRelease" in ran.stdout


def test_use_after_release_is_on_disk_before_it_happens_and_stopped_in_protect(folder):
    plain = folder.plain(USED)
    assert plain.returncode in DIED or "answered 200 1" not in plain.stdout
    ran = folder.under_rasp(USED, "--mode", "observe")
    assert ran.judged() == [("use-after-release", line_of(USED))], "also where the process did not survive it"
    for mode in ("protect", "strict"):
        ran = folder.under_rasp(USED, "--mode", mode)
        assert ran.returncode == 0
        assert ran.judged() == [("use-after-release", line_of(USED))]
        assert "answered 500" in ran.stdout or "raised UseAfterRelease" in ran.stdout


def test_memory_that_was_never_seen_allocated_is_freed_and_leaves_no_mark(folder):
    source = (
        LOAD
        + """
libc.realpath.argtypes, libc.realpath.restype = [ctypes.c_char_p, ctypes.c_void_p], ctypes.c_void_p
for _ in range(50):
    libc.free(libc.realpath(b"/", None))
libc.free(None)
libc.free(0)
p = libc.malloc(10)
libc.realloc.argtypes, libc.realloc.restype = [ctypes.c_void_p, ctypes.c_size_t], ctypes.c_void_p
p = libc.realloc(p, 100_000)
q = libc.realloc(None, 10)
libc.free(q)
libc.free(p)
print("done")
"""
    )
    ran = folder.under_rasp(source, "--mode", "strict")
    assert (ran.returncode, ran.stdout) == (0, "done\n")
    assert {(found["rule"], found["severity"]) for found in ran.findings} == {("release-without-acquire", "note")}


def test_switched_off_block_passes_the_second_release_on(folder):
    source = LOAD + DEFECTS["key released twice"][1] + DRIVE
    (folder.folder / "rasp.toml").write_text("block_native_double_release = false\n" + TOML)
    ran = folder.under_rasp(source, "--mode", "observe")
    assert ran.returncode in (128 + signal.SIGABRT, 128 + signal.SIGSEGV)
    assert ran.judged() == [("double-release", line_of(source))]


def test_no_raw_key_is_in_what_rasp_writes(folder):
    source = LOAD + DEFECTS["key released twice"][1] + DRIVE
    ran = folder.under_rasp(source, "--mode", "observe", "--events", "events.jsonl")
    written = ran.stderr + json.dumps(ran.findings) + (folder.folder / "events.jsonl").read_text()
    assert "3f9a1c7e5b2d4860" not in written


def test_report_shows_three_whole_stacks(folder):
    source = (
        LOAD
        + """
def opened(key):
    return lib.key_open(key)  # acquired

def close(handle):
    lib.key_free(handle)

@app.get("/")
def view():
    handle = opened(KEY.encode())
    close(handle)  # first
    close(handle)  # again
    return "done"
"""
        + DRIVE
    )
    ran = folder.under_rasp(source, "--mode", "observe")
    text = ran.stderr
    assert "ERROR: rasp: double-release (RASP101, CWE-415)" in text
    assert "key_free of libkeys" in text
    for wanted in (
        "acquired here: native.libkeys, slot key_open(0x",
        "> return lib.key_open(key)  # acquired",
        "> handle = opened(KEY.encode())",
        "> close(handle)  # first",
        "> close(handle)  # again",
        "rasp skipped the call (mode observe)",
        "fix: let one place own the handle",
    ):
        assert wanted in text, text
    assert text.count("by request ") == 3
    assert text.count("thread MainThread") == 3


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (TOML.replace("key_free", "key_fre"), "libkeys has no function key_fre"),
        (TOML.replace('"key_verify"', '"key_free"'), "has two roles"),
        (TOML.replace('release = ["key_free"]', 'release = "key_free"'), "must be a list"),
        (TOML.replace("release", "realease"), "unknown key 'realease'"),
        (TOML.replace('["key_free"]', '["key_free", "key_live"]'), "was called without a handle"),
    ],
)
def test_wrong_declaration_is_a_clear_message_and_no_crash(folder, toml, said):
    (folder.folder / "rasp.toml").write_text(toml)
    ran = folder.under_rasp(LOAD + "for _ in range(3):\n    lib.key_live()\nprint('alive')\n", "--mode", "strict")
    assert ran.stderr.count(said) == 1, ran.stderr
    assert ("alive" in ran.stdout) or ran.returncode == 2


def test_library_that_never_loads_is_told_by_the_doctor(folder):
    import subprocess
    import sys

    (folder.folder / "rasp.toml").write_text(TOML.replace("libkeys", "libnowhere"))
    done = subprocess.run(
        [sys.executable, "-m", "rasp", "doctor"],
        cwd=folder.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0
    assert "libnowhere: declared in [[native]]" in done.stdout
