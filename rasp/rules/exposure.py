"""Rules 201 to 208: a raw credential stands where it must not (CWE-532, 922, 598, 209, 201, 312, 214)."""

from __future__ import annotations

from rasp.ledger.facts import Exposure, RawKey, SentElsewhere
from rasp.model import Kind, Severity
from rasp.rules.draft import Draft


def raw_token(fact: Exposure) -> Draft:
    """Log, telemetry or URL; of several rules that fit, the most specific speaks alone."""
    rule, message = _RULES[fact.sink]
    if fact.sink == "access_log" and not fact.in_url:
        rule, message = _RULES["log"]
    severity = _SEVERITY.get(rule, Severity.ERROR)
    if fact.noted:
        return Draft(rule, Severity.NOTE, message, fact)
    if rule == "raw-token-in-url" and fact.live is not None and fact.live.kind is Kind.SINGLE_USE and fact.in_url:
        return Draft(rule, Severity.NOTE, message, fact)
    if fact.short:
        severity = severity.lowered()
    if fact.lowered:
        severity = severity.lowered()
    return Draft(rule, severity, message, fact)


_SEVERITY = {"raw-token-stored": Severity.WARNING}
_RULES = {
    "log": ("raw-token-logged", "raw credential written to a log"),
    "telemetry": ("raw-token-in-telemetry", "raw credential exported with telemetry"),
    "report": ("raw-token-in-telemetry", "raw credential sent with an error report"),
    "outbound_url": ("raw-token-in-url", "raw credential in the URL of an outbound request"),
    "response": ("raw-token-in-response", "raw credential answered in a response"),
    "stored": ("raw-token-stored", "raw credential stored in the clear"),
    "argv": ("raw-token-in-process-args", "raw credential in the arguments of a process"),
    "redirect": ("raw-token-in-url", "raw credential in the URL of a redirect"),
    "access_log": ("raw-token-in-url", "raw credential in a URL that the server's access log keeps"),
}


def sent_elsewhere(fact: SentElsewhere) -> Draft | None:
    """The caller's own credential, given to a host the app was not told of; never the app's own."""
    if fact.live is None or fact.live.kind is Kind.SERVICE:
        return None
    message = "the caller's credential sent to a host that is not in allowed_hosts"
    return Draft("raw-token-sent-elsewhere", Severity.WARNING, message, fact)


def raw_token_as_key(fact: RawKey) -> Draft:
    """An entry stored under the raw value; a session library's own store is a note."""
    if fact.session_store:
        severity = Severity.NOTE
    else:
        severity = Severity.WARNING.lowered() if fact.short else Severity.WARNING
    return Draft("raw-token-as-key", severity, f"{fact.trail[-1].holder} entry stored under a raw credential", fact)
