"""Every way in which an app reaches a C function through ctypes, and every shape in which it holds a handle."""

from __future__ import annotations

import ctypes
import gc

import pytest

from rasp.errors import UseAfterRelease
from rasp.instruments.ctypes_quarantine import HeldBack

SECRET = b"sk_made_up_3f9a1c7e5b2d4860"


def rules(rasp):
    return [(found.rule, found.severity.word) for found in rasp.findings]


DOUBLE = ("double-release", "error")
AFTER = ("use-after-release", "error")


def ways(lib):
    """A function of the library, got in each way there is."""
    prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
    every = {
        "attribute": lib.key_free,
        "item": lib["key_free"],
        "prototype": prototype(("key_free", lib)),
        "flags": prototype(("key_free", lib), ((1, "handle"),)),
        "address": prototype(ctypes.cast(lib.key_free, ctypes.c_void_p).value),
    }
    every["item"].argtypes, every["item"].restype = [ctypes.c_void_p], None
    return every


@pytest.mark.parametrize("way", ["attribute", "item", "prototype", "flags", "address"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_second_release_is_stopped_however_the_function_was_reached(native, load, way, when):
    lib = load() if when == "before" else None
    free = ways(lib)[way] if lib is not None else None
    rasp = native()
    if lib is None or free is None:
        lib = load()
        free = ways(lib)[way]
    handle = lib.key_open(SECRET)
    free(handle)
    free(handle)
    assert rules(rasp) == [DOUBLE]
    [found] = rasp.findings
    assert found.cwe == (415,)
    assert found.action_taken == "call skipped"
    assert [step.call for step in found.trail] == ["key_open", "key_free", "key_free"]


def test_function_of_another_library_object_is_the_same_function(keys, built, tmp_path):
    rasp, lib = keys
    ctypes.CDLL(str(tmp_path / "libkeys.so"), mode=ctypes.RTLD_GLOBAL)
    whole = ctypes.CDLL(None)
    whole.key_free.argtypes, whole.key_free.restype = [ctypes.c_void_p], None
    handle = lib.key_open(SECRET)
    whole.key_free(handle)
    lib.key_free(handle)
    assert rules(rasp) == [DOUBLE]


def test_second_release_returns_what_the_first_returned(keys):
    rasp, lib = keys
    handle = lib.key_open(SECRET)
    assert (lib.key_close(handle), lib.key_close(handle)) == (7, 7)
    assert rules(rasp) == [DOUBLE]


def test_handle_is_a_number_in_all_else(keys):
    import json
    import pickle

    _, lib = keys
    handle = lib.key_open(SECRET)
    assert isinstance(handle, int)
    assert json.loads(json.dumps(handle)) == handle
    assert type(pickle.loads(pickle.dumps(handle))) is int
    assert (f"{handle:x}", repr(handle)) == (f"{int(handle):x}", repr(int(handle)))
    lib.key_free(handle)


@pytest.mark.parametrize("kind", ["void_p", "opaque", "structure", "as_parameter", "from_param"])
def test_each_shape_of_a_handle_is_followed(keys, kind):
    rasp, lib = keys

    class Key(ctypes.Structure):
        pass

    class Opaque(ctypes.c_void_p):
        pass

    class Wrapped:
        def __init__(self, handle):
            self._as_parameter_ = handle

    class Converted:
        def __init__(self, handle):
            self.handle = handle

        @classmethod
        def from_param(cls, value):
            return ctypes.c_void_p(value.handle)

    if kind == "opaque":
        lib.key_open.restype = Opaque
    elif kind == "structure":
        lib.key_open.restype = ctypes.POINTER(Key)
        lib.key_free.argtypes = [ctypes.POINTER(Key)]
    handle = lib.key_open(SECRET)
    if kind == "void_p":
        handle = ctypes.c_void_p(handle)
    elif kind == "as_parameter":
        handle = Wrapped(handle)
    elif kind == "from_param":
        handle = Converted(handle)
        lib.key_free.argtypes = [Converted]
    lib.key_free(handle)
    lib.key_free(handle)
    assert rules(rasp) == [DOUBLE]


def test_structure_of_the_app_is_a_handle_by_its_address(keys):
    rasp, lib = keys

    class Context(ctypes.Structure):
        _fields_ = (("ready", ctypes.c_int), ("secret", ctypes.c_void_p))

    context = Context()
    assert lib.context_init(ctypes.byref(context), SECRET) == 0
    assert lib.context_use(ctypes.byref(context)) == len(SECRET)
    lib.context_clear(ctypes.byref(context))
    assert rules(rasp) == []
    lib.context_clear(ctypes.byref(context))
    assert rules(rasp) == [DOUBLE]
    assert lib.context_init(ctypes.pointer(context), SECRET) == 0
    lib.context_clear.argtypes = [ctypes.POINTER(Context)]
    lib.context_clear(context)
    assert rules(rasp) == [DOUBLE]


@pytest.mark.parametrize("how", ["byref", "pointer", "automatic", "array"])
def test_handle_that_comes_and_goes_through_an_argument(keys, how):
    rasp, lib = keys
    cell = (ctypes.c_void_p * 1)() if how == "array" else ctypes.c_void_p()
    if how == "automatic":
        lib.key_make.argtypes = [ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p)]
        lib.key_drop.argtypes = [ctypes.POINTER(ctypes.c_void_p)]
    give = {"byref": ctypes.byref, "pointer": ctypes.pointer}.get(how, lambda it: it)
    for _ in range(2):
        assert lib.key_make(SECRET, give(cell)) == 0
        kept = cell[0] if how == "array" else cell.value
        assert lib.key_verify(kept, SECRET) == 1
        lib.key_drop(give(cell))
        assert (cell[0] if how == "array" else cell.value) is None
        lib.key_drop(give(cell))
    assert rules(rasp) == [], "the library nulls the variable: the second release is of no handle"
    lib.key_free(kept)
    assert rules(rasp) == [DOUBLE]


def test_out_parameter_that_ctypes_returns(keys):
    rasp, lib = keys
    prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p))
    make = prototype(("key_make", lib), ((1, "secret"), (2, "out")))
    handle = make(secret=SECRET)
    lib.key_free(handle)
    lib.key_free(handle)
    assert rules(rasp) == [DOUBLE]


