"""Which rule judges which fact. Pure: the same fact gives the same draft."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rasp.ledger import facts
from rasp.rules import concurrency, exposure, release, verification
from rasp.rules.draft import Draft

_JUDGES: Mapping[type[facts.Fact], Callable[[Any], Draft | None]] = {
    facts.SecondRelease: release.double_release,
    facts.UsedAfterRelease: release.use_after_release,
    facts.ReleasedUnacquired: release.release_without_acquire,
    facts.LeftHeld: release.never_released,
    facts.Exposure: exposure.raw_token,
    facts.RawKey: exposure.raw_token_as_key,
    facts.Reuse: concurrency.concurrent_reuse,
    facts.Leak: concurrency.cross_request_leak,
    facts.Replay: concurrency.single_use_replay,
    facts.Unverified: verification.unverified_token,
    facts.Weak: verification.weak_credential,
    facts.LeftOnError: release.inconsistent_release,
    facts.SentElsewhere: exposure.sent_elsewhere,
    facts.SentInPlaintext: verification.plaintext_credential,
    facts.SpentOnLlm: verification.unauthenticated_llm_endpoint,
    facts.Unvalidated: verification.unvalidated_credential,
    facts.LongLived: verification.long_lived_token,
}


def judge(fact: facts.Fact) -> Draft | None:
    """What the rules say about a fact; ``None`` if it is fine. Of 8 to 15 characters it is one severity lower."""
    draft = _JUDGES[type(fact)](fact)
    if draft is None or draft.native or isinstance(fact, (facts.Exposure, facts.RawKey)):
        return draft  # what stands in a text is graded by its own length
    if fact.live is not None and fact.live.short:
        return draft._replace(severity=draft.severity.lowered())
    return draft
