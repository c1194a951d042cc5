"""Cache slots: what is judged follows from the operations alone, whatever their order."""

from hypothesis import given
from hypothesis import strategies as st

from rasp.config import load
from rasp.ledger.events import CacheCleared, CacheRead, CacheRemoved, CacheStored, Holder
from rasp.ledger.facts import RawKey, ReleasedUnacquired, Reuse, SecondRelease
from rasp.ledger.fingerprints import fingerprinter
from rasp.ledger.ledger import Ledger
from rasp.ledger.scopes import RequestScope
from rasp.model import Kind

KEY = "Kq3vT9mZr7Lw2Xy5Bn8C"
HOLDER = Holder("cache", 1)
OPERATIONS = st.lists(st.sampled_from(["store", "read", "remove", "clear"]), max_size=12)


class Cache:
    """A cache with one entry, under a ledger. ``acts`` does what a request does and returns the facts of it."""

    def __init__(self):
        self.ledger = Ledger(load({}, environ={}), fingerprinter(b"k" * 16))
        self.there = False

    def request(self):
        scope = RequestScope("GET", None)
        self.ledger.present(scope, KEY, Kind.API_KEY, "header:x-api-key")
        return scope

    def act(self, scope, operation):
        slot = f"quota:{scope.mark.method}:{KEY}"
        token = self.ledger.scopes.current.set(scope)
        try:
            if operation == "store":
                self.there = True
                return self.ledger.apply(CacheStored(HOLDER, slot, ()))
            if operation == "read":
                return self.ledger.apply(CacheRead(HOLDER, slot, self.there, ()))
            if operation == "clear":
                self.there = False
                return self.ledger.apply(CacheCleared(HOLDER))
            removed, self.there = self.there, False
            return self.ledger.apply(CacheRemoved(HOLDER, slot, removed, False, False, ()))
        finally:
            self.ledger.scopes.current.reset(token)

    def end(self, scope):
        scope.ended = True
        self.ledger.close(scope)


def kinds(facts):
    return [type(fact) for fact in facts]


@given(OPERATIONS)
def test_alone_a_request_is_judged_for_removing_what_it_removed(operations):
    cache = Cache()
    scope = cache.request()
    released = False
    for operation in operations:
        there = cache.there
        found = kinds(cache.act(scope, operation))
        assert Reuse not in found
        assert (RawKey in found) == (operation == "store")
        if operation == "remove":
            assert (SecondRelease in found) == (released and not there)
            released = released or there
        elif operation in ("store", "clear"):
            released = False
    cache.end(scope)


@given(st.lists(OPERATIONS, max_size=5))
def test_requests_one_after_the_other_never_share(requests):
    cache = Cache()
    for operations in requests:
        scope = cache.request()
        for operation in operations:
            assert Reuse not in kinds(cache.act(scope, operation))
        cache.end(scope)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["store", "read", "remove"])), max_size=16))
def test_who_stored_an_entry_and_lost_it_is_told_at_the_next_operation(steps):
    cache = Cache()
    requests = (cache.request(), cache.request())
    owners, lost = set(), set()
    for second, operation in steps:
        scope = requests[second]
        facts = cache.act(scope, operation)
        told = [fact for fact in facts if isinstance(fact, Reuse) and fact.how == "slot_lost"]
        assert len(told) == (operation != "store" and scope in lost)
        lost.discard(scope)
        if operation == "store":
            owners.add(scope)
        elif operation == "remove" and (
            cache.there is False and not any(isinstance(f, ReleasedUnacquired) for f in facts)
        ):
            others = {owner for owner in owners if owner is not scope}
            took = any(isinstance(fact, Reuse) and fact.how == "slot_taken" for fact in facts)
            assert not took or others
            if took:
                lost |= others
                owners.clear()
            owners.discard(scope)
    assert lost <= set(requests)
