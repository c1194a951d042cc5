"""aiohttp's client: each request that a session sends, redirects included; and what OAuth answers issue.

Seen right before it is written to its connection. What stands before the ``@`` of a URL is by then an ``Authorization``
header and no part of the URL. Not looked at: the ``CONNECT`` of a tunnel, Unix sockets; multipart, streams and files.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.answers import Answers
from rasp.instruments.kit import Kit, obey
from rasp.instruments.sends import Outgoing, Sends
from rasp.ledger.hosts import target_of
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like

HOLDER = "aiohttp"
_LOCAL = frozenset({"UnixConnector", "NamedPipeConnector"})


class RequestHooks:
    """What aiohttp sent and received."""

    def __init__(self, kit: Kit) -> None:
        self._sends = kit.shared(Sends)
        self._answers = kit.shared(Answers)

    def send(self, request: Any, connection: Any) -> Verdict | None:
        """A request is about to be written to a connection."""
        url = str(request.url)
        target = target_of(url)
        connector = getattr(connection, "_connector", None)
        if target is None or request.method == "CONNECT":
            return None
        if any(cls.__name__ in _LOCAL for cls in type(connector).__mro__):
            return None
        body = getattr(request, "body", None)
        body = getattr(body, "_value", body)
        return self._sends.sent(HOLDER, Outgoing(request.method, target, url, request.headers.items(), body))

    def answered(self, answer: Any, body: object) -> None:
        """The app has read an answer whole."""
        self._answers.received(HOLDER, answer.headers.get("Content-Type"), body)


def instrument(kit: Kit) -> Instrument:
    """The instrument of aiohttp's client."""
    hooks = RequestHooks(kit)
    look, answered = kit.hook("aiohttp.send", hooks.send), kit.hook("aiohttp.answer", hooks.answered)

    def sending(original: Any) -> Any:
        async def send(self: Any, conn: Any, *args: Any, **kwargs: Any) -> Any:
            obey(look(self, conn))
            return await original(self, conn, *args, **kwargs)

        return named_like(original, send)

    def reading(original: Any) -> Any:
        async def read(self: Any, *args: Any, **kwargs: Any) -> Any:
            body = await original(self, *args, **kwargs)
            answered(self, body)
            return body

        return named_like(original, read)

    return Instrument(
        name="aiohttp",
        library="aiohttp",
        supported=">=3.8,<4",
        points=(
            PatchPoint("aiohttp.client_reqrep", "ClientRequest.send", sending),
            PatchPoint("aiohttp.client_reqrep", "ClientResponse.read", reading),
        ),
    )
