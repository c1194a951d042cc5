"""itsdangerous: a signed text that a caller presented is verified by what unsigns it; the keys are the app's own.

Serializers of all kinds, Flask's session among them, go through the signers. What is signed is not told: such a token
is known once a response names it. ``verify_signature`` alone is seen as the comparison in constant time that it is.
Most texts are nobody's credential: they cost a look-up in a dictionary, before any hook is called.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.key_material import KeyMaterial, argument
from rasp.instruments.kit import Kit, obey
from rasp.instruments.pyjwt import Depth
from rasp.instruments.verifying import FAILED
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like

HOLDER = "itsdangerous"
_BOUND = 1_000


class SignerHooks:
    """What signers were given."""

    def __init__(self, kit: Kit) -> None:
        self._material = kit.shared(KeyMaterial)
        self._find = kit.ledger.values.get
        self._current = kit.ledger.scopes.current
        self._seen: set[int] = set()

    def concerns(self, args: Any, kwargs: Any) -> bool:
        """Whether a text to be unsigned is a credential, or a key is new. Called unguarded: nothing in it can fail."""
        value = argument(args, kwargs, 1, "signed_value")
        if type(value) is bytes:
            value = value.decode("utf-8", "surrogateescape")
        if type(value) is not str:
            return False
        if self._find(value) is not None:
            return True
        scope = self._current.get()
        if scope is not None and scope.touched and scope.has("candidates") and value in scope.candidates:
            return True
        return self.has_new_key(args)

    def has_new_key(self, args: Any) -> bool:
        """Whether a signer's newest key was not seen before; as little can fail."""
        keys = getattr(args[0], "__dict__", {}).get("secret_keys") if args else None
        return type(keys) is list and bool(keys) and type(keys[-1]) is bytes and hash(keys[-1]) not in self._seen

    def unsigned(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``unsign`` ended, one way or the other."""
        if self.has_new_key(args):
            self.signed(args)
        return self._material.verified(HOLDER, result is not FAILED, argument(args, kwargs, 1, "signed_value"))

    def signed(self, args: Any) -> None:
        """``sign`` ended: what signed is secret."""
        for key in args[0].secret_keys:
            if len(self._seen) >= _BOUND:
                self._seen.clear()
            self._seen.add(hash(key))
            self._material.owned(f"key:{HOLDER}", key)


def instrument(kit: Kit) -> Instrument:
    """The instrument of itsdangerous."""
    hooks, depth = SignerHooks(kit), kit.shared(Depth)
    unsigned, signed = kit.hook("itsdangerous.unsign", hooks.unsigned), kit.hook("itsdangerous.sign", hooks.signed)
    concerns, has_new_key = hooks.concerns, hooks.has_new_key

    def unsigning(original: Any) -> Any:
        def unsign(*args: Any, **kwargs: Any) -> Any:
            if depth.now:
                return original(*args, **kwargs)
            depth.now = 1
            try:
                result = original(*args, **kwargs)
            except BaseException:
                depth.now = 0
                if concerns(args, kwargs):
                    unsigned(args, kwargs, FAILED)
                raise
            depth.now = 0
            if concerns(args, kwargs):
                obey(unsigned(args, kwargs, result))
            return result

        return named_like(original, unsign)

    def signing(original: Any) -> Any:
        def sign(*args: Any, **kwargs: Any) -> Any:
            before, depth.now = depth.now, 1
            try:
                result = original(*args, **kwargs)
            finally:
                depth.now = before
            if has_new_key(args):
                signed(args)
            return result

        return named_like(original, sign)

    return Instrument(
        name=HOLDER,
        library="itsdangerous",
        supported=">=2,<3",
        points=(
            PatchPoint("itsdangerous.signer", "Signer.unsign", unsigning),
            PatchPoint("itsdangerous.signer", "Signer.sign", signing),
            PatchPoint("itsdangerous.timed", "TimestampSigner.unsign", unsigning),
            PatchPoint("itsdangerous.timed", "TimestampSigner.sign", signing),
        ),
        unreachable=("signers that override unsign without calling their base",),
    )
