"""The secret lines of a PEM private key: its body, less what its public key contains (RFC 7468)."""

from __future__ import annotations

import base64
import binascii
import sys

WINDOW = 16
"""Bytes: a line that shares that many in a row with the public key is public."""


def secret_lines(pem: str) -> list[str]:
    """The lines of a private key that prove its possession; none of a public key or certificate.

    Needs ``cryptography`` to know the public part; where the app has not imported it, only lines from the second half
    of the body are taken, which for all usual formats lie behind the public part.
    """
    if "PRIVATE KEY-----" not in pem:
        return []
    lines = [line.strip() for line in pem.splitlines()]
    body = [line for line in lines if line and not line.startswith("-----") and ":" not in line]
    public = _public_der(pem)
    if public is None:
        return body[len(body) // 2 :]
    return [line for line in body if not _is_public(line, public)]


def _public_der(pem: str) -> bytes | None:
    module = sys.modules.get("cryptography.hazmat.primitives.serialization")
    if module is None:
        return None
    try:
        public = module.load_pem_private_key(pem.encode(), None).public_key()
        return bytes(public.public_bytes(module.Encoding.DER, module.PublicFormat.SubjectPublicKeyInfo))
    except (ValueError, TypeError, AttributeError):
        return None


def _is_public(line: str, public: bytes) -> bool:
    try:
        raw = base64.b64decode(line + "=" * (-len(line) % 4))
    except (binascii.Error, ValueError):
        return True
    return any(raw[at : at + WINDOW] in public for at in range(max(len(raw) - WINDOW + 1, 1)))
