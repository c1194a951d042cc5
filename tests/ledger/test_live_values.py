"""The index of live values keeps its bounds and its promises, whatever happens in which order."""

import string

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rasp.ledger.fingerprints import fingerprinter
from rasp.ledger.live import LiveValues
from rasp.ledger.value import Rank
from rasp.model import Kind

LIMIT = 16
GRACE = 60.0
TOKENS = st.text(alphabet=string.ascii_letters + string.digits, min_size=20, max_size=24)


class Index(RuleBasedStateMachine):
    """Requests present values and end; time goes on."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.values = LiveValues(fingerprinter(b"k" * 16), lambda: self.now, LIMIT, GRACE)
        self.open = []
        self.accepted = {}

    @rule(token=TOKENS)
    def present(self, token):
        live = self.values.enter(token, Kind.API_KEY, "test")
        if live is not None:
            self.open.append((token, live))

    @rule(data=st.data())
    def present_again(self, data):
        if self.open:
            token, live = data.draw(st.sampled_from(self.open))
            if self.values.get(token) is live:
                assert self.values.enter(token, Kind.API_KEY, "test") is live
                self.open.append((token, live))

    @rule(data=st.data(), rank=st.sampled_from([Rank.PRESENTED, Rank.ANSWERED, Rank.VERIFIED]))
    @precondition(lambda self: self.open)
    def end(self, data, rank):
        token, live = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        still = self.values.get(token) is live
        self.values.leave(live, rank)
        if still and rank is not Rank.PRESENTED:
            assert live.until == self.now + GRACE or self.values.get(token) is None

    @rule(seconds=st.floats(0, 200))
    def wait(self, seconds):
        self.now += seconds
        self.values.expire()
        for rank in (Rank.ANSWERED, Rank.VERIFIED):
            assert all(live.until > self.now for live in self.values._kept[rank])

    @invariant()
    def bounded(self):
        assert len(self.values) <= LIMIT
        assert self.values.foreign == len(self.values)

    @invariant()
    def what_is_indexed_is_kept(self):
        kept = {live for kept in self.values._kept for live in kept}
        assert {id(live) for live in self.values.exact.values()} == {id(live) for live in kept}
        assert all(live.text for live in kept)

    @invariant()
    def in_flight_is_found(self):
        for token, live in self.open:
            if self.values.get(token) is live:
                assert [hit.live for hit in self.values.find(f" {token} ")] == [live]


TestIndex = Index.TestCase
TestIndex.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


def test_answered_values_never_evict_verified_ones():
    values = LiveValues(fingerprinter(None), lambda: 0.0, LIMIT, GRACE)
    verified = [f"Verified{n:02}Kq3vT9mZr7" for n in range(LIMIT)]
    for token in verified:
        values.leave(values.enter(token, Kind.API_KEY, "test"), Rank.VERIFIED)
    for n in range(50):
        values.leave(values.enter(f"Answered{n:02}Lw2Xy5Bn8C", Kind.API_KEY, "test"), Rank.ANSWERED)
    assert all(values.get(token) is not None for token in verified)
    assert values.dropped == 50


def test_service_values_stay():
    values = LiveValues(fingerprinter(None), lambda: 0.0, LIMIT, GRACE)
    service = values.enter("ServiceKq3vT9mZr7Lw2", Kind.SERVICE, "env:KEY")
    values.raise_rank(service, Rank.SERVICE)
    for n in range(100):
        values.leave(values.enter(f"Verified{n:02}Lw2Xy5Bn8C", Kind.API_KEY, "test"), Rank.VERIFIED)
    values.clear()
    assert values.get("ServiceKq3vT9mZr7Lw2") is service
    assert values.foreign == 0
