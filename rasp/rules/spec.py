"""What a rule is: one row of the table."""

from __future__ import annotations

from dataclasses import dataclass

from rasp.errors import RaspViolation
from rasp.model import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule as users see it.

    Attributes:
        cwe: CWE number; ``native_cwe`` where a native handle is concerned, if that differs.
        severity: the default; the rule's grading may give another.
        violation: what ``strict`` raises.
        category: the family: release, exposure, concurrency, verification.
        summary: one sentence: what it finds.
        help: Markdown that explains the danger and shows the defect and its fix in code.
    """

    id: str
    name: str
    cwe: int
    severity: Severity
    violation: type[RaspViolation]
    category: str
    summary: str
    help: str
    native_cwe: int | None = None
