"""httpx, and httpx2 which is its successor (the clients of OpenAI and Anthropic use either): what their clients send.

One point a client, right before its transport: what authentication, redirects and the retries of others add is there.
Calls of an app in this very process (the WSGI and ASGI transports) leave nothing and are not looked at; nor is what
goes through a Unix socket. Multipart streams, iterators and files are not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rasp.instruments.answers import Answers
from rasp.instruments.kit import Kit, obey
from rasp.instruments.sends import Outgoing, Sends
from rasp.ledger.hosts import target_of
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like

_IN_PROCESS = frozenset({"WSGITransport", "ASGITransport", "_TestClientTransport"})


class ClientHooks:
    """What one of the two libraries sent and received."""

    def __init__(self, kit: Kit, name: str) -> None:
        self._name = name
        self._sends = kit.shared(Sends)
        self._answers = kit.shared(Answers)

    def send(self, client: Any, request: Any) -> Verdict | None:
        """A request is about to be given to its transport."""
        url = str(request.url)
        target = target_of(url)
        if target is None or _stays_here(client._transport_for_url(request.url)):
            return None
        body = getattr(request, "_content", None)
        return self._sends.sent(self._name, Outgoing(request.method, target, url, request.headers.multi_items(), body))

    def answered(self, answer: Any) -> None:
        """An answer; its body is looked at where it has been read."""
        self._answers.received(self._name, answer.headers.get("content-type"), getattr(answer, "_content", None))


def _stays_here(transport: Any) -> bool:
    """Whether a transport calls an app of this process, or goes through a Unix socket."""
    if any(cls.__name__ in _IN_PROCESS for cls in type(transport).__mro__):
        return True
    return bool(getattr(getattr(transport, "_pool", None), "_uds", None))


class Wrappers:
    """The wrappers of one library."""

    def __init__(self, library: str, send: Callable[..., Any], answered: Callable[..., Any]) -> None:
        self._library = library
        self._send = send
        self._answered = answered

    def _foreign(self, original: Any) -> bool:
        """Whether a module is the other library's, under an alias (``httpx2.alias_httpx``)."""
        return str(getattr(original, "__module__", "")).partition(".")[0] != self._library

    def sending(self, original: Any) -> Any:
        """Of a client's ``_send_single_request``."""
        if self._foreign(original):
            return original
        look = self._send

        def _send_single_request(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            obey(look(self, request))
            return original(self, request, *args, **kwargs)

        return named_like(original, _send_single_request)

    def sending_async(self, original: Any) -> Any:
        """Of an asynchronous client's."""
        if self._foreign(original):
            return original
        look = self._send

        async def _send_single_request(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            obey(look(self, request))
            return await original(self, request, *args, **kwargs)

        return named_like(original, _send_single_request)

    def answering(self, original: Any) -> Any:
        """Of a client's ``send``, which has read the answer unless it is streamed."""
        if self._foreign(original):
            return original
        answered = self._answered

        def send(self: Any, *args: Any, **kwargs: Any) -> Any:
            answer = original(self, *args, **kwargs)
            answered(answer)
            return answer

        return named_like(original, send)

    def answering_async(self, original: Any) -> Any:
        """Of an asynchronous client's."""
        if self._foreign(original):
            return original
        answered = self._answered

        async def send(self: Any, *args: Any, **kwargs: Any) -> Any:
            answer = await original(self, *args, **kwargs)
            answered(answer)
            return answer

        return named_like(original, send)

    def reading(self, original: Any) -> Any:
        """Of an answer's ``json``, where it was streamed."""
        if self._foreign(original):
            return original
        answered = self._answered

        def json(self: Any, *args: Any, **kwargs: Any) -> Any:
            document = original(self, *args, **kwargs)
            answered(self)
            return document

        return named_like(original, json)


def instruments(kit: Kit) -> list[Instrument]:
    """The instruments of httpx and httpx2."""
    return [_of(kit, "httpx", ">=0.23"), _of(kit, "httpx2", ">=2")]


def _of(kit: Kit, name: str, supported: str) -> Instrument:
    hooks = ClientHooks(kit, name)
    wrap = Wrappers(name, kit.hook(f"{name}.send", hooks.send), kit.hook(f"{name}.answer", hooks.answered))
    return Instrument(
        name=name,
        library=name,
        supported=supported,
        points=(
            PatchPoint(f"{name}._client", "Client._send_single_request", wrap.sending),
            PatchPoint(f"{name}._client", "AsyncClient._send_single_request", wrap.sending_async),
            PatchPoint(f"{name}._client", "Client.send", wrap.answering),
            PatchPoint(f"{name}._client", "AsyncClient.send", wrap.answering_async),
            PatchPoint(f"{name}._models", "Response.json", wrap.reading),
        ),
        unreachable=("requests given to a transport without a client",),
    )