def test_numbers_that_are_no_addresses(keys):
    rasp, lib = keys
    session = ctypes.c_ulong()
    for _ in range(3):
        assert lib.session_open(ctypes.byref(session)) == 0
        assert lib.session_sign(session.value, 5) == 5
        assert lib.session_sign(session, session.value) == session.value
        lib.session_close(session)
    assert rules(rasp) == []
    lib.session_close(session.value)
    assert rules(rasp) == [DOUBLE]
    assert lib.session_count() == 0


def test_release_that_ctypes_refuses_is_no_release(keys):
    rasp, lib = keys
    handle = lib.key_open(SECRET)
    lib.key_close.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    with pytest.raises(ctypes.ArgumentError):
        lib.key_close(handle, 3.5)
    with pytest.raises(TypeError):
        lib.key_close(handle)
    assert lib.key_verify(handle, SECRET) == 1
    lib.key_free(handle)
    assert rules(rasp) == []
    lib.key_free(handle)
    assert rules(rasp) == [DOUBLE]


def test_errcheck_that_wraps_or_raises(keys):
    rasp, lib = keys

    class Key:
        def __init__(self, handle):
            self.handle = handle

    def check(result, function, arguments):
        if not result:
            raise ValueError("no key")
        return Key(result)

    lib.key_open.errcheck = check
    key = lib.key_open(SECRET)
    with pytest.raises(ValueError, match="no key"):
        lib.key_open(b"")

    def refuse(result, function, arguments):
        raise TypeError("the library has released it, and the app does not like it")

    lib.key_close.errcheck = refuse
    with pytest.raises(TypeError):
        lib.key_close(key.handle)
    lib.key_free(key.handle)
    assert rules(rasp) == [DOUBLE]


