"""What every route needs: who is calling, and with which credential."""

import hashlib
from typing import Any

import jwt
from flask import abort, request
from made_up import API_KEYS, SIGNING_KEY


def api_key() -> str:
    """The API key of the request; answers 401 if it opens no account."""
    key = request.headers.get("X-API-Key", "")
    if key not in API_KEYS:
        abort(401)
    return key


def bearer_token() -> str:
    """The bearer token of the request, not verified; answers 401 if there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not token:
        abort(401)
    return token


def verified(token: str) -> dict[str, Any]:
    """The claims of a token, with signature, algorithm and expiry checked.

    Raises:
        jwt.InvalidTokenError: the token is forged, altered or expired.
    """
    claims: dict[str, Any] = jwt.decode(token, SIGNING_KEY, algorithms=["HS256"])
    return claims


def digest(secret: str) -> str:
    """What stands for a credential where the credential itself must not: in cache keys and in logs."""
    return hashlib.sha256(secret.encode()).hexdigest()
