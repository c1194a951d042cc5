"""Handles between threads and requests: races, reuse, overlaps, leaks, mutable buffers, fork."""

from __future__ import annotations

import contextvars
import ctypes
import os
import threading

import pytest
from flask import Flask, g

SECRET = b"sk_made_up_3f9a1c7e5b2d4860"
VISIT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


def rules(rasp):
    return [(found.rule, found.severity.word) for found in rasp.findings]


def together(count, work):
    """Runs ``work(number)`` in so many threads at once; raises what one of them raised."""
    failed = []

    def run(number):
        try:
            work(number)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert failed == []


def test_four_threads_of_twenty_thousand_cycles_find_nothing(keys):
    rasp, lib = keys

    def work(number):
        secret = SECRET + b"%d" % number
        for _ in range(20_000):
            handle = lib.key_open(secret)
            assert lib.key_verify(handle, secret) == 1
            lib.key_free(handle)

    together(4, work)
    assert rasp.findings == []
    assert rasp.runtime.ledger.native.dropped == 0


def test_three_hundred_races_have_one_winner_each(keys):
    rasp, lib = keys
    start = threading.Barrier(4)
    handles = [lib.key_open(SECRET) for _ in range(300)]
    results = []

    def work(number):
        for handle in handles:
            start.wait(60)
            results.append(lib.key_close(handle))

    together(4, work)
    assert results == [7] * 1200, "those who lost get what the winner got"
    assert {name for name, _ in rules(rasp)} == {"double-release"}
    assert sum(found.count for found in rasp.runtime.counting.snapshot()) == 900


class Served:
    """Requests that are in a native call until they are told to go on."""

    def __init__(self, lib):
        self.lib = lib
        self.shared = {}
        self.inside, self.go = threading.Event(), threading.Event()
        self.app = Flask(__name__)
        lib.key_visit.argtypes = [ctypes.c_void_p, VISIT]
        self.wait = VISIT(self._wait)
        self.app.add_url_rule("/hold", view_func=self.hold)
        self.app.add_url_rule("/use", view_func=self.use)
        self.app.add_url_rule("/free", view_func=self.free)

    def _wait(self, handle):
        self.inside.set()
        return int(self.go.wait(60))

    def hold(self):
        handle = self.shared.setdefault("handle", None) or self.lib.key_open(SECRET)
        self.shared["handle"] = handle
        return str(self.lib.key_visit(handle, self.wait))

    def use(self):
        return str(self.lib.key_verify(self.shared["handle"], SECRET))

    def free(self):
        self.lib.key_free(self.shared["handle"])
        return "freed"

    def overlap(self, path, driver=None):
        """Sends one request while another is in its call."""
        first = threading.Thread(target=lambda: self.app.test_client().get("/hold"))
        first.start()
        assert self.inside.wait(60)
        try:
            (driver or (lambda: self.app.test_client().get(path)))()
        finally:
            self.go.set()
            first.join(60)


@pytest.mark.parametrize(
    ("opened", "declaration", "expected"),
    [
        ("inside", {}, [("concurrent-reuse", "error")]),
        ("outside", {}, []),
        ("inside", {"thread_safe": True}, []),
        ("inside", {"thread_safe": False}, [("concurrent-reuse", "error")]),
        ("outside", {"thread_safe": False}, [("concurrent-reuse", "error")]),
    ],
)
def test_use_from_two_requests_at_once(native, load, opened, declaration, expected):
    rasp = native(declaration=declaration)
    served = Served(load())
    if opened == "outside":
        served.shared["handle"] = served.lib.key_open(SECRET)
    served.overlap("/use")
    assert rules(rasp) == expected
    assert [found.location.function for found in rasp.findings] == ["use"] * len(expected)


@pytest.mark.parametrize("declaration", [{}, {"thread_safe": True}])
@pytest.mark.parametrize("opened", ["inside", "outside"])
def test_release_while_another_request_uses_it(native, load, opened, declaration):
    rasp = native(declaration=declaration)
    served = Served(load())
    if opened == "outside":
        served.shared["handle"] = served.lib.key_open(SECRET)
    served.overlap("/free")
    assert rules(rasp) == [("concurrent-reuse", "error")]
    assert "released while a call of another request" in rasp.findings[0].message


def test_strict_stops_the_release_and_takes_it_back(native, load):
    rasp = native(mode="strict")
    served = Served(load())
    served.app.testing = True
    seen = []

    def drive():
        with pytest.raises(Exception, match="another request") as caught:
            served.app.test_client().get("/free")
        seen.append(type(caught.value).__name__)

    served.overlap("/free", drive)
    assert seen == ["ConcurrentReuse"]
    served.lib.key_free(served.shared["handle"])
    assert rules(rasp) == [("concurrent-reuse", "error")], "the handle was still open"


@pytest.mark.parametrize("path", ["use", "free"])
def test_owner_that_is_unknown_is_never_blocked(native, load, path):
    rasp = native(mode="strict")
    served = Served(load())

    def drive():
        pool = threading.Thread(target=contextvars.Context().run, args=(getattr(served, path),))
        pool.start()
        pool.join(60)

    served.overlap("", drive)
    assert rules(rasp) == []


