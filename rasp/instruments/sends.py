"""What all HTTP clients share: one logical event per request sent, from the outermost of the layered libraries.

requests goes through urllib3, and that through ``http.client``. An outer layer covers the next send of an inner one to
the same host; what the inner one sends beyond that by itself, such as a retry or a redirect, is told by the inner one.
Asynchronous clients lie on no other and cover none.

Bodies are looked at where they lie in memory as text or bytes, to a bound. Iterators, files and multipart streams are
never touched.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import FrameType
from typing import Any, NamedTuple

from rasp.instruments.blobs import blanked
from rasp.instruments.kit import Kit, obey
from rasp.ledger.events import Sent
from rasp.ledger.hosts import LLM_HOSTS, Hosts, Target
from rasp.model import Location, Verdict
from rasp.patching.guard import Hook
from rasp.patching.local import Local
from rasp.patching.patches import Make, named_like

BODY_LIMIT = 65_536
"""Characters of a body that are searched."""
FREE = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
"""Methods for which no LLM provider asks money; a web socket is opened with GET."""
_RUNNERS = frozenset({"threading", "concurrent", "asyncio", "gevent", "runpy"})
KEY_HEADERS = frozenset({"authorization", "x-api-key", "api-key", "x-goog-api-key"})


class Outgoing(NamedTuple):
    """A request as its client library has it, right before it is sent. Raw; never printed."""

    method: object
    target: Target
    url: str
    headers: Iterable[tuple[Any, Any]]
    body: object

    def __repr__(self) -> str:
        return "<Outgoing>"


class Covered:
    """The host of the send that an outer layer has told of and an inner one has not made yet."""

    __slots__ = ("host",)

    def __init__(self) -> None:
        self.host: str | None = None


class Sends:
    """Judges requests before they are sent. ``kit.shared(Sends)``."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._values = kit.ledger.values
        self._llm = Hosts((*LLM_HOSTS, *kit.config.llm_hosts))
        self._covered = Local(Covered)

    def sent(self, holder: str, out: Outgoing) -> Verdict | None:
        """A request is about to be sent; ``None`` if nothing of concern is in it, else what the app does now."""
        values, target = self._values, out.target
        in_url = values.find(out.url.partition("#")[0])
        headers = [(text_of(name).lower(), text_of(value)) for name, value in out.headers]
        body = blanked(text_of(out.body))
        if isinstance(out.body, (str, bytes, bytearray)) and len(out.body) > BODY_LIMIT:
            values.dropped += 1
        hits = values.find("\n".join([*[value for _, value in headers], body]))
        costs = text_of(out.method).upper() not in FREE or target.scheme in ("ws", "wss")
        spends = costs and self._llm.match(target)
        if not (in_url or hits or spends) or exports_telemetry():
            return None
        keys = [value for name, value in headers if name in KEY_HEADERS] if spends else ()
        frame = sys._getframe(1)
        path = self._kit.here(frame)
        place = None if path or self._kit.ledger.scopes.here() is not None else self._outside(frame)
        return self._kit.pipeline.handle(Sent(holder, target, in_url, hits, path, spends, keys, place))

    def _outside(self, frame: FrameType) -> Location:
        """Where a library began what it sends by itself: the outermost frame of its thread that is its own."""
        found, outer = frame, frame.f_back
        while outer is not None:
            if str(outer.f_globals.get("__name__", "")).partition(".")[0] not in _RUNNERS:
                found = outer
            outer = outer.f_back
        return self._kit.ledger.places.location(found.f_code.co_filename, found.f_lineno, found.f_code.co_name)

    def outermost(self, holder: str, out: Outgoing | None, *, top: bool = False) -> Verdict | None:
        """The same, unless an outer layer (``top`` has none) told of this very send; inner layers are covered now."""
        if out is None:
            return None
        covered = self._covered.get()
        told, covered.host = covered.host == out.target.host and not top, out.target.host
        return None if told else self.sent(holder, out)

    def covering(self, look: Hook, after: Hook | None = None) -> Make:
        """A wrapper of what sends: ``look`` is given the call's arguments, ``after`` its object and result."""
        local = self._covered

        def make(original: Any) -> Any:
            def send(self: Any, *args: Any, **kwargs: Any) -> Any:
                covered = local.get()
                before = host = covered.host
                try:
                    verdict = look(self, args, kwargs)
                    host = covered.host
                    obey(verdict)
                    result = original(self, *args, **kwargs)
                finally:
                    # What covered this send covers no other.
                    covered.host = None if host == before else before
                if after is not None:
                    after(self, result)
                return result

            return named_like(original, send)

        return make


def text_of(value: object, limit: int = BODY_LIMIT) -> str:
    """The text of what lies in memory, up to a bound; of all else nothing."""
    if isinstance(value, str):
        return value[:limit]
    if isinstance(value, (bytes, bytearray)):
        return bytes(value[:limit]).decode("utf-8", "replace")
    if isinstance(value, memoryview):
        return value.tobytes()[:limit].decode("utf-8", "replace") if value.nbytes <= limit else ""
    return ""


def exports_telemetry() -> bool:
    """Whether an exporter of OpenTelemetry is at work: what its spans hold is judged as spans."""
    context = sys.modules.get("opentelemetry.context")
    key = getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", None)
    return context is not None and key is not None and bool(context.get_value(key))
