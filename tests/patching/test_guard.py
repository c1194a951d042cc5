"""The one fail-open boundary: it contains, counts and tells, and shows nothing of what it saw."""

from __future__ import annotations

import os
import threading

import pytest
from support.made_up import api_key

from rasp.patching.guard import Guard

VALUE = api_key("guarded")


def refuse(*args):
    raise ValueError(f"cannot make sense of {VALUE}")


def test_a_hook_returns_what_its_function_returns():
    assert Guard().protect("hook", lambda left, right: left + right)(1, 2) == 3


def test_a_failure_is_contained_counted_and_told_once(capfd):
    guard = Guard()
    hook = guard.protect("some.hook", refuse)
    assert [hook("x"), hook("y"), hook("z")] == [None, None, None]
    assert guard.failures == {"some.hook": 3}
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert told.err.startswith("rasp: some.hook failed with ValueError at ")


def test_what_is_told_holds_no_word_of_the_error(capfd):
    Guard().protect("hook", refuse)(VALUE)
    assert VALUE[3:19] not in capfd.readouterr().err


def test_each_hook_is_told_by_itself(capfd):
    guard = Guard()
    for name in ("first", "second"):
        guard.protect(name, refuse)()
    assert [line.split()[1] for line in capfd.readouterr().err.splitlines()] == ["first", "second"]


def test_a_process_without_stderr_goes_on(monkeypatch):
    def broken(descriptor, data):
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "write", broken)
    guard = Guard()
    assert guard.protect("hook", refuse)() is None
    assert guard.failures == {"hook": 1}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_base_exceptions_pass_and_leave_the_guard_usable(error):
    guard = Guard()
    raised = error("stop")

    def stop():
        raise raised

    with pytest.raises(error) as caught:
        guard.protect("stops", stop)()
    assert caught.value is raised
    assert guard.failures == {}
    assert guard.protect("works", lambda: 1)() == 1


def test_a_loud_guard_raises_what_breaks_and_counts_it():
    guard = Guard(loud=True)
    with pytest.raises(ValueError, match="cannot make sense"):
        guard.protect("hook", refuse)()
    assert guard.failures == {"hook": 1}


def test_a_sabotaged_hook_fails_and_its_function_does_not_run(capfd):
    guard = Guard(loud=True)
    ran = []
    hook = guard.protect("hook", lambda: ran.append(1))
    guard.sabotage("hook")
    assert hook() is None
    assert (ran, guard.failures) == ([], {"hook": 1})
    guard.sabotage()
    hook()
    assert ran == [1]
    assert "hook failed with Sabotage" in capfd.readouterr().err


def test_a_hook_reached_from_inside_rasp_does_nothing():
    guard = Guard()
    ran = []
    inner = guard.protect("inner", lambda: ran.append("inner"))
    outer = guard.protect("outer", lambda: (ran.append("outer"), inner())[0])
    outer()
    assert ran == ["outer"]
    inner()
    assert ran == ["outer", "inner"]


def test_aside_observes_nothing_and_gives_back_what_was_before():
    guard = Guard()
    ran = []
    hook = guard.protect("hook", lambda: ran.append(1))
    with guard.aside():
        hook()
        with guard.aside():
            hook()
        hook()
    assert ran == []
    hook()
    assert ran == [1]


def test_another_thread_is_not_inside():
    guard = Guard()
    ran = []
    hook = guard.protect("hook", lambda: ran.append(threading.current_thread().name))
    with guard.aside():
        thread = threading.Thread(target=hook, name="other")
        thread.start()
        thread.join()
    assert ran == ["other"]


def test_stopped_hooks_do_nothing_at_all():
    guard = Guard(loud=True)
    hook = guard.protect("hook", refuse)
    guard.stop()
    assert hook() is None
    assert guard.failures == {}


def test_names_are_kept_once_and_in_order():
    guard = Guard()
    for name in ("b", "a", "b"):
        guard.protect(name, refuse)
    assert guard.names == ["b", "a"]


@pytest.mark.parametrize("kind", ["protect", "light"])
def test_hooks_made_before_and_after_are_exchanged_alike(kind, capfd):
    guard = Guard()
    ran = []

    def work(value):
        ran.append(value)
        return value

    early = getattr(guard, kind)("early", work)
    guard.sabotage("early", "late")
    late = getattr(guard, kind)("late", work)
    assert [early(1), late(2)] == [None, None]
    guard.sabotage("late")
    assert [early(3), late(4)] == [3, None]
    guard.sabotage()
    guard.measure()
    assert [early(5), late(6)] == [5, 6]
    assert guard.spent() > 0
    guard.stop()
    assert [early(7), late(8)] == [None, None]
    assert (ran, guard.failures) == ([3, 5, 6], {"early": 1, "late": 2})
    assert capfd.readouterr().err.count("failed with Sabotage") == 2


def test_a_light_hook_contains_its_failure_and_keeps_still_inside_rasp(capfd):
    guard = Guard()
    ran = []
    broken, inner = guard.light("broken", refuse_one), guard.light("inner", lambda value: bool(ran.append(value)))
    assert broken(VALUE) is None
    assert VALUE[3:19] not in capfd.readouterr().err
    guard.protect("outer", lambda: inner(1))()
    assert (ran, guard.failures) == ([], {"broken": 1})
    inner(2)
    assert ran == [2]


def refuse_one(value):
    raise ValueError(f"cannot make sense of {value}")


def test_a_child_does_not_take_its_threads_for_those_that_were_inside_when_it_was_forked():
    guard = Guard()
    ran = []
    hook = guard.light("hook", lambda: ran.append(1))
    inside, go = threading.Event(), threading.Event()

    def stay():
        with guard.aside():
            inside.set()
            go.wait(20)

    thread = threading.Thread(target=stay)
    thread.start()
    inside.wait(20)
    try:
        with guard.aside():
            guard.after_fork()
            hook()
            assert guard.busy.inside == {threading.get_ident()}
        hook()
        assert (guard.busy.inside, ran) == (set(), [1])
    finally:
        go.set()
        thread.join()
