"""cryptography: Fernet, Hash, HMAC, AESGCM and its like, and private keys that are loaded.

A Fernet token that decrypts is verified; its key, a private key and its password are the app's own secrets. Not seen:
the key given to the constructor of a type made in Rust (HMAC, AESGCM), whose ``__new__`` cannot be put back exactly.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.key_material import KeyMaterial, Points, argument
from rasp.instruments.kit import Kit, as_text
from rasp.instruments.private_keys import secret_lines
from rasp.model import Verdict
from rasp.patching.installer import Instrument

HOLDER = "cryptography"
_CIPHERS = ("AESGCM", "AESGCMSIV", "AESCCM", "AESOCB3", "AESSIV", "ChaCha20Poly1305")
_SERIALIZATION = "cryptography.hazmat.primitives.serialization"


class CryptographyHooks:
    """What cryptography was given."""

    def __init__(self, material: KeyMaterial) -> None:
        self._material = material
        self._seen: set[int] = set()

    def fernet(self, args: Any, kwargs: Any, result: Any) -> None:
        """A Fernet was made, of its key."""
        self._material.owned("key:fernet", argument(args, kwargs, 1, "key"))

    def encrypted(self, args: Any, kwargs: Any, result: Any) -> None:
        """A Fernet encrypted something."""
        self._material.used(f"{HOLDER}.fernet", argument(args, kwargs, 1, "data"))

    def decrypted(self, args: Any, kwargs: Any, success: bool) -> Verdict | None:
        """A Fernet was given a token, which it verifies before it decrypts it."""
        return self._material.verified(f"{HOLDER}.fernet", success, argument(args, kwargs, 1, "token"))

    def given(self, args: Any, kwargs: Any, result: Any) -> None:
        """A hash or cipher was given data."""
        self._material.used(HOLDER, *args[1:], *kwargs.values())

    def checked(self, args: Any, kwargs: Any, success: bool) -> Verdict | None:
        """An HMAC was given a signature to verify."""
        signature = argument(args, kwargs, 1, "signature")
        return self._material.compared(f"{HOLDER}.hmac", signature, b"", success)

    def loaded(self, args: Any, kwargs: Any, result: Any) -> None:
        """A private key was loaded."""
        password = argument(args, kwargs, 1, "password")
        if password:
            self._material.owned("password:cryptography", password)
        pem = as_text(argument(args, kwargs, 0, "data"))
        if pem is None or hash(pem) in self._seen or len(self._seen) >= 1000:
            return
        self._seen.add(hash(pem))
        for line in secret_lines(pem):
            self._material.owned("key:cryptography", line)


def instruments(kit: Kit) -> list[Instrument]:
    """The instrument of cryptography."""
    material = kit.shared(KeyMaterial)
    hooks, points = CryptographyHooks(material), Points(material.quiet)
    fernet, primitives = "cryptography.fernet", "cryptography.hazmat.primitives"
    points.after(fernet, "Fernet.__init__", kit.hook("fernet.init", hooks.fernet))
    points.after(fernet, "Fernet.encrypt", kit.hook("fernet.encrypt", hooks.encrypted))
    decrypted = kit.hook("fernet.decrypt", hooks.decrypted)
    points.verifying(fernet, "Fernet.decrypt", decrypted)
    points.verifying(fernet, "Fernet.decrypt_at_time", decrypted)
    given = kit.hook("cryptography.given", hooks.given)
    points.after(f"{primitives}.hashes", "Hash.update", given)
    points.after(f"{primitives}.hmac", "HMAC.update", given)
    points.verifying(f"{primitives}.hmac", "HMAC.verify", kit.hook("cryptography.verify", hooks.checked))
    for cipher in _CIPHERS:
        points.after(f"{primitives}.ciphers.aead", f"{cipher}.encrypt", given)
        points.after(f"{primitives}.ciphers.aead", f"{cipher}.decrypt", given)
    loaded = kit.hook("cryptography.load", hooks.loaded)
    for name in ("load_pem_private_key", "load_ssh_private_key"):
        points.after(_SERIALIZATION, name, loaded)
    return [
        Instrument(
            name="cryptography",
            library="cryptography",
            supported=">=41,<60",
            points=tuple(points.all),
            unreachable=("keys given to the constructors of types made in Rust, such as HMAC and AESGCM",),
            on_install=points.installed,
            on_uninstall=points.removed,
        )
    ]
