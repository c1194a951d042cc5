"""Rules 401 to 407: a credential is checked, strong, short-lived, sent safely (CWE-347, 287, 613, 306, 319, 1391)."""

from __future__ import annotations

from rasp.ledger.facts import LongLived, SentInPlaintext, SpentOnLlm, Unvalidated, Unverified, Weak
from rasp.model import Severity
from rasp.rules.draft import Draft


def unverified_token(fact: Unverified) -> Draft:
    """Decoded with its signature unchecked, never verified, and answered below 400."""
    return Draft("unverified-token", Severity.ERROR, "token trusted though its signature was never verified", fact)


def weak_credential(fact: Weak) -> Draft:
    """Too short or a placeholder: it is not followed."""
    reason = "a placeholder" if fact.placeholder else "shorter than 16 characters"
    return Draft("weak-credential", Severity.NOTE, f"credential in {fact.label} is {reason}", fact)


def unvalidated_credential(fact: Unvalidated) -> Draft:
    """Nobody was seen to verify, look up or compare it; comparisons with ``==`` cannot be seen."""
    return Draft("unvalidated-credential", Severity.NOTE, "presented credential accepted unchecked", fact)


def long_lived_token(fact: LongLived) -> Draft:
    """Valid for ever, or for longer than the limit."""
    message = "token without an expiry" if fact.unlimited else "token valid for longer than the limit"
    return Draft("long-lived-token", Severity.NOTE, message, fact)


def unauthenticated_llm_endpoint(fact: SpentOnLlm) -> Draft:
    """Warning where the caller presented nothing at all, note where nothing it presented was verified."""
    severity = Severity.NOTE if fact.presented else Severity.WARNING
    whom = "a caller whose credential nobody verified" if fact.presented else "a caller without a credential"
    return Draft("unauthenticated-llm-endpoint", severity, f"the app's own LLM provider key spent for {whom}", fact)


def plaintext_credential(fact: SentInPlaintext) -> Draft:
    """Error to the outside, note inside a network."""
    severity = Severity.NOTE if fact.near else Severity.ERROR
    return Draft("plaintext-credential", severity, "credential sent over plain http", fact)
