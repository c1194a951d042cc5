"""The short ways of the request path: nothing raw stays, nothing is lost between threads, trails are the same."""

from __future__ import annotations

import hashlib
import threading

import pytest
from flask import Flask, g, request
from hypothesis import given
from hypothesis import strategies as st
from support.made_up import SIGNING_KEY, api_key, jwt
from support.web import environ, serve

from rasp.config import load
from rasp.ledger.fingerprints import fingerprinter
from rasp.ledger.ledger import Ledger
from rasp.ledger.scopes import Lazy, RequestScope
from rasp.ledger.value import Rank
from rasp.model import Kind

KEY = api_key("request path")
BEARER = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture
def ledger(observe):
    return observe.runtime.ledger


def test_what_was_found_before_a_value_had_all_its_texts_is_forgotten(ledger):
    values = ledger.values
    live = values.enter(KEY, Kind.BEARER, "header:authorization")
    assert values.find(f"key={KEY}!")
    values.enter(KEY, Kind.BEARER, "header:authorization", (f"Bearer {KEY}",))
    assert values.find(f"key={KEY}!")
    assert len(values.needles._found) == 2
    for _ in range(2):
        values.leave(live, Rank.PRESENTED)
    assert (len(values), values.needles._found, values.exact.get(KEY)) == (0, {}, None)


def test_what_is_found_while_it_is_forgotten_is_not_kept(ledger, monkeypatch):
    values = ledger.values
    live = values.enter(KEY, Kind.BEARER, "header:authorization")
    forms = values.needles._forms

    def meanwhile(given, value):
        found = forms(given, value)
        values.leave(live, Rank.PRESENTED)
        return found

    monkeypatch.setattr(values.needles, "_forms", meanwhile)
    values.find(f"key={KEY}!")
    assert (len(values), values.needles._found) == (0, {})


def test_a_value_that_is_forgotten_between_two_steps_enters_anew(ledger, monkeypatch):
    values = ledger.values
    live = values.enter(KEY, Kind.BEARER, "header:authorization")
    values.leave(live, Rank.PRESENTED)
    monkeypatch.setattr(values, "get", lambda text: live)
    scope = RequestScope("GET", {})
    assert ledger.present_known(scope, KEY, "header:authorization") is False
    assert not scope.touched
    assert live.in_flight == 0


def test_a_body_that_is_read_after_its_request_enters_nothing(ledger):
    scope = RequestScope("GET", {})
    scope.ended = True
    ledger.present(scope, KEY, Kind.API_KEY, "json:api_key")
    assert (len(ledger.values), scope.made) == (0, 0)


def test_a_container_made_by_two_threads_is_one():
    scope = RequestScope("GET", {})
    began, go_on, made = threading.Event(), threading.Event(), []

    class Slow(RequestScope):
        slow = Lazy(lambda: (began.set(), go_on.wait(20), {})[2] if threading.current_thread() is other else {})

    scope = Slow("GET", {})
    other = threading.Thread(target=lambda: made.append(scope.slow))
    try:
        other.start()
        assert began.wait(20)
        mine = scope.slow
        go_on.set()
        other.join(20)
    finally:
        del Lazy.names["slow"]
    assert made[0] is mine is scope.slow


def test_a_value_whose_names_another_thread_has_dropped_is_forgotten_all_the_same(ledger):
    values, names = ledger.values, ledger.desk.slots
    live = values.enter(KEY, Kind.BEARER, "header:authorization")
    jti = api_key("jti")
    names.learn_jti(jti, live)
    digest = live.digests(64)[0]
    assert names.match(digest, RequestScope("GET", {})) is None
    names.learn_digest(digest, live)
    matched = names.match(digest, None)
    names._heads.clear()
    del live.learnt[:]
    live.learnt += [digest, digest]
    values.leave(live, Rank.PRESENTED)
    assert matched.live is live
    assert (live.text, len(values), names._jtis, names._digests) == ("", 0, {}, {})


def test_a_slot_that_was_given_up_meanwhile_is_known_again(ledger, monkeypatch):
    from rasp.ledger import cache_book
    from rasp.ledger.events import CacheStored, Holder
    from rasp.ledger.slots import SlotMatch

    monkeypatch.setattr(cache_book, "_HALF", -1)
    live = ledger.values.enter(KEY, Kind.BEARER, "header:authorization")
    event = CacheStored(Holder("cache", 1), "name", (), None, SlotMatch(live, "digest", "name"))
    ledger.cache.stored(event)
    kept = ledger.cache._slots

    class Racing(type(kept)):
        def get(self, key):
            return self.pop(key)

    ledger.cache._slots = Racing(kept)
    ledger.cache.stored(event)
    assert len(ledger.cache._slots) == 1


