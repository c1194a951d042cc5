"""The WSGI door: opens a request scope, keeps it around the call and its body, and ends it (PEP 3333)."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from rasp.errors import RaspViolation
from rasp.ledger.budget import Sampler
from rasp.ledger.ledger import Ledger
from rasp.ledger.scopes import GLOW, VIOLATIONS, RequestScope
from rasp.model import Verdict
from rasp.patching.guard import Guard
from rasp.pipeline import Pipeline
from rasp.sources.answers import Answers
from rasp.sources.body import Body, PlainBody, RecordedInput, SizedBody
from rasp.sources.extract import BODY_LIMIT, Extractor

TOKEN = "rasp.request"  # noqa: S105 - the name of a key in environ
WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_RECORDED = ("application/json", "application/x-www-form-urlencoded", "+json")


def _is_flask(app: object) -> bool:
    return hasattr(getattr(app, "__self__", app), "full_dispatch_request")


class Door:
    """Serves WSGI calls inside request scopes. Every piece of its own work is guarded; the app's is not touched."""

    def __init__(self, pipeline: Pipeline, guard: Guard, extractor: Extractor) -> None:
        self._pipeline = pipeline
        self._ledger: Ledger = pipeline.ledger
        self._extractor = extractor
        self._scopes = self._ledger.scopes
        self._values = self._ledger.values
        self._desk = self._ledger.desk
        self.answers = Answers(pipeline, extractor)
        self.current: contextvars.ContextVar[RequestScope | None] = self._scopes.current
        self._begin = guard.light("wsgi.begin", self._open)
        self._join = guard.protect("wsgi.join", self._sub_request)
        share = pipeline.config.sample
        self.sampler = None if share >= 1 or pipeline.config.raises else Sampler(share)
        self._spent = guard.spent
        self._guard = guard
        self._note = guard.light("wsgi.start_response", self.answers.started)
        self._sent = guard.light("wsgi.body", self.answers.sent)
        self._wrap = guard.light("wsgi.wrap", self._wrapped)
        self._end = guard.light("wsgi.end", self._over)
        self._read = guard.protect("wsgi.input", extractor.body)
        self._scopes.on_end = self._over
        walls = (Door.serve, Door.serve_flask, Body.__next__, Body.close, PlainBody.close)
        self._ledger.places.add_walls(*(wall.__code__ for wall in walls))

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

        current = self.current
        token = current.set(scope)
        try:
            body = app(environ, start)
        except BaseException as error:
            self.fail(scope, error)
            raise
        finally:
            current.reset(token)
        if scope.made & VIOLATIONS:
            Body(self, scope, body).close()  # raises them before anything is sent
        wrapped: Iterable[bytes] | None = self._wrap(scope, environ, body)
        return body if wrapped is None else wrapped

    def serve_flask(self, app: WSGIApp, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """``serve`` for a Flask app whose instrument tells of its response, which nobody changes after it."""
        scope: RequestScope | None = self._begin(app, environ)
        if scope is None:
            self._join(environ)
            return app(environ, start_response)
        scope.direct = True
        note = self._note

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if not scope.told:
                note(scope, status, headers)
            return start_response(status, headers) if exc_info is None else start_response(status, headers, exc_info)

        current = self.current
        token = current.set(scope)
        try:
            body = app(environ, start)
        except BaseException as error:
            scope.scan = None  # it is not sent
            self.fail(scope, error)
            raise
        finally:
            current.reset(token)
        if scope.plain and type(body).__name__ == "ClosingIterator":
            plain = PlainBody(body, iter(partial(self.end, scope), None))
            plain.rasp_door, plain.rasp_scope, plain.rasp_body = self, scope, body
            return plain
        if scope.plain and scope.scan:
            scope.scan = []  # another body than was told of
        wrapped: Iterable[bytes] | None = self._wrap(scope, environ, body)
        return body if wrapped is None else wrapped

    def _wrapped(self, scope: RequestScope, environ: dict[str, Any], body: Iterable[bytes]) -> Iterable[bytes] | None:
        """What the server gets in place of the app's body; ``None`` where that has to be the body itself."""
        file_wrapper = environ.get("wsgi.file_wrapper")
        if file_wrapper is not None and isinstance(file_wrapper, type) and isinstance(body, file_wrapper):
            # The server sends the file by itself and takes no other object for it; the app's part is done.
            self._scopes.end(scope)
            return None
        return SizedBody(self, scope, body) if hasattr(body, "__len__") else Body(self, scope, body)

    def end(self, scope: RequestScope) -> None:
        """The request is over. Raises what ``strict`` could not raise, or the app swallowed."""
        if not scope.ended:
            self._end(scope)
        if scope.made & VIOLATIONS:
            self._raise_swallowed(scope)

    def _raise_swallowed(self, scope: RequestScope) -> None:
        if scope.violations:
            violation = scope.violations[0]
            scope.violations.clear()
            self._pipeline.delivered(violation)
            raise violation

    def fail(self, scope: RequestScope, error: BaseException) -> None:
        """The app's exception ends the request and goes on to the server; it delivers what it carries."""
        scope.failed = True
        if not scope.ended:
            self._end(scope)
        if scope.made & VIOLATIONS:
            scope.violations.clear()
        if isinstance(error, RaspViolation) or error.__context__ is not None or error.__cause__ is not None:
            self._pipeline.delivered(error)

    def sent(self, scope: RequestScope, chunk: bytes) -> None:
        """A piece of the body is on its way."""
        self._sent(scope, chunk)

    def _open(self, app: WSGIApp, environ: dict[str, Any]) -> RequestScope | None:
        scopes, values = self._scopes, self._values
        if self.current.get() is not None and scopes.serving() is not None:
            return None
        if values.due <= values.clock():
            values.expire()
        scope = RequestScope(environ.get("REQUEST_METHOD", ""), environ, app)
        before = scopes.last.get(scope.ident)
        if before is not None and before.ended:
            if before.made & GLOW:
                before.glow.clear()
            scopes.last[scope.ident] = scope
        else:
            scopes.open(scope)
        environ[TOKEN] = scope.mark
        if self._desk.recording:
            scope.recorded = True
        if self._guard.measured:
            self._spent()  # what is counted from now on is this request's
        self._extractor.read(scope, environ)
        if self.sampler is not None and not _is_flask(app):
            self.sample(scope, None)
        if environ.get("CONTENT_TYPE"):
            self._record_input(scope, environ)
        return scope

    def sample(self, scope: RequestScope, route: object) -> None:
        """Lets go of a request that its route's share leaves out. A Flask app asks once it knows the route."""
        if self.sampler is None or scope.weighed:
            return
        scope.weighed = True
        if not self.sampler.takes(route):
            self._ledger.pass_over(scope)

    def _record_input(self, scope: RequestScope, environ: dict[str, Any]) -> None:
        """A copy of a form or JSON body is kept as the app reads it."""
        content_type = environ["CONTENT_TYPE"]
        length = environ.get("CONTENT_LENGTH") or ""
        if not length and not environ.get("wsgi.input_terminated"):
            return  # there is none
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
        if scope is not None and not scope.unsampled:
            self._extractor.read(scope, environ)

    def _over(self, scope: RequestScope) -> None:
        """Runs once when a request ends, however it ended."""
        if scope.ended:
            return
        scope.ended = True
        if scope.scan:
            self.answers.judge(scope, scope.scan[0] if len(scope.scan) == 1 else b"".join(scope.scan))
        self._pipeline.end(scope)
        scope.forget()
