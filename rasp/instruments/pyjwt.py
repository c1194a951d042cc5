"""PyJWT: tokens that are verified, only decoded, or made; and the keys for it, which are the app's own secrets.

Both layers are wrapped, and only the outermost call counts. ``jwt.decode`` and the like are bound to the original
functions when the module is imported, but go through these methods.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from rasp.instruments.kit import Kit, as_text, caller, obey
from rasp.instruments.private_keys import secret_lines
from rasp.ledger.events import Issued, Verified
from rasp.ledger.scopes import PRESENTED
from rasp.ledger.value import Rank
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like

HOLDER = "pyjwt"
_VERIFIED = Rank.VERIFIED
_new = tuple.__new__


class Depth(threading.local):
    """Whether this thread is inside PyJWT."""

    now = 0

    def __init__(self, kit: Kit) -> None:
        """One for each runtime: ``kit.shared(Depth)``."""


class JwtHooks:
    """What PyJWT was asked and what it answered."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._current = kit.ledger.scopes.current
        self._live = kit.ledger.values.get
        self._seen: set[int] = set()
        self._latest: object = None

    def decoded(self, args: Any, kwargs: Any, result: Any) -> Any:
        """A decode ended; ``result`` is ``None`` where it raised."""
        token = args[0] if args else kwargs.get("jwt")
        if type(token) is not str:
            token = as_text(token)
            if token is None:
                return None
        attempted = not token.endswith(".")
        given = len(args)
        options = args[3] if given > 3 else kwargs.get("options")
        if attempted and options is not None and (type(options) is dict or isinstance(options, Mapping)):
            attempted = bool(options.get("verify_signature", True))
        key = args[1] if given > 1 else kwargs.get("key")
        if key is not self._latest:
            self._own_key(key)
        success = attempted and result is not None
        if not attempted and result is None:
            return None
        payload = result.get("payload") if success and isinstance(result, dict) else None
        jti = payload.get("jti") if isinstance(payload, dict) else None
        if type(jti) is not str:
            jti = None
        scope = self._current.get()
        if success and scope is not None and scope.made & PRESENTED and not (scope.recorded or scope.ended):
            live = self._live(token)
            if live is not None and live in scope.presented and jti == live.jti and live.rank >= _VERIFIED:
                scope.verified.add(live)  # as it was before: there is nothing new to learn of it
                return None
        path = self._kit.ledger.places.innermost(caller(3))
        return self._kit.pipeline.handle(_new(Verified, (token, HOLDER, success, attempted, jti, path)))

    def encoded(self, args: Any, kwargs: Any, result: Any) -> Any:
        """A token was made."""
        token = as_text(result)
        key = args[1] if len(args) > 1 else kwargs.get("key")
        if key is not self._latest:
            self._own_key(key)
        if token is None:
            return None
        return self._kit.pipeline.handle(Issued(token, HOLDER, self._kit.here(caller(3)), "issued:pyjwt"))

    def _own_key(self, key: Any) -> None:
        text = as_text(key)
        if text is None:
            return
        if "-----BEGIN" not in text:
            self._kit.ledger.own(text, "key:pyjwt")
            if self._live(text) is not None:  # nothing raw is kept that is not followed
                self._latest = key
        elif hash(text) not in self._seen and len(self._seen) < 1000:
            self._seen.add(hash(text))
            for line in secret_lines(text):
                self._kit.ledger.own(line, "key:pyjwt")


def instrument(kit: Kit) -> Instrument:
    """The instrument of PyJWT."""
    depth = kit.shared(Depth)
    hooks = JwtHooks(kit)
    decoded = kit.guard.light("pyjwt.decode", hooks.decoded)
    encoded = kit.hook("pyjwt.encode", hooks.encoded)

    def decode(original: Any) -> Any:
        def decode_complete(self: Any, *args: Any, **kwargs: Any) -> Any:
            if depth.now:
                return original(self, *args, **kwargs)
            depth.now = 1
            try:
                result = original(self, *args, **kwargs)
            except BaseException:
                depth.now = 0
                decoded(args, kwargs, None)
                raise
            depth.now = 0
            verdict = decoded(args, kwargs, result)
            if verdict is not None:
                obey(verdict)
            return result

        return named_like(original, decode_complete)

    def encode(original: Any) -> Any:
        def encode(self: Any, *args: Any, **kwargs: Any) -> Any:
            before, depth.now = depth.now, 1
            try:
                result = original(self, *args, **kwargs)
            finally:
                depth.now = before
            obey(encoded(args, kwargs, result))
            return result

        return named_like(original, encode)

    return Instrument(
        name="pyjwt",
        library="pyjwt",
        supported=">=2.4,<3",
        points=(
            PatchPoint("jwt.api_jws", "PyJWS.decode_complete", decode),
            PatchPoint("jwt.api_jws", "PyJWS.encode", encode),
            PatchPoint("jwt.api_jwt", "PyJWT.decode_complete", decode),
        ),
        unreachable=("jwt.api_jws.decode_complete and encode imported by name before rasp was installed",),
    )