def test_of_two_that_remove_a_slot_at_once_one_takes_it(ledger):
    from rasp.ledger.events import CacheRemoved, CacheStored, Holder
    from rasp.ledger.slots import SlotMatch

    live = ledger.values.enter(KEY, Kind.BEARER, "header:authorization")
    holder, match = Holder("cache", 1), SlotMatch(live, "digest", "name")
    scopes = [RequestScope("GET", {}), RequestScope("GET", {})]
    for scope in scopes:
        token = ledger.scopes.current.set(scope)
        ledger.cache.stored(CacheStored(holder, "name", (), None, match))
        ledger.scopes.current.reset(token)
    [slot] = ledger.cache._slots.values()

    class Racing(dict):
        def items(self):
            found = tuple(super().items())
            self.clear()
            return found

    slot.owners = Racing(slot.owners)
    token = ledger.scopes.current.set(scopes[0])
    facts = ledger.cache.removed(CacheRemoved(holder, "name", True, False, False, (), match))
    ledger.scopes.current.reset(token)
    assert list(facts) == []
    assert not scopes[1].has("lost")


def app_of_all():
    """A caller's token that is read from elsewhere, verified, stored and logged; and his own key, twice released."""
    import jwt as pyjwt
    from cachelib import SimpleCache

    app, cache = Flask(__name__), SimpleCache()

    @app.get("/")
    def view():
        token = jwt("path")
        pyjwt.decode(token, SIGNING_KEY, algorithms=["HS256"])
        claims = pyjwt.decode(token, SIGNING_KEY, algorithms=["HS256"])
        cache.set(claims["jti"], 1)
        cache.get(claims["jti"])
        app.logger.warning(token)
        g.key = request.headers["Authorization"][7:]
        g.pop("key")
        g.pop("key", None)
        app.logger.warning(request.headers["Authorization"])
        cache.set(KEY, 1)
        cache.delete(KEY)
        cache.delete(KEY)
        return KEY, 400

    return app


def shown(installed):
    """Everything that a finding says of what happened, in order."""
    return [
        (
            found.rule,
            found.severity.word,
            found.location.line,
            [(step.action.value, step.holder, step.location and step.location.line) for step in found.trail],
        )
        for found in installed.findings
    ]


def test_findings_are_the_same_whether_requests_are_recorded_or_not(install_rasp):
    from rasp import runtime

    every = []
    for record in (False, True):
        installed = install_rasp(record=record)
        app = app_of_all()
        for _ in range(2):
            serve(app, environ("/", BEARER))
        every.append(shown(installed))
        runtime.uninstall()
    assert every[0] == every[1]
    assert len(every[0]) >= 6


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["a", "b"]), st.integers(0, 4)), max_size=40))
def test_ids_that_begin_alike_are_told_apart_whatever_comes_and_goes(steps):
    """Against a plain set: what is learnt and not forgotten is found, and nothing is kept of the rest."""
    ledger = Ledger(load({}, environ={}), fingerprinter(b"k" * 16))
    names, values, live = ledger.desk.slots, ledger.values, {}
    for come, family, number in steps:
        jti = f"session-{family * 12}-{number}"
        if come and jti not in live:
            live[jti] = values.enter(api_key(jti), Kind.BEARER, "header:authorization")
            names.learn_jti(jti, live[jti])
        elif not come and jti in live:
            values.leave(live.pop(jti), Rank.PRESENTED)
        for other in [f"session-{letter * 12}-{at}" for letter in "ab" for at in range(5)]:
            match = names.match(f"claims:{other}:x", None)
            assert (match.live if match is not None else None) is live.get(other)
    assert len(names._jtis) == len(live)
    assert (names._heads == {}) is (not live)


@given(st.text("ab01-_ .:é", max_size=60), st.integers(0, 60), st.booleans())
def test_a_value_is_found_in_a_text_wherever_it_stands(around, at, there):
    ledger = Ledger(load({}, environ={}), fingerprinter(b"k" * 16))
    live = ledger.values.enter(KEY, Kind.BEARER, "header:authorization")
    text = f"{around[:at]} {KEY if there else KEY[:11]} {around[at:]}"
    hits = ledger.values.find(text)
    assert [(hit.live, text[hit.start : hit.end]) for hit in hits] == ([(live, KEY)] if there else [])


def test_an_entry_named_by_a_digest_of_a_value_that_looks_like_one(ledger):
    raw = "0123456789abcdef" * 4
    live = ledger.values.enter(raw, Kind.API_KEY, "header:x-api-key")
    scope = RequestScope("GET", {})
    scope.presented[live] = "header:x-api-key"
    named = ledger.desk.slots.match(raw, scope)
    assert (named.live, named.by) == (live, "value")
    digest = ledger.desk.slots.match(hashlib.sha256(raw.encode()).hexdigest(), scope)
    assert (digest.live, digest.by) == (live, "digest")


def test_digests_are_let_go_of_once_they_have_been_compared(ledger):
    live = ledger.values.enter(KEY, Kind.BEARER, "header:authorization")
    scope = RequestScope("GET", {})
    scope.presented[live] = "header:authorization"
    for name in (hashlib.sha256(KEY.encode()).hexdigest(), f"v1:{hashlib.md5(KEY.encode()).hexdigest()}"):
        assert ledger.desk.slots.match(name, scope).live is live
        assert live._digests == {}
