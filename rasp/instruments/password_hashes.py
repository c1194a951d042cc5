"""bcrypt, argon2 and Werkzeug's password hashes: a credential that is checked against its hash is verified.

Not seen: ``argon2.low_level`` and Werkzeug's and bcrypt's functions kept in a tuple, partial or closure before rasp was
installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rasp.instruments.key_material import KeyMaterial, Points, Seen, argument
from rasp.instruments.kit import Kit
from rasp.instruments.verifying import FAILED, Calls
from rasp.patching.installer import Instrument


def _hashed(material: KeyMaterial, holder: str, at: int, name: str) -> Seen:
    def seen(args: Any, kwargs: Any, result: Any) -> None:
        if result is not FAILED:
            material.used(holder, argument(args, kwargs, at, name))

    return seen


def _checked(material: KeyMaterial, holder: str, at: int, name: str) -> Callable[[Any, Any, Any], Any]:
    def seen(args: Any, kwargs: Any, result: Any) -> Any:
        success = result is not FAILED and bool(result)
        return material.verified(holder, success, argument(args, kwargs, at, name))

    return seen


def instruments(kit: Kit) -> list[Instrument]:
    """The instruments of bcrypt, argon2 and Werkzeug's password hashes."""
    material = kit.shared(KeyMaterial)
    bcrypt, argon2, werkzeug = Points(material.quiet), Points(material.quiet), Calls(material.quiet)
    bcrypt.after("bcrypt", "hashpw", kit.hook("bcrypt.hash", _hashed(material, "bcrypt", 0, "password")))
    bcrypt.after("bcrypt", "checkpw", kit.hook("bcrypt.check", _checked(material, "bcrypt", 0, "password")))
    argon2.after("argon2", "PasswordHasher.hash", kit.hook("argon2.hash", _hashed(material, "argon2", 1, "password")))
    check = kit.hook("argon2.check", _checked(material, "argon2", 2, "password"))
    argon2.verifying("argon2", "PasswordHasher.verify", check)
    hash_hook = kit.hook("werkzeug.hash", _hashed(material, "werkzeug", 0, "password"))
    werkzeug.outermost("werkzeug.security", "generate_password_hash", hash_hook)
    check = kit.hook("werkzeug.check", _checked(material, "werkzeug", 1, "password"))
    werkzeug.outermost("werkzeug.security", "check_password_hash", check)
    return [
        _instrument("bcrypt", "bcrypt", ">=3.2,<6", bcrypt),
        _instrument("argon2", "argon2-cffi", ">=21,<26", argon2),
        _instrument("werkzeug_passwords", "werkzeug", ">=2.2,<4", werkzeug),
    ]


def _instrument(name: str, library: str, supported: str, points: Points) -> Instrument:
    return Instrument(
        name=name,
        library=library,
        supported=supported,
        points=tuple(points.all),
        unreachable=("functions kept in a tuple, partial or closure before rasp was installed",),
        on_install=points.installed,
        on_uninstall=points.removed,
    )
