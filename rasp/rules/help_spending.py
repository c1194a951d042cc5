"""Help texts."""

from __future__ import annotations

from rasp.rules.help_text import pending

UNAUTHENTICATED_LLM_ENDPOINT = pending("unauthenticated-llm-endpoint")

PLAINTEXT_CREDENTIAL = pending("plaintext-credential")
