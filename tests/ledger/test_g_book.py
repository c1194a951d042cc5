"""``flask.g``: what is judged follows from the operations alone, as the contract's table of evidence says."""

from hypothesis import given
from hypothesis import strategies as st

from rasp.config import load
from rasp.ledger.events import GRemoved, GStored
from rasp.ledger.facts import Evidence, SecondRelease
from rasp.ledger.fingerprints import fingerprinter
from rasp.ledger.ledger import Ledger
from rasp.ledger.scopes import RequestScope
from rasp.model import Kind, Severity
from rasp.rules.judge import judge

KEY = "Kq3vT9mZr7Lw2Xy5Bn8C"
PATHS = [((compile(str(number), "app.py", "eval"), 0),) for number in range(2)]
OPERATION = st.tuples(
    st.sampled_from(["store", "store other", "pop", "del", "guarded del"]), st.sampled_from(["key", "token"]),
    st.sampled_from(PATHS),
)  # fmt: skip


class G:
    """A ``g`` and the ledger's view of it; ``act`` gives the severities of what is found."""

    def __init__(self):
        self.ledger = Ledger(load({}, environ={}), fingerprinter(b"k" * 16))
        self.scope = RequestScope("GET", None)
        self.ledger.present(self.scope, KEY, Kind.API_KEY, "header:x-api-key")
        self.held = {}
        self.table = {}

    def act(self, operation, name, path):
        token = self.ledger.scopes.current.set(self.scope)
        try:
            return [judge(fact) for fact in self.ledger.apply(self.event(operation, name, path))]
        finally:
            self.ledger.scopes.current.reset(token)

    def event(self, operation, name, path):
        if operation.startswith("store"):
            self.held[name] = KEY if operation == "store" else "nothing"
            return GStored(self.table, name, self.held[name], path)
        existed = self.held.pop(name, None) is not None
        raised = operation != "pop" and not existed
        return GRemoved(self.table, name, existed, raised, operation == "guarded del", path)


@given(st.lists(OPERATION, max_size=20))
def test_only_a_second_release_of_a_credential_is_found_and_graded_by_its_evidence(operations):
    g = G()
    epochs = {}
    for operation, name, path in operations:
        there = name in g.held
        found = g.act(operation, name, path)
        if operation.startswith("store"):
            epochs[name] = [operation == "store", None]
            assert found == []
            continue
        credential, first = epochs.get(name, (False, None))
        if not credential or there:
            assert found == []
            if credential and first is None:
                epochs[name][1] = path
            continue
        (draft,) = found
        certain = operation == "del"
        assert isinstance(draft.fact, SecondRelease)
        assert draft.fact.evidence is (Evidence.CERTAIN if certain else Evidence.IDEMPOTENT)
        if certain:
            assert draft.severity is Severity.ERROR
        else:
            assert draft.severity is (Severity.NOTE if first == path else Severity.WARNING)


@given(st.lists(OPERATION, max_size=20))
def test_an_epoch_is_acquired_where_it_was_stored_last(operations):
    g = G()
    for operation, name, path in operations:
        found = g.act(operation, name, path)
        for draft in found:
            acquired, first, again = draft.fact.trail
            assert acquired.at <= first.at <= again.at
            assert {acquired.slot, first.slot, again.slot} == {name}
            assert again.path == path
