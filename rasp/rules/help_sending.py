"""Help texts."""

from __future__ import annotations

from rasp.rules.help_text import pending

RAW_TOKEN_SENT_ELSEWHERE = pending("raw-token-sent-elsewhere")

RAW_TOKEN_STORED = pending("raw-token-stored")

RAW_TOKEN_IN_PROCESS_ARGS = pending("raw-token-in-process-args")