def test_errcheck_is_the_apps_own_again_after_uninstall(keys):
    import rasp as public

    _, lib = keys

    def check(result, function, arguments):
        return result

    lib.key_open.errcheck = check
    lib.key_free(lib.key_open(SECRET))
    public.uninstall()
    assert lib.key_open.errcheck is check


def test_callback_cannot_be_left_by_an_exception(native, load):
    rasp = native(mode="strict")
    lib = load()
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
    lib.key_visit.argtypes = [ctypes.c_void_p, callback]
    handle, other = lib.key_open(SECRET), lib.key_open(SECRET)
    lib.key_free(other)

    @callback
    def visit(it):
        lib.key_free(other)
        return 11

    assert lib.key_visit(handle, visit) == 11
    assert rules(rasp) == [DOUBLE]
    assert rasp.findings[0].action_taken == "call skipped"
    assert [type(pending).__name__ for pending in rasp.runtime.pipeline.pending] == ["DoubleRelease"]
    lib.key_free(handle)


def test_destructor_cannot_be_left_by_an_exception(native, load):
    rasp = native(mode="strict")
    lib = load()
    handle = lib.key_open(SECRET)

    class Owner:
        def __del__(self):
            lib.key_free(handle)

    Owner()
    Owner()
    assert rules(rasp) == [DOUBLE]
    assert rasp.findings[0].action_taken == "call skipped"


def test_collection_inside_rasp_that_releases_neither_hangs_nor_is_missed(keys, monkeypatch):
    rasp, lib = keys
    book = rasp.runtime.ledger.native
    first, second = lib.key_open(SECRET), lib.key_open(SECRET)

    class Owner:
        def __init__(self):
            self.itself = self

        def __del__(self):
            lib.key_free(first)

    real = book._table.open

    def collecting(handle):
        Owner()
        Owner()
        gc.collect()
        real(handle)

    monkeypatch.setattr(book._table, "open", collecting)
    third = lib.key_open(SECRET)
    monkeypatch.undo()
    assert rules(rasp) == [], "judged when rasp is no longer at work"
    lib.key_free(second)
    assert rules(rasp) == [DOUBLE]
    lib.key_free(third)
    assert rules(rasp) == [DOUBLE]


def test_cut_handle_is_never_blocked(keys):
    rasp, lib = keys
    lib.key_open.restype = ctypes.c_int
    cut = lib.key_open(SECRET)
    lib.key_open_unseen.restype = ctypes.c_void_p
    whole = lib.key_open_unseen(SECRET)
    assert whole != cut
    lib.key_free(whole)
    assert rules(rasp) == [("release-without-acquire", "warning")]


def test_retained_handle_is_released_as_often(keys):
    rasp, lib = keys
    handle = lib.key_open(SECRET)
    again = lib.key_retain(handle)
    lib.key_free(handle)
    assert lib.key_verify(again, SECRET) == 1
    lib.key_free(again)
    assert rules(rasp) == []
    lib.key_free(again)
    assert rules(rasp) == [DOUBLE]


def test_all_handles_of_a_use_are_judged(native, load):
    native(mode="protect")
    lib = load()
    one, other = lib.key_open(SECRET), lib.key_open(SECRET)
    assert lib.key_same(one, other) == 1
    lib.key_free(other)
    with pytest.raises(UseAfterRelease, match="used after its release"):
        lib.key_same(one, other)
    lib.key_free(one)


def test_address_that_was_handed_out_unseen_leaves_no_mark(keys):
    rasp, lib = keys
    addresses = set()
    lib.pool_close(lib.pool_open(SECRET))
    for _ in range(5):
        handle = lib.pool_open_unseen(SECRET)
        addresses.add(int(handle))
        lib.pool_close(handle)
    assert {found.rule for found in rasp.findings} == {"release-without-acquire"}
    assert len(addresses) == 1


