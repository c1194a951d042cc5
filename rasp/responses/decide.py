"""What happens on a finding, by mode. Pure."""

from __future__ import annotations

from typing import NamedTuple

from rasp.ledger.facts import SecondRelease, UsedAfterRelease
from rasp.model import ActionTaken, Mode, Severity
from rasp.rules.draft import Draft


class Decision(NamedTuple):
    """``raises``: at the offending call; ``deferred``: when the request ends, since it cannot be raised here."""

    action: ActionTaken = ActionTaken.NONE
    raises: bool = False
    deferred: bool = False


def decide(draft: Draft, mode: Mode, *, block_native: bool) -> Decision:
    """The response to a draft.

    Args:
        draft: what a rule found.
        mode: the mode in force for that rule.
        block_native: whether ``observe`` withholds a second native release from the library.
    """
    fact = draft.fact
    second_native = isinstance(fact, SecondRelease) and fact.native
    judged = draft.severity >= Severity.WARNING
    if mode is Mode.STRICT and judged:
        if fact.raisable:
            return Decision(ActionTaken.RAISED, raises=True)
        return Decision(ActionTaken.SKIPPED if second_native else ActionTaken.RAISED, deferred=True)
    if second_native and (block_native or mode is Mode.PROTECT):
        return Decision(ActionTaken.SKIPPED)
    if mode is Mode.PROTECT:
        if isinstance(fact, UsedAfterRelease) and fact.native:
            return Decision(ActionTaken.RAISED, raises=True)
        if fact.replaceable and judged:
            return Decision(ActionTaken.REPLACED)
    return Decision()
