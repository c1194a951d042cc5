"""Rules 301 to 303: what two requests must not share (CWE-362, 488, 294)."""

from __future__ import annotations

from rasp.ledger.facts import Leak, Replay, Reuse
from rasp.model import Kind, Severity
from rasp.rules.draft import Draft

_REUSE = {
    "slot_lost": (
        Severity.ERROR,
        "another request released this entry while the request that stored it was in flight",
    ),
    "slot_taken": (Severity.NOTE, "entry released while another request that stored it is in flight"),
    "single_use": (Severity.ERROR, "single-use credential presented by two overlapping requests"),
    "native": (Severity.ERROR, "native handle in calls of two requests at once"),
    "native_release": (Severity.ERROR, "native handle released while a call of another request uses it"),
    "native_buffer": (Severity.ERROR, "mutable buffer with a credential held by two requests at once"),
}
_LEAK = {
    "g": "another caller's credential stored on flask.g",
    "g_left": "flask.g still holds another request's credential when this one begins",
    "verified": "another caller's credential verified as this request's",
    "sent": "another caller's credential sent out by this request",
    "response": "another caller's credential answered in this response",
}


def concurrent_reuse(fact: Reuse) -> Draft:
    """Two requests had it at once."""
    severity, message = _REUSE[fact.how]
    return Draft("concurrent-reuse", severity, message, fact, native=fact.how.startswith("native"))


def cross_request_leak(fact: Leak) -> Draft | None:
    """One caller's credential serves another's request; never the app's own."""
    if fact.live is None or fact.live.kind is Kind.SERVICE:
        return None
    return Draft("cross-request-leak", Severity.ERROR, _LEAK[fact.how], fact)


def single_use_replay(fact: Replay) -> Draft | None:
    """A single-use credential was accepted twice."""
    if fact.live is None or fact.live.kind is Kind.SERVICE:
        return None
    return Draft("single-use-replay", Severity.ERROR, "single-use credential accepted a second time", fact)
