"""urllib3: each request that a connection sends, be it the first, a retry or a redirect; and what OAuth answers issue.

Its connections speak through ``http.client`` but send bodies past it. Not seen: its experimental HTTP/2 connections,
and bodies from files and iterators.
"""

from __future__ import annotations

import sys
from typing import Any

from rasp.instruments.answers import Answers
from rasp.instruments.http_client import connections_request
from rasp.instruments.kit import Kit
from rasp.instruments.sends import Sends
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint

HOLDER = "urllib3"


class PoolHooks:
    """What urllib3 sent and received."""

    def __init__(self, kit: Kit) -> None:
        self._sends = kit.shared(Sends)
        self._answers = kit.shared(Answers)

    def request(self, connection: Any, args: Any, kwargs: Any) -> Verdict | None:
        """``request(method, url, body, headers)``."""
        given = {**dict(zip(("method", "url", "body", "headers"), args, strict=False)), **kwargs}
        headers = given.get("headers")
        pairs = headers.items() if headers is not None and hasattr(headers, "items") else ()
        out = connections_request(connection, given.get("method"), given.get("url"), pairs, given.get("body"))
        return self._sends.outermost(HOLDER, out)

    def answered(self, response: Any, body: object) -> None:
        """An answer was read whole."""
        self._answers.received(HOLDER, response.headers.get("Content-Type"), body)


def instrument(kit: Kit) -> Instrument:
    """The instrument of urllib3."""
    hooks, sends = PoolHooks(kit), kit.shared(Sends)
    request = sends.covering(kit.hook("urllib3.request", hooks.request))

    def chunked(original: Any) -> Any:
        # From 2.0 on it only warns, of its caller's line, and calls `request`.
        version = str(getattr(sys.modules.get("urllib3"), "__version__", ""))
        return request(original) if version.startswith("1.") else original

    reading = kit.shared(Answers).reading(kit.hook("urllib3.answer", hooks.answered))
    return Instrument(
        name="urllib3",
        library="urllib3",
        supported=">=1.26",
        # All optional: a version that lacks one inherits it from http.client.
        points=(
            PatchPoint("urllib3.connection", "HTTPConnection.request", request, optional=True),
            PatchPoint("urllib3.connection", "HTTPConnection.request_chunked", chunked, optional=True),
            PatchPoint("urllib3.response", "HTTPResponse.read", reading, optional=True),
        ),
        unreachable=("urllib3's own HTTP/2 connections: an experiment that it keeps to itself",),
    )
