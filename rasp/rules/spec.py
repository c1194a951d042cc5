"""What a rule is: one row of the table."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, NamedTuple

from rasp.errors import RaspViolation
from rasp.model import Severity

if TYPE_CHECKING:
    from rasp.rules.help_text import Help


class Rule(NamedTuple):
    """A rule as users see it.

    Attributes:
        cwe: CWE number; ``native_cwe`` where a native handle is concerned, if that differs.
        severity: the default; the rule's grading may give another.
        violation: what ``strict`` raises.
        category: the family: release, exposure, concurrency, verification.
        file: the module of this folder that holds its help text, read when somebody asks for it.
    """

    id: str
    name: str
    cwe: int
    severity: Severity
    violation: type[RaspViolation]
    category: str
    file: str
    native_cwe: int | None = None

    @property
    def summary(self) -> str:
        """One sentence: what it finds."""
        return self._text.summary

    @property
    def help(self) -> str:
        """Markdown that explains the danger and shows the defect and its fix in code."""
        cwes = (self.cwe,) if self.native_cwe is None else (self.cwe, self.native_cwe)
        return self._text.markdown(self.name, *cwes)

    @property
    def _text(self) -> Help:
        module = importlib.import_module(f"rasp.rules.{self.file}")
        found: Help = getattr(module, self.name.upper().replace("-", "_"))
        return found
