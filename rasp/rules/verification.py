"""Rules 401 and 407: a presented credential is checked, and strong enough to be one (CWE-347, 1391)."""

from __future__ import annotations

from rasp.ledger.facts import Unverified, Weak
from rasp.model import Severity
from rasp.rules.draft import Draft


def unverified_token(fact: Unverified) -> Draft:
    """Decoded with its signature unchecked, never verified, and answered below 400."""
    return Draft("unverified-token", Severity.ERROR, "token trusted though its signature was never verified", fact)


def weak_credential(fact: Weak) -> Draft:
    """Too short or a placeholder: it is not followed."""
    reason = "a placeholder" if fact.placeholder else "shorter than 16 characters"
    return Draft("weak-credential", Severity.NOTE, f"credential in {fact.label} is {reason}", fact)
