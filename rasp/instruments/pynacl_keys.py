"""PyNaCl: secret boxes, signatures and password hashes.

The keys of boxes and the seeds of signing keys are the app's own secrets. Not seen: ``nacl.bindings`` but for
``sodium_memcmp``.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.key_material import KeyMaterial, Points, argument
from rasp.instruments.kit import Kit
from rasp.model import Verdict
from rasp.patching.installer import Instrument

HOLDER = "pynacl"


class NaclHooks:
    """What PyNaCl was given."""

    def __init__(self, material: KeyMaterial) -> None:
        self._material = material

    def keyed(self, args: Any, kwargs: Any, result: Any) -> None:
        """A box or signing key was made."""
        self._material.owned("key:pynacl", argument(args, kwargs, 1, "key") or kwargs.get("seed"))

    def given(self, args: Any, kwargs: Any, result: Any) -> None:
        """A box was given data, or a password was hashed."""
        self._material.used(HOLDER, *args, *kwargs.values())

    def signed(self, args: Any, kwargs: Any, success: bool) -> Verdict | None:
        """A signature was to be verified."""
        message, signature = argument(args, kwargs, 1, "smessage"), argument(args, kwargs, 2, "signature")
        return self._material.compared(HOLDER, signature or message, b"", success)

    def checked(self, args: Any, kwargs: Any, success: bool) -> Verdict | None:
        """A password was to be verified against its hash."""
        return self._material.verified(HOLDER, success, argument(args, kwargs, 1, "password"))

    def compared(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """Two texts were compared."""
        return self._material.compared(HOLDER, args[0], args[1], bool(result)) if len(args) == 2 else None


def instruments(kit: Kit) -> list[Instrument]:
    """The instrument of PyNaCl."""
    material = kit.shared(KeyMaterial)
    hooks, points = NaclHooks(material), Points(material.quiet)
    keyed = kit.hook("pynacl.key", hooks.keyed)
    given = kit.hook("pynacl.given", hooks.given)
    points.after("nacl.secret", "SecretBox.__init__", keyed)
    points.after("nacl.secret", "SecretBox.encrypt", given)
    points.after("nacl.secret", "SecretBox.decrypt", given)
    points.after("nacl.signing", "SigningKey.__init__", keyed)
    points.verifying("nacl.signing", "VerifyKey.verify", kit.hook("pynacl.verify", hooks.signed))
    points.verifying("nacl.pwhash", "verify", kit.hook("pynacl.check", hooks.checked))
    points.after("nacl.pwhash", "str", given)
    points.after("nacl.bindings", "sodium_memcmp", kit.hook("pynacl.compare", hooks.compared))
    return [
        Instrument(
            name="pynacl",
            library="pynacl",
            supported=">=1.4,<2",
            points=tuple(points.all),
            unreachable=("functions of nacl.bindings but for sodium_memcmp",),
            on_install=points.installed,
            on_uninstall=points.removed,
        )
    ]
