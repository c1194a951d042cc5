"""Calls a WSGI app as a server does (PEP 3333): environ, start_response, body to its end, close."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any, NamedTuple
from wsgiref.handlers import SimpleHandler
from wsgiref.util import setup_testing_defaults


class Answer(NamedTuple):
    """What a caller gets."""

    status: str
    headers: list[tuple[str, str]]
    body: bytes


def environ(
    path: str, headers: dict[str, str] | None = None, method: str = "GET", body: bytes = b"", type: str = ""
) -> dict[str, Any]:
    """A request as a server makes it; the path may carry a query."""
    where, _, query = path.partition("?")
    made: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": where,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
    }
    setup_testing_defaults(made)
    if body:
        made |= {"CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": type or "application/json"}
    for name, value in (headers or {}).items():
        made["HTTP_" + name.upper().replace("-", "_")] = value
    return made


def call(app: Callable[..., Any], path: str, headers: dict[str, str] | None = None, **request: Any) -> Answer:
    """One request, from the call to ``close()``."""
    return serve(app, environ(path, headers, **request))


def serve(app: Callable[..., Any], made: dict[str, Any]) -> Answer:
    """One request whose ``environ`` is made already."""
    started: list[tuple[str, list[tuple[str, str]]]] = []
    parts: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], Any]:
        started.append((status, list(headers)))
        return parts.append

    body = app(made, start_response)
    try:
        parts.extend(body)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            close()
    return Answer(*started[-1], b"".join(parts))


class Handler(SimpleHandler):
    """wsgiref's handler; exceptions of the app come out, as a test sees them best."""

    http_version = "1.0"

    def handle_error(self) -> None:
        raise  # noqa: PLE0704 - it is called from an except clause

    def log_exception(self, exc_info: Any) -> None:
        """They come out."""


def through_server(app: Callable[..., Any], made: dict[str, Any]) -> bytes:
    """The whole answer as wsgiref's server code sends it, less its date."""
    out = io.BytesIO()
    Handler(made["wsgi.input"], out, io.StringIO(), made, multithread=True).run(app)
    head, _, body = out.getvalue().partition(b"\r\n\r\n")
    return b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"Date:")) + b"\r\n\r\n" + body
