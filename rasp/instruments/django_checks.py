"""Django: signed texts that a caller presented, and credentials that are checked against their hash, are verified.

Comparisons go through ``secrets``, keyed digests through ``hmac``: those instruments tell of them.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.key_material import KeyMaterial, argument
from rasp.instruments.kit import Kit
from rasp.instruments.pyjwt import Depth
from rasp.instruments.verifying import FAILED, Calls
from rasp.model import Verdict
from rasp.patching.installer import Instrument

HOLDER = "django"


class DjangoHooks:
    """What Django's signers and password checks were given."""

    def __init__(self, kit: Kit) -> None:
        self._material = kit.shared(KeyMaterial)

    def unsigned(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``Signer.unsign`` ended; the names of its argument differ."""
        value = args[1] if len(args) > 1 else kwargs.get("signed_value", kwargs.get("value"))
        key = getattr(args[0], "key", None)
        if isinstance(key, (str, bytes)):
            self._material.owned(f"key:{HOLDER}", key)
        return self._material.verified(HOLDER, result is not FAILED, value)

    def checked(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``check_password`` ended."""
        return self._material.verified(HOLDER, result is True, argument(args, kwargs, 0, "password"))


def instrument(kit: Kit) -> Instrument:
    """The instrument of Django."""
    hooks, calls = DjangoHooks(kit), Calls(kit.shared(Depth))
    unsigned = kit.hook("django.unsign", hooks.unsigned)
    calls.outermost("django.core.signing", "Signer.unsign", unsigned)
    calls.outermost("django.core.signing", "TimestampSigner.unsign", unsigned)
    calls.outermost("django.contrib.auth.hashers", "check_password", kit.hook("django.check", hooks.checked))
    return calls.instrument(HOLDER, "django", ">=4.2,<7", "passwords checked by acheck_password")
