"""Deduplication: one report a defect, counts every 10 s, failures of a reporter kept apart."""

import os
import threading
from dataclasses import replace

import pytest
from reporter_samples import BARE, DOUBLE, LOGGED, RECORD, TOKEN, Memory

from rasp.model import Severity
from rasp.reporters.counting import Counting


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Every(Memory):
    """A reporter that wants each occurrence."""

    def occurrence(self, finding):
        self.calls.append(("occurrence", finding.key))


class Broken(Memory):
    """A reporter whose every call fails with a text that must not get out."""

    def finding(self, finding):
        raise ValueError(TOKEN)

    recount = finding

    def close(self):
        raise ValueError(TOKEN)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def memory():
    return Memory()


@pytest.fixture
def counting(memory, clock):
    return Counting([memory], clock=clock, background=False)


def test_first_occurrence_goes_out_at_once_and_later_ones_do_not(counting, memory):
    for _ in range(3):
        counting.finding(DOUBLE)
    counting.finding(LOGGED)
    assert memory.calls == [("finding", DOUBLE.key, 1), ("finding", LOGGED.key, 1)]
    assert [(finding.key, finding.count) for finding in counting.snapshot()] == [
        (DOUBLE.key, 3),
        (LOGGED.key, 1),
    ]


def test_the_finding_bears_the_process_instance(counting, memory):
    counting.finding(DOUBLE)
    assert counting.snapshot() == [replace(DOUBLE, instance=counting.instance)]
    assert len(counting.instance) == 16


def test_count_is_reported_every_ten_seconds_by_the_next_occurrence(counting, memory, clock):
    counting.finding(DOUBLE)
    clock.now += 9.9
    counting.finding(DOUBLE)
    clock.now += 0.1
    counting.finding(DOUBLE)
    clock.now += 9.9
    counting.finding(DOUBLE)
    clock.now += 0.1
    counting.finding(DOUBLE)
    assert memory.calls[1:] == [("recount", DOUBLE.key, 3), ("recount", DOUBLE.key, 5)]


def test_tick_reports_what_grew_and_is_due_and_says_what_still_waits(counting, memory, clock):
    counting.finding(DOUBLE)
    counting.finding(DOUBLE)
    assert counting.tick()
    clock.now += 10
    assert not counting.tick()
    clock.now += 10
    assert not counting.tick()
    counting.finding(LOGGED)
    counting.finding(LOGGED)
    assert counting.tick(clock.now + 1)
    assert not counting.tick(clock.now + 11)
    assert [call for call in memory.calls if call[0] == "recount"] == [
        ("recount", DOUBLE.key, 2),
        ("recount", LOGGED.key, 2),
    ]


def test_close_reports_the_rest_once_and_closes_every_reporter(counting, memory):
    counting.finding(DOUBLE)
    counting.finding(DOUBLE)
    counting.finding(LOGGED)
    counting.close()
    counting.close()
    counting.finding(DOUBLE)
    counting.finding(BARE)
    counting.record(RECORD, ())
    assert memory.calls[2:] == [("recount", DOUBLE.key, 2), ("close",)]
    assert len(counting.snapshot()) == 3


def test_records_are_handed_on_with_their_findings(counting, memory):
    counting.record(RECORD, (DOUBLE, DOUBLE))
    assert memory.calls == [("record", RECORD.request.id, 2)]


def test_only_reporters_that_ask_get_every_occurrence(memory, clock):
    every = Every()
    counting = Counting([memory, every], clock=clock, background=False)
    counting.finding(DOUBLE)
    counting.finding(DOUBLE)
    assert memory.calls == [("finding", DOUBLE.key, 1)]
    assert every.calls == [("finding", DOUBLE.key, 1), ("occurrence", DOUBLE.key), ("occurrence", DOUBLE.key)]


