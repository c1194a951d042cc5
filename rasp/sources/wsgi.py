"""The WSGI door: opens a request scope, keeps it around the call and its body, and ends it (PEP 3333)."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable
from typing import Any

from rasp.errors import RaspViolation
from rasp.ledger.events import Exposed, Issued
from rasp.ledger.facts import Leak
from rasp.ledger.ledger import Ledger
from rasp.ledger.scopes import RequestScope
from rasp.ledger.strength import is_recognisable
from rasp.ledger.value import LiveValue
from rasp.model import Action, Kind, Verdict
from rasp.patching.guard import Guard
from rasp.pipeline import Pipeline
from rasp.sources.body import Body, RecordedInput, SizedBody
from rasp.sources.extract import BODY_LIMIT, Extractor

TOKEN = "rasp.request"  # noqa: S105 - the name of a key in environ
RESPONSE_LIMIT = 65_536
WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_RECORDED = ("application/json", "application/x-www-form-urlencoded", "+json")
_TEXT = ("text/", "javascript", "xml")


class Door:
    """Serves WSGI calls inside request scopes. Every piece of its own work is guarded; the app's is not touched."""

    def __init__(self, pipeline: Pipeline, guard: Guard, extractor: Extractor) -> None:
        self._pipeline = pipeline
        self._ledger: Ledger = pipeline.ledger
        self._extractor = extractor
        self.current: contextvars.ContextVar[RequestScope | None] = self._ledger.scopes.current
        self._begin = guard.protect("wsgi.begin", self._open)
        self._join = guard.protect("wsgi.join", self._sub_request)
        self._note = guard.protect("wsgi.start_response", self._started)
        self._sent = guard.protect("wsgi.body", self._chunk)
        self._end = guard.protect("wsgi.end", self._ledger.scopes.end)
        self._read = guard.protect("wsgi.input", extractor.body)
        self._ledger.scopes.on_end = self._over
        for wall in (Door.serve, Body.__next__, Body.close):
            self._ledger.places.walls.add(wall.__code__)

    def serve(self, app: WSGIApp, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Calls a WSGI app; the outermost call of a request opens its scope."""
        if TOKEN in environ:
            return app(environ, start_response)
        scope: RequestScope | None = self._begin(app, environ)
        if scope is None:
            self._join(environ)
            return app(environ, start_response)
        note = self._note

        def start(status: str, headers: list[tuple[str, str]], *args: Any, **kwargs: Any) -> Any:
            verdict: Verdict | None = note(scope, status, headers)
            if verdict is not None and verdict.exception is not None:
                raise verdict.exception
            return start_response(status, headers, *args, **kwargs)

        token = self.current.set(scope)
        try:
            body = app(environ, start)
        except BaseException as error:
            self.fail(scope, error)
            raise
        finally:
            self.current.reset(token)
        return self._wrapped(scope, environ, body)

    def _wrapped(self, scope: RequestScope, environ: dict[str, Any], body: Iterable[bytes]) -> Iterable[bytes]:
        if scope.touched and scope.violations:
            wrapped = Body(self, scope, body)
            wrapped.close()
            return wrapped
        file_wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(file_wrapper, type) and isinstance(body, file_wrapper):
            # The server sends the file by itself and takes no other object for it; the app's part is done.
            self.end(scope)
            return body
        return SizedBody(self, scope, body) if hasattr(body, "__len__") else Body(self, scope, body)

    def end(self, scope: RequestScope) -> None:
        """The request is over. Raises what ``strict`` could not raise, or the app swallowed."""
        if not scope.ended:
            self._end(scope)
        if scope.touched:
            self._raise_swallowed(scope)

    def _raise_swallowed(self, scope: RequestScope) -> None:
        if scope.touched and scope.violations:
            violation = scope.violations[0]
            scope.violations.clear()
            self._pipeline.delivered(violation)
            raise violation

    def fail(self, scope: RequestScope, error: BaseException) -> None:
        """The app's exception ends the request and goes on to the server; it delivers what it carries."""
        if not scope.ended:
            self._end(scope)
        if scope.touched:
            scope.violations.clear()
        if isinstance(error, RaspViolation) or error.__context__ is not None or error.__cause__ is not None:
            self._pipeline.delivered(error)

    def sent(self, scope: RequestScope, chunk: bytes) -> None:
        """A piece of the body is on its way."""
        self._sent(scope, chunk)

    def _open(self, app: WSGIApp, environ: dict[str, Any]) -> RequestScope | None:
        if self._ledger.scopes.serving() is not None:
            return None
        self._ledger.values.expire()
        scope = RequestScope(environ.get("REQUEST_METHOD", ""), environ, app)
        self._ledger.scopes.open(scope)
        environ[TOKEN] = scope.mark
        self._extractor.read(scope, environ)
        if environ.get("CONTENT_LENGTH") or environ.get("wsgi.input_terminated"):
            self._record_input(scope, environ)
        return scope

    def _record_input(self, scope: RequestScope, environ: dict[str, Any]) -> None:
        """A copy of a form or JSON body is kept as the app reads it."""
        content_type = environ.get("CONTENT_TYPE") or ""
        length = environ.get("CONTENT_LENGTH") or ""
        known = int(length) if length.isdigit() else None
        if known == 0 or (known is not None and known > BODY_LIMIT) or "wsgi.input" not in environ:
            return
        lowered = content_type.lower()
        if not any(part in lowered for part in _RECORDED):
            return
        read = self._read
        scope.body = RecordedInput(environ["wsgi.input"], known, BODY_LIMIT, lambda body: read(scope, lowered, body))
        environ["wsgi.input"] = scope.body

    def _sub_request(self, environ: dict[str, Any]) -> None:
        """A request the app makes to itself on its own thread belongs to the one it serves."""
        scope = self._ledger.scopes.serving()
        if scope is not None:
            self._extractor.read(scope, environ)

    def _started(self, scope: RequestScope, status: str, headers: list[tuple[str, str]]) -> Verdict | None:
        scope.status = int(status[:3]) if status[:3].isdigit() else None
        verdict: Verdict | None = None
        for name, value in headers:
            lowered = name.lower()
            if lowered == "content-type":
                if "json" in value or (self._ledger.values.foreign and any(part in value for part in _TEXT)):
                    scope.scan = []
            elif lowered == "set-cookie":
                session = getattr(scope.app, "config", {}).get("SESSION_COOKIE_NAME", "session")
                cookie = self._extractor.issued_cookie(value, session)
                if cookie is not None and self._ledger.values.get(cookie[1]) not in scope.presented:
                    kind = Kind.SESSION if cookie[0] == session else None
                    self._issue(scope, cookie[1], f"cookie:{cookie[0]}", kind)
            elif lowered == "location":
                verdict = self._redirect(scope, value)
        return verdict

    def _redirect(self, scope: RequestScope, url: str) -> Verdict | None:
        hits = self._ledger.values.find(url.partition("#")[0])
        if not hits:
            return None
        event = Exposed("redirect", "", hits, (), "response", "header:location", scope=scope)
        return self._pipeline.handle(event)

    def _issue(self, scope: RequestScope, value: str, source: str, kind: Kind | None = None) -> None:
        if value.startswith(self._ledger.config.public_prefixes):
            return
        token = self.current.set(scope)
        try:
            self._pipeline.handle(Issued(value, "response", (), f"issued:{source}", kind))
        finally:
            self.current.reset(token)

    def _chunk(self, scope: RequestScope, chunk: bytes) -> None:
        parts = scope.scan
        if parts is None or not isinstance(chunk, bytes):
            return
        parts.append(chunk)
        if len(parts) > 64 or sum(map(len, parts)) > RESPONSE_LIMIT:
            scope.scan = None

    def _over(self, scope: RequestScope) -> None:
        """Runs once when a request ends, however it ended."""
        if scope.scan:
            self._answered(scope, b"".join(scope.scan))
        self._pipeline.end(scope)
        scope.forget()

    def _answered(self, scope: RequestScope, body: bytes) -> None:
        """What the response issues, and whose credentials it holds."""
        if b"oken" in body or b"ey" in body or b"icket" in body:
            for name, value, weak in self._extractor.issued(body):
                if not weak or is_recognisable(value):
                    self._issue(scope, value, f"json:{name[:40]}")
        if self._ledger.values.foreign <= (len(scope.presented) if scope.touched else 0):
            return  # nobody else's credential is live
        desk = self._ledger.desk
        leaked: dict[LiveValue, None] = {}
        for hit in self._ledger.values.find(body.decode("latin-1")):
            if not desk.belongs(scope, hit.live):
                leaked.setdefault(hit.live)
        facts = [
            Leak(
                live=live,
                trail=(desk.occur(Action.EXPOSE, "response", None, (), live, scope),),
                scope=scope,
                raisable=False,
                how="response",
            )
            for live in leaked
        ]
        self._pipeline.respond(facts)
