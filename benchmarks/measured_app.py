"""The app that the benchmarks drive, and the requests they send it.

A request to ``/jwt`` reads a 308-character JWT from its header, verifies it, caches its claims under a digest, logs
two lines and clears ``flask.g`` in teardown; ``/hello`` carries no credential. Whoever measures rasp or another agent
starts that first and imports this module afterwards, as an app's own start-up would.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
from collections.abc import Iterable
from typing import Any

import jwt
from cachelib import SimpleCache
from flask import Flask, g, request
from werkzeug.test import EnvironBuilder

KEY = "benchmark-" * 4
LENGTH = 308
"""Characters of each token."""
NAMES = ("token", "claims", "user")


def token(number: int) -> str:
    """A valid JWT of a caller of its own.

    Made by hand, and HMAC from plain hashing: what a JWT library signs would count as issued by this process.
    """
    claims = {
        "iss": "https://issuer.example",
        "aud": "api",
        "sub": f"user-{number:08d}",
        "jti": hashlib.md5(str(number).encode(), usedforsecurity=False).hexdigest()[:16],
        "exp": 4102444800,
        "scope": "read write",
        "name": "A Person of the Old Town, South",
    }
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    made = f"{signed}.{_encoded(_hmac(KEY.encode(), signed.encode()))}"
    assert len(made) == LENGTH, len(made)
    return made


def _part(value: dict[str, Any]) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _hmac(key: bytes, message: bytes) -> bytes:
    padded = key.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in padded) + message).digest()
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in padded) + inner).digest()


def build(log_to: Any = None) -> Flask:
    """The app; its log goes to a stream, by default to one in memory that is emptied now and then."""
    app, cache = Flask("measured"), SimpleCache()
    log = logging.getLogger("api")
    handler = logging.StreamHandler(Emptied() if log_to is None else log_to)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    log.handlers = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False

    @app.before_request
    def authenticate() -> None:
        if "Authorization" not in request.headers:
            return
        g.token = request.headers["Authorization"].removeprefix("Bearer ")
        slot = hashlib.sha256(g.token.encode()).hexdigest()
        cache.get(slot)
        g.claims = jwt.decode(g.token, KEY, algorithms=["HS256"], audience="api")
        cache.set(slot, g.claims)
        g.user = g.claims["sub"]

    @app.get("/jwt")
    def data() -> dict[str, object]:
        log.info("request from %s for %s", g.user, request.path)
        log.info("answered %s with %d rows", g.user, 17)
        return {"user": g.user, "rows": [1, 2, 3]}

    @app.get("/hello")
    def hello() -> str:
        return "hello"

    @app.teardown_request
    def clear(error: BaseException | None) -> None:
        for name in NAMES:
            g.pop(name, None)

    return app


class Emptied(io.StringIO):
    """A stream in memory that forgets what was written once it is large."""

    def write(self, text: str) -> int:
        """Writes, as the stream does."""
        if self.tell() > 50_000:
            self.seek(0)
            self.truncate()
        return super().write(text)


def environ_of(path: str, bearer: str | None = None) -> dict[str, Any]:
    """The WSGI environment of a request."""
    headers = {} if bearer is None else {"Authorization": f"Bearer {bearer}"}
    # An address from outside: some agents leave requests from none, or from loopback, alone.
    base = {"REMOTE_ADDR": "203.0.113.7", "REMOTE_PORT": "40000"}
    return EnvironBuilder(path=path, headers=list(headers.items()), environ_base=base).get_environ()


ROUTES = ("jwt", "rotating", "hello")
"""``rotating`` is ``jwt`` with another token, and another caller, every time."""


class Requests:
    """Environments of requests of one sort; those with rotating tokens are made beforehand."""

    def __init__(self, route: str) -> None:
        self._template = environ_of("/hello") if route == "hello" else environ_of("/jwt", token(0))
        self._rotating = route == "rotating"
        self._number = 0

    def make(self, count: int) -> Iterable[dict[str, Any]]:
        """Fresh environments: servers make one for each request too."""
        if not self._rotating:
            return [dict(self._template) for _ in range(count)]
        first, self._number = self._number + 1, self._number + count
        numbers = range(first, first + count)
        return [self._template | {"HTTP_AUTHORIZATION": f"Bearer {token(number)}"} for number in numbers]


def serve(app: Any, environ: dict[str, Any]) -> None:
    """One request, as a server drives it."""
    body = app(environ, start_response)
    for _ in body:
        pass
    body.close()


def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
    """As a server's, for answers that have to be right."""
    assert status == "200 OK", status
