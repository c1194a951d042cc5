"""``http.server``: the access lines that wsgiref's server writes to standard error by itself, without ``logging``.

They belong to the request that this thread has just served. Not seen: handlers that override ``log_message``, as
werkzeug's does, which logs.
"""

from __future__ import annotations

from typing import Any

from rasp.instruments.kit import Kit
from rasp.instruments.printed import Printed
from rasp.ledger.events import Exposed
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, named_like


class LineHooks:
    """Judges access lines."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._printed = Printed(kit)

    def written(self, template: str, args: tuple[Any, ...]) -> str | None:
        """A line is about to be written; what to write instead, if anything."""
        if not self._printed.watchful():
            return None
        scopes = self._kit.ledger.scopes
        scope = scopes.here() or scopes.of_thread()
        text = template % args
        hits, _ = self._printed.late_hits(text)
        if not hits or scope is None:
            return None
        event = Exposed("access_log", text, hits, (), "http.server", None, None, False, True, False, scope)
        verdict: Verdict | None = self._kit.pipeline.handle(event)
        return verdict.text if verdict is not None else None


def instrument(kit: Kit) -> Instrument:
    """The instrument of the standard library's HTTP server."""
    written = kit.hook("http.server.line", LineHooks(kit).written)

    def make(original: Any) -> Any:
        def log_message(self: Any, format: Any, *args: Any) -> Any:
            masked = written(format, args)
            return original(self, format, *args) if masked is None else original(self, "%s", masked)

        return named_like(original, log_message)

    return Instrument(
        name="http.server",
        library="python",
        supported=">=3.11",
        points=(PatchPoint("http.server", "BaseHTTPRequestHandler.log_message", make),),
    )
