"""event -> ledger -> rules -> response -> reporters; what comes back is a verdict."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rasp.allowance import ALLOWED
from rasp.config import Config
from rasp.errors import RaspViolation
from rasp.ledger.events import Exposed
from rasp.ledger.facts import Fact, LeftHeld, ReleasedUnacquired, SecondRelease, UsedAfterRelease
from rasp.ledger.hits import Hit
from rasp.ledger.hold_book import HOLDER as APP_HOLDER
from rasp.ledger.ledger import Ledger
from rasp.ledger.scopes import RequestScope
from rasp.ledger.value import LiveValue
from rasp.model import ActionTaken, Finding, Mode, Verdict
from rasp.responses.assembly import Assembly
from rasp.responses.decide import Decision, decide
from rasp.rules.draft import Draft
from rasp.rules.judge import judge
from rasp.rules.table import RULES


@dataclass(eq=False)
class Pipeline:
    """The stages in order. ``report`` takes every finding; ``ended`` takes every request that is over.

    Attributes:
        pending: violations of ``strict`` that no caller has seen yet.
        test_thread: the thread of a running test; outside requests it is judged for native and explicit holds only.
        known: keys of findings that a baseline already holds.
    """

    config: Config
    ledger: Ledger
    assembly: Assembly
    report: Callable[[Finding], None]
    ended: Callable[[RequestScope, tuple[Finding, ...]], None]
    pending: list[RaspViolation] = field(default_factory=list)
    test_thread: int | None = None
    known: frozenset[str] = frozenset()

    @property
    def _blocks(self) -> bool:
        return self.config.block_native_double_release

    def handle(self, event: object) -> Verdict | None:
        """Takes an event through all stages; ``None`` lets the app go on."""
        facts = self.ledger.books[type(event)](event)
        return self.respond(facts, event) if facts else None

    def respond(self, facts: Sequence[Fact], event: object = None) -> Verdict | None:
        """Judges facts, reports what is found and decides what happens now."""
        skip, exception = False, None
        replaced: set[LiveValue] = set()
        for fact in facts:
            draft = judge(fact)
            if draft is None:
                continue
            mode = self.config.mode_of(draft.rule)
            decision = decide(draft, mode, block_native=self._blocks)
            if mode is Mode.OFF or not self._concerns(draft):
                skip = skip or self._withholds(draft)
                continue
            finding = self.assembly.finding(draft, mode, decision.action)
            if finding.key in self.known:
                skip = skip or self._withholds(draft)
                continue
            skip = skip or decision.action is ActionTaken.SKIPPED
            self.report(finding)
            self._remember(fact.scope, finding)
            exception = exception or self._violation(decision, finding, fact.scope)
            if decision.action is ActionTaken.REPLACED and fact.live is not None:
                replaced.add(fact.live)
        text = mask_hits(event.text, event.hits, replaced) if isinstance(event, Exposed) and replaced else None
        if exception is None and text is None and not skip:
            return None
        return Verdict(exception, text, skip)

    def _withholds(self, draft: Draft) -> bool:
        """Whether a second native release is withheld, though nobody is told of it: what follows is undefined."""
        return decide(draft, Mode.OBSERVE, block_native=self._blocks).action is ActionTaken.SKIPPED

    def _concerns(self, draft: Draft) -> bool:
        """Whether a draft is reported here: not where ``rasp.allow`` says so, nor of a test's own code."""
        fact = draft.fact
        if fact.scope is not None and fact.scope.unsampled and not draft.native:
            return False
        if draft.rule in ALLOWED.get() or (fact.trail and draft.rule in fact.trail[-1].allowed):
            return False
        if fact.scope is None and self.test_thread is not None and self.test_thread == threading.get_ident():
            holds = isinstance(fact, (SecondRelease, UsedAfterRelease, ReleasedUnacquired, LeftHeld))
            return draft.native or (holds and fact.trail[-1].holder == APP_HOLDER)
        return True

    def _violation(self, decision: Decision, finding: Finding, scope: RequestScope | None) -> RaspViolation | None:
        """The exception to raise now, if any; it is kept until some caller has seen it."""
        if not decision.raises and not decision.deferred:
            return None
        violation = RULES[finding.rule].violation(describe(finding), finding)
        in_scope = scope is not None and (decision.deferred or not scope.ended)
        if scope is not None and in_scope:
            scope.violations.append(violation)
        if decision.deferred or in_scope or self.test_thread not in (None, threading.get_ident()):
            self.pending.append(violation)
            del self.pending[:-1000]
        return violation if decision.raises else None

    def delivered(self, violation: BaseException) -> None:
        """A caller has seen this exception, or one that it caused."""
        chain: BaseException | None = violation
        for _ in range(32):
            if chain is None:
                break
            self.pending = [other for other in self.pending if other is not chain]
            chain = chain.__cause__ or chain.__context__

    def _remember(self, scope: RequestScope | None, finding: Finding) -> None:
        if scope is not None and len(scope.findings) < 64:
            scope.findings.append(finding)

    def end(self, scope: RequestScope) -> None:
        """A request is over: judge what can only be judged now, settle it, hand on its record."""
        if scope.touched:
            facts = self.ledger.ending(scope)
            if facts:
                self.respond(facts)
            self.ledger.close(scope)
        if scope.recorded:
            self.ended(scope, tuple(scope.findings) if scope.has("findings") else ())


def describe(finding: Finding) -> str:
    """A finding in one line, as an exception's text."""
    place = finding.location
    credential = finding.credential
    whose = f" [{credential.kind}:{credential.fingerprint}]" if credential is not None else ""
    return f"{finding.message}{whose} at {place.file}:{place.line} in {place.function} ({finding.id} {finding.rule})"


def mask_hits(text: str, hits: Sequence[Hit], which: set[LiveValue]) -> str:
    """A text in which these credentials are replaced by their masks."""
    parts: list[str] = []
    at = 0
    for hit in hits:
        if hit.live in which:
            parts += [text[at : hit.start], hit.live.credential.mask]
            at = hit.end
    parts.append(text[at:])
    return "".join(parts)
