"""Credentials that never were any, made anew from a seed so that no file holds one whole."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json


def text(seed: str, length: int = 28) -> str:
    """Letters and digits that only depend on the seed."""
    digest = hashlib.sha512(seed.encode()).digest()
    return base64.b64encode(digest).decode().replace("+", "a").replace("/", "b")[:length]


def api_key(seed: str = "caller") -> str:
    """An API key with a prefix, as vendors make them."""
    return "rk_" + text(seed)


SIGNING_KEY = text("signing", 40)


def jwt(subject: str = "caller", key: str = SIGNING_KEY) -> str:
    """A JWT signed with HS256, without any library."""
    claims = {"sub": subject, "jti": text("jti" + subject, 32), "exp": 4102444800}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "HS256"}, claims)]
    signed = b".".join(parts)
    signature = hmac.digest(key.encode(), signed, "sha256")
    return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()
