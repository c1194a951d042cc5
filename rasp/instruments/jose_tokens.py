"""python-jose: JWTs and signed or encrypted texts, made, verified or only taken apart; and their keys.

Looking at a header alone (``get_unverified_header``) trusts nothing and is not told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rasp.instruments.key_material import argument
from rasp.instruments.kit import Kit
from rasp.instruments.pyjwt import Depth
from rasp.instruments.token_calls import TokenCalls
from rasp.instruments.verifying import FAILED, Calls
from rasp.model import Verdict
from rasp.patching.installer import Instrument

HOLDER = "python-jose"


class JoseHooks:
    """What python-jose was given, and what came out."""

    def __init__(self, kit: Kit) -> None:
        self._calls = TokenCalls(kit, HOLDER)

    def decoded(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``jwt.decode`` ended."""
        options = argument(args, kwargs, 3, "options")
        checks = bool(options.get("verify_signature", True)) if isinstance(options, Mapping) else True
        return self._told(args, kwargs, result, checks)

    def verified(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``jws.verify`` ended."""
        checks = argument(args, kwargs, 3, "verify")
        return self._told(args, kwargs, result, checks is None or bool(checks))

    def _told(self, args: Any, kwargs: Any, result: Any, checks: bool) -> Verdict | None:
        token, key = argument(args, kwargs, 0, "token"), argument(args, kwargs, 1, "key")
        return self._calls.decoded(token, key, result, success=result is not FAILED, checks=checks)

    def decrypted(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``jwe.decrypt`` ended."""
        token, key = argument(args, kwargs, 0, "jwe_str"), argument(args, kwargs, 1, "key")
        return self._calls.decoded(token, key, None, success=result not in (FAILED, None), checks=True)

    def peeked(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """Claims were read with the signature unchecked."""
        token = argument(args, kwargs, 0, "token")
        return self._calls.decoded(token, None, None, success=result is not FAILED, checks=False)

    def made(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``jwt.encode``, ``jws.sign`` or ``jwe.encrypt`` ended."""
        return None if result is FAILED else self._calls.made(result, argument(args, kwargs, 1, "key"))


def instrument(kit: Kit) -> Instrument:
    """The instrument of python-jose."""
    hooks, calls = JoseHooks(kit), Calls(kit.shared(Depth))
    made, peeked = kit.hook("jose.encode", hooks.made), kit.hook("jose.peek", hooks.peeked)
    calls.outermost("jose.jws", "verify", kit.hook("jose.verify", hooks.verified))
    calls.outermost("jose.jws", "get_unverified_claims", peeked)
    calls.outermost("jose.jws", "sign", made)
    calls.outermost("jose.jwt", "decode", kit.hook("jose.decode", hooks.decoded))
    calls.outermost("jose.jwt", "get_unverified_claims", peeked)
    calls.outermost("jose.jwt", "encode", made)
    calls.outermost("jose.jwe", "decrypt", kit.hook("jose.decrypt", hooks.decrypted))
    calls.outermost("jose.jwe", "encrypt", made)
    return calls.instrument(HOLDER, "python-jose", ">=3.3,<4", "functions kept in a tuple, partial or closure before")
