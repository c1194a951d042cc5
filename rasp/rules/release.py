"""Rules 101 to 105: a hold is released once, and not used afterwards (CWE-1341, 415, 672, 416, 763, 772)."""

from __future__ import annotations

from rasp.ledger.facts import Evidence, LeftHeld, LeftOnError, ReleasedUnacquired, SecondRelease, UsedAfterRelease
from rasp.model import Severity
from rasp.rules.draft import Draft


def double_release(fact: SecondRelease) -> Draft:
    """Error where it is certain; of the idempotent form a warning from another call path, a note from the same."""
    if fact.evidence is Evidence.CERTAIN:
        severity = Severity.ERROR
    else:
        severity = Severity.NOTE if fact.same_path else Severity.WARNING
    again = fact.trail[-1]
    what = "native handle" if fact.native else f"{again.holder} slot"
    return Draft("double-release", severity, f"{what} released twice{_whose(fact)}", fact, native=fact.native)


def _whose(fact: SecondRelease) -> str:
    first, again = (occurrence.request for occurrence in fact.trail[-2:])
    if first is None and again is None:
        return ", outside any request"
    return " in one request" if first is again else " by different requests"


def use_after_release(fact: UsedAfterRelease) -> Draft:
    """A released native handle or explicit hold was used."""
    if fact.wiped:
        message = "buffer used after the credential in it was wiped"
    else:
        what = "native handle" if fact.native else "hold"
        message = f"{what} used while it is being released" if fact.during else f"{what} used after its release"
    return Draft("use-after-release", Severity.ERROR, message, fact, native=fact.native)


def release_without_acquire(fact: ReleasedUnacquired) -> Draft:
    """Warning for a declared native handle, note for caches and libc's own ``free``."""
    if fact.native:
        severity = Severity.WARNING if fact.declared else Severity.NOTE
        return Draft(
            "release-without-acquire",
            severity,
            "native handle released that was never acquired",
            fact,
            native=True,
        )
    message = f"{fact.trail[-1].holder} slot released that was never acquired in this process"
    return Draft("release-without-acquire", Severity.NOTE, message, fact)


def never_released(fact: LeftHeld) -> Draft:
    """Warning when its request ends, note when the process does."""
    what = "native handle" if fact.native else "hold"
    when = "process" if fact.at_exit else "request"
    severity = Severity.NOTE if fact.at_exit else Severity.WARNING
    return Draft("never-released", severity, f"{what} still held when its {when} ended", fact, native=fact.native)


def inconsistent_release(fact: LeftOnError) -> Draft:
    """Warning for native handles and explicit holds, note for caches."""
    what = "native handle" if fact.native else f"{fact.trail[-1].holder} slot"
    message = f"{what} released on the route's success path, left held on an error path"
    severity = Severity.NOTE if fact.cache else Severity.WARNING
    return Draft("inconsistent-release", severity, message, fact, native=fact.native)
