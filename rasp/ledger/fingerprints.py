"""The only name of a credential outside the process's memory: a keyed BLAKE2b of its value (RFC 7693)."""

from __future__ import annotations

import os
from _blake2 import blake2b  # not from hashlib, which loads OpenSSL
from collections.abc import Callable

Fingerprint = Callable[[str], str]


def fingerprinter(key: bytes | None, digits: int = 16) -> Fingerprint:
    """A function from a value to its fingerprint.

    Args:
        key: the secret key of any length; ``None`` takes 32 random bytes, so that fingerprints hold for this run only.
        digits: hex digits, an even number from 2 to 128.

    Raises:
        ValueError: ``digits`` is out of range or odd.
    """
    if digits % 2 or not 2 <= digits <= 128:
        raise ValueError(f"digits = {digits} is not allowed; allowed: an even number from 2 to 128")
    secret = os.urandom(32) if key is None else key
    if len(secret) > 64:
        secret = blake2b(secret, digest_size=64).digest()
    blake = blake2b(key=secret, digest_size=digits // 2)

    def fingerprint(value: str) -> str:
        state = blake.copy()
        state.update(value.encode("utf-8", "surrogateescape"))
        return state.hexdigest()

    return fingerprint
