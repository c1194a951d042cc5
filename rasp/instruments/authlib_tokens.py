"""Authlib: JWTs of ``authlib.jose``, bearer tokens that its resource protector accepts, and tokens its client receives.

What newer versions do with joserfc is told by that instrument. Not seen: the JSON serialisations, keys that a callback
returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rasp.instruments.key_material import argument
from rasp.instruments.kit import Kit
from rasp.instruments.pyjwt import Depth
from rasp.instruments.token_calls import TokenCalls
from rasp.instruments.verifying import FAILED, Acceptance, Calls
from rasp.model import Verdict
from rasp.patching.installer import Instrument

HOLDER = "authlib"


class AuthlibHooks:
    """What Authlib was given, and what came out."""

    def __init__(self, kit: Kit) -> None:
        self._calls = TokenCalls(kit, HOLDER)
        self._acceptance = Acceptance(kit)

    def decoded(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """A token was decoded: claims, or a payload with its header."""
        token, key = argument(args, kwargs, 1, "s"), argument(args, kwargs, 2, "key")
        return self._calls.decoded(token, key, result, success=result is not FAILED, checks=True)

    def made(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """A token was made."""
        return None if result is FAILED else self._calls.made(result, argument(args, kwargs, 3, "key"))

    def protected(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """A resource protector let a request pass: the bearer token in it is valid."""
        headers = getattr(argument(args, kwargs, 2, "request"), "headers", None)
        header = headers.get("Authorization") if headers is not None else None
        return self._acceptance.told(HOLDER, success=True, value=header)

    def received(self, args: Any, kwargs: Any, result: Any) -> None:
        """The OAuth client has parsed the answer of a token endpoint."""
        if isinstance(result, Mapping):
            self._calls.received(result)


def instruments(kit: Kit) -> list[Instrument]:
    """The instruments of Authlib's JOSE and of its OAuth 2."""
    hooks, jose, oauth = AuthlibHooks(kit), Calls(kit.shared(Depth)), Calls(kit.shared(Depth))
    decoded, made = kit.hook("authlib.decode", hooks.decoded), kit.hook("authlib.encode", hooks.made)
    jose.outermost("authlib.jose.rfc7515.jws", "JsonWebSignature.deserialize_compact", decoded)
    jose.outermost("authlib.jose.rfc7515.jws", "JsonWebSignature.serialize_compact", made)
    jose.outermost("authlib.jose.rfc7516.jwe", "JsonWebEncryption.deserialize_compact", decoded)
    jose.outermost("authlib.jose.rfc7516.jwe", "JsonWebEncryption.serialize_compact", made)
    jose.outermost("authlib.jose.rfc7519.jwt", "JsonWebToken.decode", decoded)
    jose.outermost("authlib.jose.rfc7519.jwt", "JsonWebToken.encode", made)
    protector = "authlib.oauth2.rfc6749.resource_protector"
    oauth.watched(protector, "ResourceProtector.validate_request", kit.hook("authlib.protect", hooks.protected))
    oauth.watched(
        "authlib.oauth2.client", "OAuth2Client.parse_response_token", kit.hook("authlib.oauth", hooks.received)
    )
    return [
        jose.instrument(
            "authlib.jose", "authlib", ">=1,<2", "the JSON serialisations, and keys that a callback returns"
        ),
        oauth.instrument("authlib.oauth2", "authlib", ">=1,<2"),
    ]
