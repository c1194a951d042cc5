"""What a response gives out: the credentials it issues, and those that it must not hold."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rasp.ledger.events import Exposed, Issued
from rasp.ledger.exposures import first_seen
from rasp.ledger.facts import Exposure, Fact, Leak
from rasp.ledger.hits import Hit
from rasp.ledger.scopes import RequestScope
from rasp.ledger.strength import SHORT_LENGTH, is_recognisable
from rasp.ledger.value import LiveValue
from rasp.model import Action, Kind, Verdict
from rasp.pipeline import Pipeline
from rasp.sources.extract import Extractor

LIMIT = 65_536
"""Bytes of a body that are searched; a longer one is not."""
_CHUNKS = 64
_EMPTY = (204, 304)
"""Status of answers without a body, whatever the app gave."""
_SENDING = ("__call__", "get_wsgi_response", "get_wsgi_headers", "get_app_iter", "iter_encoded")
_CLASSES = 100
_NOT_SEARCHED = frozenset({"content-type", "content-length", "date", "server", "vary", "set-cookie", "location"})

_PASSED_OVER = frozenset({"Content-Length", "Date", "Server", "Vary"})
"""As they are usually spelled: nothing need be done to them."""


class Answers:
    """Reads responses as they are sent, and judges them when the request ends."""

    def __init__(self, pipeline: Pipeline, extractor: Extractor) -> None:
        self._pipeline = pipeline
        self._ledger = pipeline.ledger
        self._values = pipeline.ledger.values
        self._extractor = extractor
        self._usual: dict[type, bool] = {}

    def started(self, scope: RequestScope, status: str, headers: list[tuple[str, str]]) -> Verdict | None:
        """The app gave its status and headers."""
        code = status[:3]
        scope.scan = None
        scope.status = int(code) if code.isdigit() else None
        return None if scope.unsampled else self._headers(scope, headers)

    def answered(self, scope: RequestScope, response: Any) -> None:
        """A response that will be sent as it is: what ``started`` and ``sent`` would tell is read off it.

        Of a class that sends otherwise than Werkzeug's nothing is told here.
        """
        usual = self._usual.get(type(response))
        if usual is None:
            usual = self._learn(type(response))
        if not usual:
            return
        scope.told = True
        scope.status = status = response.status_code
        scope.scan = None
        if scope.unsampled:
            return
        self._headers(scope, response.headers)
        body = response.response
        scope.plain = (type(body) is list or type(body) is tuple) and not response.direct_passthrough
        scan: list[bytes] | None = scope.scan
        if scan is None or not scope.plain:
            return
        if status < 200 or status in _EMPTY or scope.environ["REQUEST_METHOD"] == "HEAD":  # type: ignore[index]
            scope.scan = None
        elif len(body) == 1 and type(body[0]) is bytes and len(body[0]) <= LIMIT:
            scan.append(body[0])
        else:
            for chunk in body:
                self.sent(scope, chunk.encode() if isinstance(chunk, str) else chunk)

    def _learn(self, response: type) -> bool:
        """Whether a class of responses sends as Werkzeug's own does."""
        base = sys.modules["werkzeug.wrappers.response"].Response
        usual = all(getattr(response, name, None) is getattr(base, name) for name in _SENDING)
        if len(self._usual) >= _CLASSES:
            self._usual.clear()
        self._usual[response] = usual
        return usual

    def _headers(self, scope: RequestScope, headers: Iterable[tuple[str, str]]) -> Verdict | None:
        verdict: Verdict | None = None
        touched = scope.touched
        for name, value in headers:
            if name in _PASSED_OVER:
                continue
            lowered = name.lower()
            if lowered == "content-type":
                if "json" in value or (
                    (touched or self._values.exact) and ("text/" in value or "javascript" in value or "xml" in value)
                ):
                    scope.scan = []
            elif lowered == "set-cookie":
                self._set_cookie(scope, value)
            elif lowered == "location":
                verdict = self._redirect(scope, value)
            elif len(value) >= 16 and lowered not in _NOT_SEARCHED and (touched or self._values.exact):
                self._header(scope, lowered, value)
        return verdict

    def _set_cookie(self, scope: RequestScope, value: str) -> None:
        session = getattr(scope.app, "config", {}).get("SESSION_COOKIE_NAME", "session")
        cookie = self._extractor.issued_cookie(value, session)
        if cookie is not None and self._values.get(cookie[1]) not in scope.presented:
            kind = Kind.SESSION if cookie[0] == session else None
            self._issue(scope, cookie[1], f"cookie:{cookie[0]}", kind)

    def _redirect(self, scope: RequestScope, url: str) -> Verdict | None:
        hits = self._values.find(url.partition("#")[0])
        if not hits:
            return None
        scope.redirected = frozenset(hit.live for hit in hits)
        event = Exposed("redirect", "", hits, (), "response", "header:location", scope=scope)
        return self._pipeline.handle(event)

    def _header(self, scope: RequestScope, name: str, value: str) -> None:
        hits = self._values.find(value)
        if hits:
            self._pipeline.respond(self._facts(scope, hits, f"header:{name}"))

    def _issue(self, scope: RequestScope, value: str, source: str, kind: Kind | None = None) -> None:
        if value.startswith(self._ledger.config.public_prefixes):
            return
        current = self._ledger.scopes.current
        token = current.set(scope)
        try:
            self._pipeline.handle(Issued(value, "response", (), f"issued:{source}", kind))
        finally:
            current.reset(token)

    def sent(self, scope: RequestScope, chunk: bytes) -> None:
        """A piece of the body is on its way."""
        parts = scope.scan
        if parts is None or not isinstance(chunk, bytes):
            return
        parts.append(chunk)
        if len(chunk) > LIMIT or (len(parts) > 1 and (len(parts) > _CHUNKS or sum(map(len, parts)) > LIMIT)):
            scope.scan = None
            self._values.dropped += 1

    def judge(self, scope: RequestScope, body: bytes) -> None:
        """What the whole response issues, and whose credentials it holds."""
        if len(body) < SHORT_LENGTH:
            return
        if b"oken" in body or b"ey" in body or b"icket" in body:  # one of these is in every name of a token
            for name, value, weak in self._extractor.issued(body):
                if not weak or is_recognisable(value):
                    self._issue(scope, value, f"json:{name[:40]}")
        hits = self._values.find(body.decode("latin-1"))
        if hits:
            self._pipeline.respond(self._facts(scope, hits, "body"))

    def _facts(self, scope: RequestScope, hits: list[Hit], place: str) -> list[Fact]:
        """Another caller's credential is a leak; any other that this response does not issue is exposed.

        To whoever presented it, in an answer below 400, it is no secret, and what the app issued before may be asked
        for again: notes.
        """
        desk = self._ledger.desk
        answered = scope.status is not None and scope.status < 400
        facts: list[Fact] = []
        seen: set[LiveValue] = set(scope.redirected)  # the page of a redirect repeats its URL
        for hit in hits:
            live = hit.live
            if live in seen or (scope.has("issued") and live in scope.issued):
                continue
            seen.add(live)
            shown = desk.occur(Action.EXPOSE, "response", place, (), live, scope)
            if not desk.belongs(scope, live):
                facts.append(Leak(live=live, trail=(shown,), scope=scope, raisable=False, how="response"))
                continue
            presented = scope.has("presented") and live in scope.presented
            facts.append(
                Exposure(
                    live=live,
                    trail=(*first_seen(live, scope), shown),
                    scope=scope,
                    raisable=False,
                    sink="response",
                    short=hit.short,
                    noted=answered if presented else live.kind is not Kind.SERVICE,
                )
            )
        return facts
