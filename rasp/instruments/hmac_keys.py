"""hmac, secrets, and the slow hashes of hashlib: keys and messages, and comparisons in constant time.

``_hashlib.hmac_new`` and ``hmac_digest`` are replaced: ``hmac.new``, ``hmac.HMAC`` and ``hmac.digest`` go through them.
``hashlib.sha256`` and its like never are: ``hmac`` recognises them by their type. Not seen: messages given to
``update()``, whose type is immutable; a digest without a key, whose credential is told by the digest itself.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.key_material import KeyMaterial, Points, Seen, argument
from rasp.instruments.kit import Kit
from rasp.model import Verdict
from rasp.patching.installer import Instrument

HOLDER = "hmac"


class HmacHooks:
    """What OpenSSL's HMAC was given, and what was compared."""

    def __init__(self, material: KeyMaterial) -> None:
        self._material = material

    def made(self, args: Any, kwargs: Any, result: Any) -> None:
        """An HMAC was begun or made: of a key, and mostly a message."""
        message = argument(args, kwargs, 1, "msg")
        self._material.used(HOLDER, argument(args, kwargs, 0, "key"), message)
        if message:
            self._material.keyed(result, message)

    def stretched(self, at: int) -> Seen:
        """A slow hash was made of a password: from now on it stands for it. ``at``: the password's place."""

        def seen(args: Any, kwargs: Any, result: Any) -> None:
            password = argument(args, kwargs, at, "password")
            self._material.used(HOLDER, password)
            self._material.keyed(result, password)

        return seen

    def compared(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """Two texts were compared."""
        return self._material.compared(HOLDER, args[0], args[1], bool(result)) if len(args) == 2 else None


def instruments(kit: Kit) -> list[Instrument]:
    """The instrument of hmac."""
    material = kit.shared(KeyMaterial)
    hooks, points = HmacHooks(material), Points(material.quiet)
    made = kit.hook("hmac.new", hooks.made)
    points.after("_hashlib", "hmac_new", made)
    points.after("_hashlib", "hmac_digest", made)
    points.after("_hashlib", "pbkdf2_hmac", kit.hook("hashlib.pbkdf2", hooks.stretched(1)))
    points.after("_hashlib", "scrypt", kit.hook("hashlib.scrypt", hooks.stretched(0)))
    points.after("hmac", "compare_digest", kit.hook("hmac.compare_digest", hooks.compared))
    return [
        Instrument(
            name="hmac",
            library="python",
            supported=">=3.11",
            points=tuple(points.all),
            unreachable=("messages given to the update() of an HMAC: its type is immutable",),
            on_install=points.installed,
            on_uninstall=points.removed,
        )
    ]