def test_stale_handle_is_told_from_the_next_owner_of_its_address(keys):
    rasp, lib = keys
    stale = lib.pool_open(SECRET)
    lib.pool_close(stale)
    fresh = lib.pool_open(SECRET)
    assert fresh == stale
    lib.pool_close(stale)
    assert rules(rasp) == [DOUBLE]
    assert lib.key_verify(fresh, SECRET) == 1
    assert rules(rasp) == [DOUBLE]
    lib.pool_close(fresh)
    assert rules(rasp) == [DOUBLE]


def test_plain_number_is_told_too_while_its_release_is_held_back(native, load):
    rasp = native(declaration={"quarantine": True}, quarantine=16)
    lib = load()
    for _ in range(100):
        stale = int(lib.key_open(SECRET))
        lib.key_free(stale)
        fresh = int(lib.key_open(SECRET))
        assert fresh != stale
        lib.key_free(stale)
        assert lib.key_verify(fresh, SECRET) == 1
        lib.key_free(fresh)
    held = next(point for point in gc.get_objects() if isinstance(point, HeldBack) and len(point))
    assert {found[:2] for found in rules(rasp)} == {DOUBLE}
    assert rasp.runtime.counting.snapshot()[0].count == 100
    assert len(held) == 16
    lib.key_live()
    assert len(held) == 0, "a call of another kind sees the library as it should be"


def test_functions_without_a_role_are_called_as_before(keys):
    _, lib = keys
    assert lib.key_plain(1) == 2
    call = type(lib.key_plain).__call__
    assert "wrapper" in type(call).__name__, "ctypes' own, and no function of rasp"
    assert isinstance(lib.key_plain, lib._FuncPtr)


def test_prototype_without_a_role_converts_and_checks_as_before(keys):
    _, lib = keys
    prototype = ctypes.CFUNCTYPE(ctypes.c_short, ctypes.c_short)
    function = prototype(("key_plain", lib))
    callback = prototype(lambda number: number * 2)
    for _ in range(3):
        assert (function(1), callback(2)) == (2, 4)
        assert function(32_767) == -32_768
        with pytest.raises(ctypes.ArgumentError):
            function("text")
        assert isinstance(function, prototype)
        assert isinstance(callback, prototype)


def test_everything_of_ctypes_is_as_before_after_uninstall(native, load):
    import rasp as public

    lib = load()
    before = type(lib.key_plain), dict(vars(lib._FuncPtr)), ctypes._c_functype_cache
    rasp = native()
    lib.key_plain(1)
    lib.key_free(lib.key_open(SECRET))
    assert rules(rasp) == []
    public.uninstall()
    assert (type(lib.key_plain), dict(vars(lib._FuncPtr)), ctypes._c_functype_cache) == before
    assert "_rasp_role" not in lib.key_free.__dict__
    assert type(lib.key_open(SECRET)) is int


def test_library_declared_in_code_after_its_functions_were_called(install_rasp, load):
    import rasp as public

    rasp = install_rasp()
    lib = load()
    lib.key_plain(1)
    lib.key_free(lib.key_open(SECRET))
    public.native_library(lib, acquire=["key_open"], release=["key_free"])
    handle = lib.key_open(SECRET)
    lib.key_free(handle)
    lib.key_free(handle)
    assert rules(rasp) == [DOUBLE]


class Unconfigured:
    """As Django's settings are: an object whose class cannot be asked for yet."""

    @property
    def __class__(self):
        raise RuntimeError("not configured")


def test_objects_that_will_not_tell_their_class_are_passed_over(load, native):
    unconfigured = Unconfigured()
    lib = load()
    installed = native()
    assert installed.guard.failures == {}
    assert type(unconfigured) is Unconfigured
    assert lib is not None
