"""passlib: a credential that is checked against its hash, by a context or by one of its handlers, is verified.

Not seen: handlers of one's own that inherit nothing from passlib, and those for plain text, which are no hashes.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.key_material import KeyMaterial, argument
from rasp.instruments.kit import Kit
from rasp.instruments.pyjwt import Depth
from rasp.instruments.verifying import FAILED, Calls
from rasp.model import Verdict
from rasp.patching.installer import Instrument

HOLDER = "passlib"
_HANDLERS = (
    ("passlib.utils.handlers", "GenericHandler"), ("passlib.utils.handlers", "PrefixWrapper"),
    ("passlib.handlers.argon2", "_CffiBackend"), ("passlib.handlers.mssql", "mssql2000"),
    ("passlib.handlers.scram", "scram"),
)  # fmt: skip
"""Whose ``verify`` calls no other one's."""


class PasslibHooks:
    """What passlib was given."""

    def __init__(self, kit: Kit) -> None:
        self._material = kit.shared(KeyMaterial)

    def checked(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``verify``, or ``verify_and_update`` with its pair of answers."""
        success = result[0] if isinstance(result, tuple) else result
        return self._material.verified(HOLDER, success is True, argument(args, kwargs, 1, "secret"))

    def hashed(self, args: Any, kwargs: Any, result: Any) -> None:
        """``hash``."""
        if result is not FAILED:
            self._material.used(HOLDER, argument(args, kwargs, 1, "secret"))


def instrument(kit: Kit) -> Instrument:
    """The instrument of passlib."""
    hooks, calls = PasslibHooks(kit), Calls(kit.shared(Depth))
    checked, hashed = kit.hook("passlib.verify", hooks.checked), kit.hook("passlib.hash", hooks.hashed)
    calls.outermost("passlib.context", "CryptContext.verify", checked)
    calls.outermost("passlib.context", "CryptContext.verify_and_update", checked)
    calls.outermost("passlib.context", "CryptContext.hash", hashed)
    for module, name in _HANDLERS:
        calls.outermost(module, f"{name}.verify", checked)
        calls.outermost(module, f"{name}.hash", hashed)
    return calls.instrument(HOLDER, "passlib", ">=1.7,<2", "handlers of one's own that inherit nothing from passlib")
