"""Flask's own session: its cookie is presented before it is opened, so that the signer that opens it verifies it.

Other session interfaces open theirs by themselves; their cookie is presented when the request is routed.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.kit import Kit
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like


def instrument(kit: Kit) -> Instrument:
    """The instrument of Flask's signed session cookie."""

    def opening(interface: Any, app: Any, request: Any) -> None:
        scope = kit.ledger.scopes.here()
        if scope is not None and app.secret_key:
            kit.extractor.session_cookie(scope, request.environ, interface.get_cookie_name(app))

    hook = kit.hook("flask.session", opening)

    def make(original: Any) -> Any:
        def open_session(self: Any, app: Any, request: Any) -> Any:
            if "HTTP_COOKIE" in request.environ:
                hook(self, app, request)
            return original(self, app, request)

        return named_like(original, open_session)

    return Instrument(
        name="flask.sessions",
        library="flask",
        supported=">=2.2,<4",
        points=(PatchPoint("flask.sessions", "SecureCookieSessionInterface.open_session", make),),
    )
