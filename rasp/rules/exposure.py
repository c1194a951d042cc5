"""Rules 201 to 204: a raw credential stands where it must not (CWE-532, 922, 598)."""

from __future__ import annotations

from rasp.ledger.facts import Exposure, RawKey
from rasp.model import Kind, Severity
from rasp.rules.draft import Draft


def raw_token(fact: Exposure) -> Draft:
    """Log, telemetry or URL; of several rules that fit, the most specific speaks alone."""
    rule, message = _RULES[fact.sink]
    if fact.sink == "access_log" and not fact.in_url:
        rule, message = _RULES["log"]
    severity = Severity.ERROR
    if rule == "raw-token-in-url" and fact.live is not None and fact.live.kind is Kind.SINGLE_USE and fact.in_url:
        return Draft(rule, Severity.NOTE, message, fact)
    if fact.short:
        severity = severity.lowered()
    if fact.lowered:
        severity = severity.lowered()
    return Draft(rule, severity, message, fact)


_RULES = {
    "log": ("raw-token-logged", "raw credential written to a log"),
    "telemetry": ("raw-token-in-telemetry", "raw credential exported with a span"),
    "redirect": ("raw-token-in-url", "raw credential in the URL of a redirect"),
    "access_log": ("raw-token-in-url", "raw credential in a URL that the server's access log keeps"),
}


def raw_token_as_key(fact: RawKey) -> Draft:
    """An entry stored under the raw value; a session library's own store is a note."""
    if fact.session_store:
        severity = Severity.NOTE
    else:
        severity = Severity.WARNING.lowered() if fact.short else Severity.WARNING
    return Draft("raw-token-as-key", severity, f"{fact.trail[-1].holder} entry stored under a raw credential", fact)
