"""Tokens in the answers that the app receives from an authorization server: issued to the request that asked.

Read from what the client library holds in memory once the app has read it (RFC 6749, section 5.1, in JSON or as a
form). Nothing is read for it.
"""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import parse_qsl

from rasp.instruments.kit import Kit
from rasp.ledger.events import Issued
from rasp.ledger.strength import is_recognisable
from rasp.model import Kind
from rasp.patching.guard import Hook
from rasp.patching.local import Local
from rasp.patching.patches import Make, named_like

LIMIT = 65_536
GRANTS = frozenset({"access_token", "refresh_token", "id_token"})
"""One of these members makes an answer one of OAuth."""


class Reading:
    """Whether a thread or greenlet is inside a library that reads answers through another one."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = False


class Answers:
    """Enters issued tokens into the ledger. ``kit.shared(Answers)``."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._reading = Local(Reading)

    def reading(self, received: Hook) -> Make:
        """A wrapper of an answer's ``read(amt=None)``: ``received`` is told of what the outermost one read whole."""
        local = self._reading

        def make(original: Any) -> Any:
            def read(self: Any, *args: Any, **kwargs: Any) -> Any:
                if args or kwargs.get("amt") is not None:
                    return original(self, *args, **kwargs)
                reading = local.get()
                inner, reading.now = reading.now, True
                try:
                    body = original(self, *args, **kwargs)
                finally:
                    reading.now = inner
                if not inner:
                    received(self, body)
                return body

            return named_like(original, read)

        return make

    def received(self, holder: str, content_type: object, body: object) -> None:
        """The app has an answer's body; what it issues belongs to this request from now on."""
        if not isinstance(body, bytes) or len(body) > LIMIT or b"_token" not in body:
            return
        ledger = self._kit.ledger
        scope = ledger.scopes.here()
        if scope is None:
            return
        document = _as_json(str(content_type or "").lower(), body)
        members = list(self._kit.extractor.issued(document)) if document else []
        if not any(name.lower() in GRANTS for name, _, _ in members):
            return
        path = None
        for name, value, weak in members:
            if value.startswith(ledger.config.public_prefixes) or (weak and not is_recognisable(value)):
                continue
            known = ledger.values.get(value)
            if known is not None and (known.kind is Kind.SERVICE or scope.knows(known)):
                continue
            if path is None:
                path = self._kit.here(sys._getframe(1))
            self._kit.pipeline.handle(Issued(value, holder, path, f"answer:{name[:40]}"))


def _as_json(content_type: str, body: bytes) -> bytes:
    if "json" in content_type or body.lstrip()[:1] == b"{":
        return body
    if "x-www-form-urlencoded" in content_type or "text/plain" in content_type:
        return json.dumps(dict(parse_qsl(body.decode("utf-8", "replace"))[:64])).encode()
    return b""
