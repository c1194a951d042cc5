"""What a JWT library was asked and what it answered, as events: for authlib, joserfc and python-jose alike."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from rasp.instruments.kit import Kit, as_text
from rasp.instruments.own_keys import OwnKeys
from rasp.ledger.events import Issued, Verified
from rasp.model import Verdict


class TokenCalls:
    """The events of one library, under its name."""

    def __init__(self, kit: Kit, holder: str) -> None:
        self._kit = kit
        self._holder = holder
        self._keys = kit.shared(OwnKeys)

    def decoded(self, token: object, key: object, claims: object, *, success: bool, checks: bool) -> Verdict | None:
        """A token was decoded, with its signature checked or not; one with an empty signature never is."""
        self._keys.learn(f"key:{self._holder}", key)
        text = as_text(token)
        if text is None:
            return None
        attempted = checks and not text.endswith(".")
        if not attempted and not success:
            return None
        jti = claims.get("jti") if success and attempted and isinstance(claims, Mapping) else None
        path = self._kit.here(sys._getframe(1))
        event = Verified(
            text, self._holder, success and attempted, attempted, jti if isinstance(jti, str) else None, path
        )
        return self._kit.pipeline.handle(event)

    def made(self, token: object, key: object) -> Verdict | None:
        """A token was made."""
        self._keys.learn(f"key:{self._holder}", key)
        text = as_text(token)
        if text is None:
            return None
        path = self._kit.here(sys._getframe(1))
        return self._kit.pipeline.handle(Issued(text, self._holder, path, f"issued:{self._holder}"))

    def received(self, token: Mapping[Any, Any]) -> None:
        """Another server has issued tokens to the app (RFC 6749, section 5.1)."""
        scope = self._kit.ledger.scopes.here()
        for name in ("access_token", "refresh_token", "id_token"):
            text = token.get(name)
            if not isinstance(text, str) or scope is None:
                continue
            live = self._kit.ledger.values.get(text)
            if live is None or not scope.knows(live):
                path = self._kit.here(sys._getframe(1))
                self._kit.pipeline.handle(Issued(text, self._holder, path, f"issued:{self._holder}:{name}"))
