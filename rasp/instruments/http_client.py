"""http.client, and with it urllib.request and all that is built on them: what is sent, and what OAuth answers issue.

Two points: ``request``, and ``endheaders`` for those who put a request together by hand (xmlrpc.client), whose body is
seen where ``endheaders`` is given it. The ``CONNECT`` of a tunnel is not a request of its own. Answers are read where
the app reads one whole; compressed ones, which http.client does not unpack, are not.
"""

from __future__ import annotations

from typing import Any

from rasp.errors import RaspViolation
from rasp.instruments.answers import Answers
from rasp.instruments.kit import Kit
from rasp.instruments.sends import Outgoing, Sends
from rasp.ledger.hosts import target, target_of
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import Make, PatchPoint, named_like

HOLDER = "http.client"


def connections_request(connection: Any, method: object, url: object, headers: Any, body: object) -> Outgoing | None:
    """What a connection is told to send. In a tunnel it goes to the tunnel's end; to a proxy, the URL is whole."""
    text = url.decode("ascii", "replace") if isinstance(url, bytes) else str(url)
    if "://" in text[:16]:
        found = target_of(text)
        return None if found is None else Outgoing(method, found, text, headers, body)
    tunnel = getattr(connection, "_tunnel_host", None)
    host, port = (tunnel, connection._tunnel_port) if tunnel else (connection.host, connection.port)
    scheme = "https" if getattr(connection, "default_port", 80) == 443 else "http"
    return Outgoing(method, target(scheme, str(host), port), text, headers, body)


class ClientHooks:
    """What http.client was asked, and what it answered."""

    def __init__(self, kit: Kit) -> None:
        self._sends = kit.shared(Sends)
        self._answers = kit.shared(Answers)

    def request(self, connection: Any, args: Any, kwargs: Any) -> Verdict | None:
        """``request(method, url, body, headers)``."""
        given = {**dict(zip(("method", "url", "body", "headers"), args, strict=False)), **kwargs}
        headers = given.get("headers") or {}
        pairs = headers.items() if hasattr(headers, "items") else ()
        out = connections_request(connection, given.get("method"), given.get("url"), pairs, given.get("body"))
        return self._sends.outermost(HOLDER, out)

    def headed(self, connection: Any, args: Any, kwargs: Any) -> Verdict | None:
        """``endheaders(body)``: the request line and the headers wait in the connection's buffer."""
        lines = [line for line in connection._buffer if isinstance(line, bytes)]
        method, _, rest = lines[0].partition(b" ") if lines else (b"", b"", b"")
        url = rest.rpartition(b" ")[0]
        headers = [(name, value) for name, _, value in (line.partition(b":") for line in lines[1:])]
        body = args[0] if args else kwargs.get("message_body")
        return self._sends.outermost(HOLDER, connections_request(connection, method, url, headers, body))

    def answered(self, response: Any, body: object) -> None:
        """The app has read an answer whole."""
        headers = getattr(response, "headers", None)  # none before its first line is read
        if headers is not None:
            self._answers.received(HOLDER, headers.get("Content-Type"), body)


def forgetting(make: Make) -> Make:
    """A wrapper of ``endheaders`` after whose refusal nothing of the request waits for the next one."""

    def remade(original: Any) -> Any:
        send = make(original)

        def endheaders(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return send(self, *args, **kwargs)
            except RaspViolation:
                self._buffer.clear()
                raise

        return named_like(original, endheaders)

    return remade


def instrument(kit: Kit) -> Instrument:
    """The instrument of ``http.client``."""
    hooks, sends = ClientHooks(kit), kit.shared(Sends)
    reading = kit.shared(Answers).reading(kit.hook("http.client.answer", hooks.answered))
    return Instrument(
        name="http.client",
        library="python",
        supported=">=3.11",
        points=(
            PatchPoint(
                "http.client",
                "HTTPConnection.request",
                sends.covering(kit.hook("http.client.request", hooks.request)),
            ),
            PatchPoint(
                "http.client",
                "HTTPConnection.endheaders",
                forgetting(sends.covering(kit.hook("http.client.endheaders", hooks.headed))),
            ),
            PatchPoint("http.client", "HTTPResponse.read", reading),
        ),
        unreachable=(
            "bodies sent piece by piece after endheaders()",
            "clients that speak HTTP by themselves, such as pycurl, grpc and websockets",
        ),
    )
