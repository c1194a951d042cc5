"""Which rules the running code has said are fine here: ``rasp.allow`` and the marker ``rasp_allow``."""

from __future__ import annotations

import contextvars

ALLOWED: contextvars.ContextVar[frozenset[str]] = contextvars.ContextVar("rasp.allowed", default=frozenset())
"""Names of rules. An event remembers them, so that what is judged later is judged by where it happened."""
