"""What a success path releases and an error path leaves: found in any order, once a place, and nowhere else."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rasp.config import load
from rasp.ledger import consistency
from rasp.ledger.events import CacheCleared, CacheRemoved, CacheStored, Held, Holder, HoldReleased
from rasp.ledger.facts import LeftOnError
from rasp.ledger.fingerprints import fingerprinter
from rasp.ledger.ledger import Ledger
from rasp.ledger.scopes import RequestScope
from rasp.model import Kind

KEY = "Kq3vT9mZr7Lw2Xy5Bn8C"
OTHER = "Zr7Lw2Xy5Bn8CKq3vT9m"
HOLDER = Holder("cachelib.simple", 1)
PLACE = ((compile("0", "app.py", "eval"), 0),)
ELSEWHERE = ((compile("1", "app.py", "eval"), 0),)
DONE, LEFT, FAILED, FAILED_DONE = (200, True), (200, False), (500, False), (400, True)
ENDINGS = st.lists(st.sampled_from([DONE, LEFT, FAILED, FAILED_DONE]), max_size=12)


class App:
    """A ledger, and requests of one route that hold something for as long as they are told to."""

    def __init__(self):
        self.ledger = Ledger(load({}, environ={}), fingerprinter(b"k" * 16))

    def scope(self, path="/a", key=KEY):
        scope = RequestScope("GET", {"PATH_INFO": path})
        self.ledger.present(scope, key, Kind.API_KEY, "header:x-api-key")
        return scope

    def act(self, scope, *events):
        token = self.ledger.scopes.current.set(scope)
        try:
            for event in events:
                self.ledger.apply(event)
        finally:
            self.ledger.scopes.current.reset(token)

    def end(self, scope, status):
        scope.status = status
        scope.ended = True
        facts = self.ledger.ending(scope)
        self.ledger.close(scope)
        scope.forget()
        return [fact for fact in facts if isinstance(fact, LeftOnError)]

    def held(self, status, released, *, slot="pool", path="/a", key=KEY, place=PLACE):
        scope = self.scope(path, key)
        self.act(scope, Held(key, slot, place))
        if released:
            self.act(scope, HoldReleased(key, slot, place))
        return self.end(scope, status)

    def cached(self, status, *events, key=KEY):
        scope = self.scope(key=key)
        self.act(scope, *events)
        return self.end(scope, status)


def stored(name, place=PLACE):
    return CacheStored(HOLDER, name, place)


def removed(name, gone=True):
    return CacheRemoved(HOLDER, name, gone, False, False, PLACE)


@given(ENDINGS)
def test_it_is_found_once_where_success_released_and_an_error_left_and_no_success_kept_before(endings):
    app = App()
    found = [len(app.held(*ending)) for ending in endings]
    seen = endings[: endings.index(LEFT)] if LEFT in endings else endings
    both = DONE in seen and FAILED in seen
    assert sum(found) == both
    if both:
        assert found.index(1) == max(seen.index(DONE), seen.index(FAILED))


@pytest.mark.parametrize("order", [(DONE, FAILED), (FAILED, DONE)])
def test_the_trail_ends_at_the_acquire_of_the_request_that_left_it(order):
    app = App()
    (first,) = [app.held(*ending, place=ELSEWHERE if ending is DONE else PLACE) for ending in order[:1]]
    assert first == []
    app = App()
    facts = [fact for ending in order for fact in app.held(*ending)]
    (fact,) = facts
    acquired, released, left = fact.trail
    assert acquired.request is released.request is not left.request
    assert left.request.id == fact.request.id
    assert fact.request.status == 500
    assert (fact.native, fact.cache, fact.raisable) == (False, False, False)


@pytest.mark.parametrize(
    ("done", "failed"),
    [
        ({"slot": "pool"}, {"slot": "queue"}),
        ({"path": "/a"}, {"path": "/b"}),
        ({"place": PLACE}, {"place": ELSEWHERE}),
    ],
    ids=["slots", "routes", "places"],
)
def test_what_differs_in_slot_route_or_place_is_not_compared(done, failed):
    app = App()
    assert app.held(*DONE, **done) == app.held(*FAILED, **failed) == []
    assert app.held(*DONE, **done) == app.held(*FAILED, **failed) == []
    assert len(app.held(*FAILED, **done)) == len(app.held(*DONE, **failed)) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("job-17", "job-4"),
        ("a:1f6e0c2b:x", "a:0d1c77aa:x"),
        ("lock/" + "q" * 20, "lock/" + "z" * 31),
        ("ключ1", "ключ2"),
    ],
)
def test_ids_in_slots_make_no_other_slot(one, other):
    app = App()
    assert app.held(*DONE, slot=one) == []
    assert len(app.held(*FAILED, slot=other, key=OTHER)) == 1


def test_a_long_name_of_a_slot_takes_no_time():
    app = App()
    assert app.held(*DONE, slot="-" * 100_000) == []


def test_entries_of_a_cache_are_compared_by_their_names_without_the_credential():
    app = App()
    assert app.cached(200, stored(f"a:{KEY}"), removed(f"a:{KEY}")) == []
    assert app.cached(400, stored(f"b:{OTHER}"), key=OTHER) == []
    (fact,) = app.cached(400, stored(f"a:{OTHER}"), key=OTHER)
    assert fact.cache
    assert fact.live.text == OTHER or fact.live.credential.length == len(OTHER)


@pytest.mark.parametrize(
    "events",
    [
        [stored(KEY), CacheCleared(HOLDER)],
        [stored(KEY), removed(KEY)],
        [removed(KEY, None)],
        [],
    ],
    ids=["cleared", "removed", "of another request", "nothing"],
)
def test_an_error_path_that_leaves_no_entry_of_its_own_is_fine(events):
    app = App()
    app.cached(200, stored(KEY), removed(KEY))
    app.cached(200, stored(KEY, ELSEWHERE))
    assert app.cached(400, *events) == []
    assert len(app.cached(400, stored(KEY))) == 1


def test_an_entry_that_another_request_took_is_not_left():
    app = App()
    app.cached(200, stored(KEY), removed(KEY))
    slow, other = app.scope(), app.scope()
    app.act(slow, stored(KEY))
    app.act(other, removed(KEY))
    assert app.end(other, 200) == app.end(slow, 400) == []


def test_an_entry_that_was_stored_again_after_its_release_is_left():
    app = App()
    app.cached(200, stored(KEY), removed(KEY))
    assert len(app.cached(400, stored(KEY), removed(KEY), stored(KEY))) == 1


def test_an_exception_that_leaves_the_app_is_an_error_path_and_no_answer_at_all_is_none():
    app = App()
    assert app.held(*DONE) == []
    assert app.held(None, False) == []  # the process ends, or the thread
    try:
        raise ValueError
    except ValueError:
        assert len(app.held(None, False)) == 1


def test_a_client_that_is_gone_makes_neither_a_success_nor_an_error():
    app = App()
    assert app.held(*DONE) == []
    try:
        raise BrokenPipeError
    except BrokenPipeError:
        assert app.held(*LEFT) == []
    assert len(app.held(*FAILED)) == 1


def test_an_exception_amid_the_body_is_an_error_path():
    app = App()
    assert app.held(*DONE) == []
    scope = app.scope()
    app.act(scope, Held(KEY, "pool", PLACE))
    scope.failed = True
    assert len(app.end(scope, 200)) == 1


def test_the_end_of_the_body_is_no_exception():
    app = App()
    try:
        raise StopIteration
    except StopIteration:
        assert app.held(*DONE) == []
    assert len(app.held(*FAILED)) == 1


def test_a_unit_of_work_succeeds_without_a_status():
    app = App()
    for released in (True, False):
        unit = RequestScope("OTHER", None)
        unit.route = "nightly"
        app.act(unit, Held(KEY, "pool", PLACE))
        if released:
            app.act(unit, HoldReleased(KEY, "pool", PLACE))
            assert app.end(unit, None) == []
        else:
            try:
                raise OSError
            except OSError:
                assert len(app.end(unit, None)) == 1


def test_of_many_threads_one_finds_it():
    app = App()
    barrier = threading.Barrier(16)
    found = []

    def serve(number):
        barrier.wait()
        found.extend(app.held(*(DONE if number % 2 else FAILED)))

    threads = [threading.Thread(target=serve, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1


def test_the_places_are_bounded_and_what_is_dropped_is_counted(monkeypatch):
    monkeypatch.setattr(consistency, "BOUND", 10)
    app = App()
    before = app.ledger.dropped
    for number in range(25):
        app.held(*DONE, path=f"/{number}")
    assert app.ledger.dropped - before == 15
    assert app.held(*FAILED, path="/0") == []
    assert len(app.held(*FAILED, path="/24")) == 1


def test_between_tests_all_is_forgotten():
    app = App()
    app.held(*DONE)
    app.ledger.clear()
    assert app.held(*FAILED) == []
