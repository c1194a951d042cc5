"""The secret lines of a PEM private key: its body, less what its public key contains (RFC 7468)."""

from __future__ import annotations

import base64
import binascii
import itertools
import sys

WINDOW = 16
"""Bytes: what shares that many in a row with the public key is public."""
SHORTEST = 16
"""Characters of a line that are left to be followed."""


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
    return [part for line in body for part in _secret_parts(line, public)]


def _public_der(pem: str) -> bytes | None:
    module = sys.modules.get("cryptography.hazmat.primitives.serialization")
    if module is None:
        return None
    try:
        public = module.load_pem_private_key(pem.encode(), None).public_key()
        return bytes(public.public_bytes(module.Encoding.DER, module.PublicFormat.SubjectPublicKeyInfo))
    except (ValueError, TypeError, AttributeError):
        return None


def _secret_parts(line: str, public: bytes) -> list[str]:
    """A line less what is public in it: the scalar of a short elliptic key shares its lines with the public point."""
    try:
        raw = base64.b64decode(line + "=" * (-len(line) % 4))
    except (binascii.Error, ValueError):
        return []
    if len(raw) < WINDOW:
        return [] if raw in public else [line]
    covered: set[int] = set()
    for at in range(len(raw) - WINDOW + 1):
        if raw[at : at + WINDOW] in public:
            covered.update(range(at, at + WINDOW))
    if not covered:
        return [line]
    edges = [-1, *sorted(covered), len(raw)]
    stretches = ((before + 1, after) for before, after in itertools.pairwise(edges) if after - before > 1)
    parts = (line[-(-start * 8 // 6) : end * 8 // 6] for start, end in stretches)
    return [part for part in parts if len(part) >= SHORTEST]
