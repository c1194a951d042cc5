"""When two requests have one native handle at once. Pure.

A handle that was acquired outside requests counts as shared, and so does one declared ``thread_safe = true``, except
that nobody may release it while another request's call runs. ``thread_safe = false`` forbids overlapping calls
everywhere. Where the owner of a call is unknown (a pool's thread does not carry the request), nothing is raised.
"""

from __future__ import annotations

from collections.abc import Sequence

from rasp.ledger.facts import Fact, Reuse
from rasp.ledger.native_handles import Call, Handle
from rasp.ledger.scopes import Occurrence, RequestScope, identity


def overlapping_use(
    handle: Handle, call: Call, others: Sequence[Call], scope: RequestScope | None, raisable: bool
) -> Sequence[Fact]:
    """A call begins while others that were given the same handle run."""
    if handle.thread_safe is True:
        return ()
    for other in others:
        known = call.request is not None and other.request is not None
        if handle.thread_safe is False:
            wrong = other.ident != call.ident
        else:
            wrong = known and other.request is not call.request and handle.acquired.request is not None
        if wrong:
            trail = (handle.acquired, other.entered, call.entered)
            return (Reuse(live=handle.live, trail=trail, scope=scope, how="native", raisable=raisable and known),)
    return ()


def overlapping_release(
    handle: Handle, again: Occurrence, others: Sequence[Call], scope: RequestScope | None, raisable: bool
) -> Sequence[Fact]:
    """A release begins while calls that were given the handle run."""
    mine = None if scope is None else scope.mark
    for other in others:
        known = mine is not None and other.request is not None
        foreign = known and other.request is not mine
        if foreign or (handle.thread_safe is False and other.ident != identity()):
            trail = (handle.acquired, other.entered, again)
            return (
                Reuse(live=handle.live, trail=trail, scope=scope, how="native_release", raisable=raisable and known),
            )
    return ()