def test_table_is_bounded_and_what_is_dropped_is_counted(memory, clock):
    counting = Counting([memory], clock=clock, limit=1, background=False)
    for finding in (BARE, DOUBLE, DOUBLE, BARE):
        counting.finding(finding)
    assert counting.dropped == 2
    assert [(finding.key, finding.count) for finding in counting.snapshot()] == [(BARE.key, 2)]
    assert counting.worst is Severity.ERROR


def test_worst_severity_only_rises(counting):
    assert counting.worst is None
    for finding, worst in ((BARE, Severity.NOTE), (DOUBLE, Severity.ERROR), (BARE, Severity.ERROR)):
        counting.finding(finding)
        assert counting.worst is worst


def test_reporter_that_raises_is_named_once_without_its_text_and_stops_no_other(memory, clock, capsys):
    counting = Counting([Broken(), memory], clock=clock, background=False)
    counting.finding(DOUBLE)
    counting.finding(LOGGED)
    counting.close()
    assert memory.calls == [("finding", DOUBLE.key, 1), ("finding", LOGGED.key, 1), ("close",)]
    assert counting.failures == 3
    assert capsys.readouterr().err == "rasp: Broken.finding failed: ValueError\n"


def test_no_stderr_does_not_matter(clock, monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    counting = Counting([Broken()], clock=clock, background=False)
    counting.finding(DOUBLE)
    assert counting.failures == 1


def test_reporter_may_make_a_finding_while_it_writes(clock):
    class Nested(Memory):
        def finding(self, finding):
            super().finding(finding)
            if finding.key == DOUBLE.key:
                counting.finding(LOGGED)

    nested = Nested()
    counting = Counting([nested], clock=clock, background=False)
    counting.finding(DOUBLE)
    assert nested.calls == [("finding", DOUBLE.key, 1), ("finding", LOGGED.key, 1)]


def test_after_fork_counts_begin_anew_under_another_instance(counting, memory):
    counting.finding(DOUBLE)
    before = counting.instance
    counting.after_fork()
    assert counting.instance != before
    assert counting.snapshot() == []
    assert counting.worst is None
    counting.finding(DOUBLE)
    assert memory.calls == [("finding", DOUBLE.key, 1)] * 2


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # a parallel run has threads of its own
def test_child_forked_while_the_lock_was_held_is_not_blocked(counting):
    with counting._lock:
        child = os.fork()
        if child == 0:
            counting.after_fork()
            counting.finding(DOUBLE)
            os._exit(0 if counting.snapshot()[0].count == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_no_occurrence_is_lost_between_threads(counting):
    threads = [threading.Thread(target=lambda: [counting.finding(DOUBLE) for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counting.snapshot()[0].count == 4000


def test_background_thread_starts_at_a_repetition_reports_and_ends_when_nothing_grows():
    reported = threading.Event()

    class Told(Memory):
        def recount(self, finding):
            super().recount(finding)
            reported.set()

    told = Told()
    counting = Counting([told], interval=0.01)
    counting.finding(DOUBLE)
    assert counting._thread is None
    counting.finding(DOUBLE)
    thread = counting._thread
    if thread is not None:  # else it has already reported and ended
        thread.join(10)
        assert not thread.is_alive()
    assert reported.is_set()
    assert counting._thread is None
    assert told.calls == [("finding", DOUBLE.key, 1), ("recount", DOUBLE.key, 2)]


def test_close_ends_the_background_thread():
    counting = Counting([Memory()], interval=3600)
    counting.finding(DOUBLE)
    counting.finding(DOUBLE)
    thread = counting._thread
    counting.close()
    thread.join(10)
    assert not thread.is_alive()


def test_a_thread_that_cannot_start_leaves_the_counts_to_close(memory, monkeypatch):
    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    counting = Counting([memory])
    counting.finding(DOUBLE)
    counting.finding(DOUBLE)
    counting.close()
    assert memory.calls == [("finding", DOUBLE.key, 1), ("recount", DOUBLE.key, 2), ("close",)]