def test_use_while_it_is_being_released(native, load):
    rasp = native(declaration={"release": ["key_free", "key_each"], "use": ["key_verify"]})
    lib = load()
    lib.key_each.argtypes = [VISIT, ctypes.c_void_p]
    handle = lib.key_open(SECRET)

    @VISIT
    def during(it):
        return lib.key_verify(handle, SECRET)

    assert lib.key_each(during, handle) == 1
    assert [found.message for found in rasp.findings] == ["native handle used while it is being released"]


def app_of(lib, keep=None, release=None):
    app = Flask(__name__)

    @app.get("/")
    def view():
        g.handle = lib.key_open(SECRET)
        if keep is not None:
            keep(g.handle)
        return "done"

    if release is not None:
        app.teardown_request(lambda error: release(g.pop("handle")))
    return app


def test_handle_that_only_g_knew_was_never_released(keys):
    rasp, lib = keys
    app_of(lib).test_client().get("/").close()
    assert rules(rasp) == [("never-released", "warning")]
    [found] = rasp.findings
    assert (found.location.function, found.cwe) == ("view", (772,))


def test_opaque_pointer_on_g_was_never_released(keys):
    rasp, lib = keys
    lib.key_open.restype = type("Opaque", (ctypes.c_void_p,), {})
    app_of(lib).test_client().get("/").close()
    assert rules(rasp) == [("never-released", "warning")]


def test_handle_that_is_kept_elsewhere_or_released_is_no_leak(keys):
    rasp, lib = keys
    kept = []
    app_of(lib, keep=kept.append).test_client().get("/").close()
    app_of(lib, release=lib.key_free).test_client().get("/").close()
    assert len(kept) == 1
    assert rules(rasp) == []


def test_leak_at_the_end_of_the_process_is_a_note(scripts, built):
    import shutil

    shutil.copy(built, scripts.folder / "libkeys.so")
    (scripts.folder / "rasp.toml").write_text('[[native]]\nlibrary = "libkeys"\nacquire = ["key_open"]\n')
    ran = scripts.under_rasp(
        "import ctypes\nlib = ctypes.CDLL('./libkeys.so')\nlib.key_open.restype = ctypes.c_void_p\n"
        "kept = [lib.key_open(b'made up') for _ in range(3)]\n"
    )
    assert [(found["rule"], found["severity"], found["location"]["line"]) for found in ran.findings] == [
        ("never-released", "note", 4)
    ]


@pytest.mark.parametrize("kind", ["ctypes", "bytearray"])
def test_mutable_buffer_that_two_requests_hold(native, load, kind):
    rasp = native()
    lib = load()
    storage = bytearray(SECRET + b"\0")
    buffer = ctypes.create_string_buffer(SECRET)
    rasp.runtime.ledger.own(SECRET.decode(), "test")
    handle = lib.key_open(SECRET)
    inside, go = threading.Event(), threading.Event()
    app = Flask(__name__)

    @app.get("/<wait>")
    def view(wait):
        given = buffer if kind == "ctypes" else (ctypes.c_char * len(storage)).from_buffer(storage)
        answer = lib.key_verify(handle, given)
        if wait == "wait":
            inside.set()
            assert go.wait(60)
        return str(answer)

    app.test_client().get("/go")
    app.test_client().get("/go")
    assert rules(rasp) == [], "one after the other is fine"
    first = threading.Thread(target=lambda: app.test_client().get("/wait"))
    first.start()
    assert inside.wait(60)
    app.test_client().get("/go")
    go.set()
    first.join(60)
    assert rules(rasp) == [("concurrent-reuse", "error")]
    assert "mutable buffer" in rasp.findings[0].message
    lib.key_free(handle)


def test_buffer_that_is_used_after_it_was_wiped(keys):
    rasp, lib = keys
    rasp.runtime.ledger.own(SECRET.decode(), "test")
    buffer, other = ctypes.create_string_buffer(SECRET), ctypes.create_string_buffer(64)
    handle = lib.key_open(SECRET)
    assert lib.key_verify(handle, buffer) == 1
    assert lib.key_verify(handle, other) == 0
    ctypes.memset(buffer, 0, len(buffer))
    assert lib.key_verify(handle, buffer) == 0
    assert rules(rasp) == [("use-after-release", "error")]
    assert rasp.findings[0].message == "buffer used after the credential in it was wiped"
    lib.key_free(handle)


def test_child_process_follows_on_and_does_not_count_the_parents_handles(keys):
    rasp, lib = keys
    handle = lib.key_open(SECRET)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            book = rasp.runtime.ledger.native
            before = len(book.exiting())
            lib.key_free(handle)
            lib.key_free(handle)
            os.write(write, f"{before} {rules(rasp)}".encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        said = pipe.read().decode()
    assert os.waitpid(child, 0)[1] == 0
    assert said == "0 [('double-release', 'error')]"
    lib.key_free(handle)
    assert rules(rasp) == []
