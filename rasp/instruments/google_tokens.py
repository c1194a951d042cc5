"""google-auth: JWTs that are verified, or only decoded; ``google.oauth2.id_token`` and Firebase go through it.

Not told: assertions that it makes for Google's own servers; its certificates, which are public.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.key_material import argument
from rasp.instruments.kit import Kit
from rasp.instruments.pyjwt import Depth
from rasp.instruments.token_calls import TokenCalls
from rasp.instruments.verifying import FAILED, Calls
from rasp.model import Verdict
from rasp.patching.installer import Instrument

HOLDER = "google-auth"


def instrument(kit: Kit) -> Instrument:
    """The instrument of ``google.auth.jwt``."""
    events, calls = TokenCalls(kit, HOLDER), Calls(kit.shared(Depth))

    def decoded(args: Any, kwargs: Any, result: Any) -> Verdict | None:
        token, verify = argument(args, kwargs, 0, "token"), argument(args, kwargs, 2, "verify")
        checks = verify is None or bool(verify)
        return events.decoded(token, None, result, success=result is not FAILED, checks=checks)

    calls.outermost("google.auth.jwt", "decode", kit.hook("google.decode", decoded), optional=False)
    return calls.instrument(HOLDER, "google-auth", ">=2,<3", "assertions that it makes for Google's own servers")
