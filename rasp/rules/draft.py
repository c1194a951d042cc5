"""A rule's judgement before it is rendered: which rule, how severe, and in which words."""

from __future__ import annotations

from typing import NamedTuple

from rasp.ledger.facts import Fact
from rasp.model import Severity


class Draft(NamedTuple):
    """``message`` is a plain sentence without any value of the app; ``native`` picks the native CWE."""

    rule: str
    severity: Severity
    message: str
    fact: Fact
    native: bool = False
