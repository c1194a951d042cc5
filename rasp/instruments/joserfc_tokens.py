"""joserfc: JWTs and signed or encrypted texts in compact form, made, verified or only taken apart; and their keys.

Not seen: the JSON serialisations, which are no single text; keys that a callback returns.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.key_material import argument
from rasp.instruments.kit import Kit
from rasp.instruments.pyjwt import Depth
from rasp.instruments.token_calls import TokenCalls
from rasp.instruments.verifying import FAILED, Calls
from rasp.model import Verdict
from rasp.patching.installer import Instrument

HOLDER = "joserfc"


class JoserfcHooks:
    """What joserfc was given, and what came out.

    ``extract_compact`` takes a token apart unchecked; ``validate_compact`` checks what came out of it later.
    """

    def __init__(self, kit: Kit) -> None:
        self._calls = TokenCalls(kit, HOLDER)

    def decoded(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``jwt.decode``, ``jws.deserialize_compact`` or ``jwe.decrypt_compact`` ended."""
        key = kwargs.get("public_key", kwargs.get("private_key", argument(args, kwargs, 1, "key")))
        claims = getattr(result, "claims", None)
        token = argument(args, kwargs, 0, "value")
        return self._calls.decoded(token, key, claims, success=result is not FAILED, checks=True)

    def extracted(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``jws.extract_compact`` ended."""
        token = argument(args, kwargs, 0, "value")
        return self._calls.decoded(token, None, None, success=result is not FAILED, checks=False)

    def validated(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``jws.validate_compact`` ended."""
        segments = getattr(argument(args, kwargs, 0, "obj"), "segments", None) or {}
        token = b".".join(segments.get(name, b"") for name in ("header", "payload", "signature"))
        key = argument(args, kwargs, 1, "public_key")
        return self._calls.decoded(token, key, None, success=result is True, checks=True)

    def made(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``jwt.encode``, ``jws.serialize_compact`` or ``jwe.encrypt_compact`` ended."""
        if result is FAILED:
            return None
        named = kwargs.get("private_key", kwargs.get("public_key"))
        return self._calls.made(result, argument(args, kwargs, 2, "key") if named is None else named)


def instrument(kit: Kit) -> Instrument:
    """The instrument of joserfc."""
    hooks, calls = JoserfcHooks(kit), Calls(kit.shared(Depth))
    decoded, made = kit.hook("joserfc.decode", hooks.decoded), kit.hook("joserfc.encode", hooks.made)
    calls.outermost("joserfc.jws", "deserialize_compact", decoded)
    calls.outermost("joserfc.jws", "extract_compact", kit.hook("joserfc.extract", hooks.extracted))
    calls.outermost("joserfc.jws", "validate_compact", kit.hook("joserfc.validate", hooks.validated))
    calls.outermost("joserfc.jws", "serialize_compact", made)
    calls.outermost("joserfc.jwe", "decrypt_compact", decoded)
    calls.outermost("joserfc.jwe", "encrypt_compact", made)
    calls.outermost("joserfc.jwt", "decode", decoded)
    calls.outermost("joserfc.jwt", "encode", made)
    return calls.instrument(HOLDER, "joserfc", ">=1,<2", "the JSON serialisations, and keys that a callback returns")
