"""Flask-HTTPAuth and Flask-Login: what the app's own callbacks accept is verified, unless they trusted it unchecked.

Flask-JWT-Extended needs no instrument: it goes through PyJWT; nor does HTTP Digest, which compares in constant time.
Not seen: what a ``request_loader`` looked at, where a request presents several credentials.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.key_material import KeyMaterial, argument
from rasp.instruments.kit import Kit
from rasp.instruments.pyjwt import Depth
from rasp.instruments.verifying import FAILED, Acceptance, Calls
from rasp.model import Verdict
from rasp.patching.installer import Instrument


class HttpAuthHooks:
    """What Flask-HTTPAuth asked the app."""

    def __init__(self, kit: Kit) -> None:
        self._acceptance = Acceptance(kit)

    def password(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """A user name and password; some APIs take the key as user name."""
        auth = argument(args, kwargs, 1, "auth")
        secret = getattr(auth, "password", None) or getattr(auth, "username", None)
        return self._acceptance.told("flask_httpauth", bool(result), secret)

    def token(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """A token, in whatever header."""
        auth = argument(args, kwargs, 1, "auth")
        return self._acceptance.told("flask_httpauth", bool(result), getattr(auth, "token", None))


class LoginHooks:
    """What Flask-Login decoded itself, and what it asked the app."""

    def __init__(self, kit: Kit) -> None:
        self._material = kit.shared(KeyMaterial)
        self._acceptance = Acceptance(kit)

    def remembered(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """``decode_cookie`` ended."""
        success = result is not FAILED and result is not None
        return self._material.verified("flask_login", success, argument(args, kwargs, 0, "cookie"))

    def loaded(self, args: Any, kwargs: Any, result: Any) -> Verdict | None:
        """The app's ``request_loader`` was given the request."""
        return self._acceptance.told_alone("flask_login", success=True) if result is not None else None


def instruments(kit: Kit) -> list[Instrument]:
    """The instruments of Flask-HTTPAuth and Flask-Login."""
    depth = kit.shared(Depth)
    auth, httpauth = HttpAuthHooks(kit), Calls(depth)
    httpauth.watched("flask_httpauth", "HTTPBasicAuth.authenticate", kit.hook("httpauth.basic", auth.password))
    httpauth.watched("flask_httpauth", "HTTPTokenAuth.authenticate", kit.hook("httpauth.token", auth.token))
    users, login = LoginHooks(kit), Calls(depth)
    login.outermost("flask_login.utils", "decode_cookie", kit.hook("flask_login.cookie", users.remembered))
    loaded = kit.hook("flask_login.request", users.loaded)
    login.watched("flask_login.login_manager", "LoginManager._load_user_from_request", loaded)
    login.watched("flask_login.login_manager", "LoginManager._load_user_from_header", loaded)
    several = "which credential a request_loader looked at, where a request presents several"
    return [
        httpauth.instrument("flask_httpauth", "flask-httpauth", ">=4.8,<5"),
        login.instrument("flask_login", "flask-login", ">=0.6,<0.8", several),
    ]
