"""itsdangerous: a signed text that a caller presented is verified by what unsigns it; the keys are the app's own.

Serializers of all kinds, Flask's session among them, go through the signers. What is signed is not told: such a token
is known once a response names it. ``verify_signature`` alone is seen as the comparison in constant time that it is.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.key_material import KeyMaterial, argument
from rasp.instruments.kit import Kit
from rasp.instruments.pyjwt import Depth
from rasp.instruments.verifying import FAILED, Calls
from rasp.model import Verdict
from rasp.patching.installer import Instrument

HOLDER = "itsdangerous"
_BOUND = 1_000


class SignerHooks:
    """What signers were given."""

    def __init__(self, kit: Kit) -> None:
        self._material = kit.shared(KeyMaterial)
        self._seen: set[int] = set()

    def unsigned(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``unsign`` ended, one way or the other."""
        self._keys(args[0])
        return self._material.verified(HOLDER, result is not FAILED, argument(args, kwargs, 1, "signed_value"))

    def signed(self, args: Any, kwargs: Any, result: Any) -> None:
        """``sign`` ended."""
        self._keys(args[0])

    def _keys(self, signer: Any) -> None:
        for key in getattr(signer, "secret_keys", ()):
            if hash(key) not in self._seen:
                if len(self._seen) >= _BOUND:
                    self._seen.clear()
                self._seen.add(hash(key))
                self._material.owned(f"key:{HOLDER}", key)


def instrument(kit: Kit) -> Instrument:
    """The instrument of itsdangerous."""
    hooks, calls = SignerHooks(kit), Calls(kit.shared(Depth))
    unsigned, signed = kit.hook("itsdangerous.unsign", hooks.unsigned), kit.hook("itsdangerous.sign", hooks.signed)
    for module, name in (("itsdangerous.signer", "Signer"), ("itsdangerous.timed", "TimestampSigner")):
        calls.outermost(module, f"{name}.unsign", unsigned)
        calls.outermost(module, f"{name}.sign", signed)
    return calls.instrument(HOLDER, "itsdangerous", ">=2,<3", "signers that override unsign without calling their base")
