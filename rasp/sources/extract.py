"""Reads the credentials off a request: headers, cookies, query, body fields and route variables."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from rasp.declarations import normal
from rasp.ledger.ledger import Ledger
from rasp.ledger.scopes import RequestScope
from rasp.model import Kind
from rasp.sources.names import Named, Names, is_csrf

BODY_LIMIT = 65_536
FIELDS = 256
DEPTH = 6
_CSRF_HEADERS = ("HTTP_X_CSRF_TOKEN", "HTTP_X_CSRFTOKEN", "HTTP_X_XSRF_TOKEN", "HTTP_X_CSRF")
_AUTHORIZATION = {
    "HTTP_AUTHORIZATION": "header:authorization",
    "HTTP_PROXY_AUTHORIZATION": "header:proxy-authorization",
}
_SIGNING_SCHEMES = frozenset({"digest", "signature", "hawk", "oauth", "aws4-hmac-sha256"})
_SIGNATURE = re.compile(r'\b(?:oauth_)?(?:signature|response|mac)="?([^",\s]+)', re.IGNORECASE)
_TOKEN_PARAMETER = re.compile(r'token="?([^",\s]+)"?\Z', re.IGNORECASE)


class Extractor:
    """Enters what a caller presents into the ledger."""

    def __init__(self, ledger: Ledger, names: Names) -> None:
        self._ledger = ledger
        self._names = names
        self._alone = {key: source for key, source in _AUTHORIZATION.items() if key not in names.headers}
        self._followed = frozenset((*_CSRF_HEADERS, "HTTP_COOKIE", *_AUTHORIZATION, *names.headers))

    def read(self, scope: RequestScope, environ: Mapping[str, Any]) -> None:
        """What is known before the app runs: headers, cookies, query."""
        query = environ.get("QUERY_STRING")
        if not self._followed.isdisjoint(environ):
            given = environ.keys() & self._followed
            key = given.pop() if len(given) == 1 and not query else ""
            source = self._alone.get(key)
            if source is not None:  # what most requests bring: that header alone, of a value that is live already
                if self._ledger.present_known(scope, environ[key], source):
                    return
                self._authorization(scope, environ[key], source)
            else:
                self._headers(scope, environ)
        if query:
            self._query(scope, query)
        if scope.touched and scope.has("presented"):
            self._withdraw_csrf(scope, environ)

    def _headers(self, scope: RequestScope, environ: Mapping[str, Any]) -> None:
        get = environ.get
        for key in _CSRF_HEADERS:
            if environ.get(key):
                scope.excluded.add(environ[key])
        cookie = get("HTTP_COOKIE")
        if cookie:
            self._cookies(scope, cookie)
        for key, header in _AUTHORIZATION.items():
            value = get(key)
            if value:
                self._authorization(scope, value, header)
        for key, (name, what) in self._names.headers.items():
            value = get(key)
            if value:
                self._ledger.present(scope, value.strip(), what.kind, f"header:{name}")

    def _withdraw_csrf(self, scope: RequestScope, environ: Mapping[str, Any]) -> None:
        """Any header that names the values of a cookie or field as a protection against request forgery."""
        if "SRF" in "\n".join(environ):
            for key, value in environ.items():
                if ("CSRF" in key or "XSRF" in key) and key.startswith("HTTP_"):
                    self._ledger.withdraw(scope, value)

    def _cookies(self, scope: RequestScope, header: str) -> None:
        pairs = list(cookie_pairs(header))
        for name, value in pairs:
            if is_csrf(name):
                scope.excluded.add(value)
        for name, value in pairs:
            what = self._names.cookies.get(normal(name))
            if what is not None and value and not is_csrf(name):
                self._ledger.present(scope, value, what.kind, f"cookie:{name}")

    def session_cookie(self, scope: RequestScope, environ: Mapping[str, Any], name: str) -> None:
        """The app's own session cookie, whose name only the app knows."""
        header = environ.get("HTTP_COOKIE")
        if header and name in header:
            for found, value in cookie_pairs(header):
                if found == name and value:
                    self._ledger.present(scope, value, Kind.SESSION, f"cookie:{name}")

    def _authorization(self, scope: RequestScope, value: str, source: str) -> None:
        value = value.strip()
        scheme, separator, rest = value.partition(" ")
        rest = rest.strip()
        if not separator:
            self._ledger.present(scope, value, Kind.BEARER, source)
        elif scheme.lower() == "basic":
            self._basic(scope, rest, value, source)
        elif scheme.lower() in _SIGNING_SCHEMES:
            for match in _SIGNATURE.finditer(rest):
                self._ledger.present(scope, match.group(1), Kind.BEARER, source)
        else:
            parameter = _TOKEN_PARAMETER.match(rest)
            text = parameter.group(1) if parameter else rest
            self._ledger.present(scope, text, Kind.BEARER, source, (value,))

    def _basic(self, scope: RequestScope, encoded: str, value: str, source: str) -> None:
        try:
            pair = base64.b64decode(encoded, validate=True).decode("utf-8", "surrogateescape")
        except (binascii.Error, ValueError):
            self._ledger.present(scope, encoded, Kind.BEARER, source, (value,))
            return
        user, separator, password = pair.partition(":")
        if not separator:
            self._ledger.present(scope, encoded, Kind.BASIC, source, (value,))
            return
        # Some APIs take the key as user name and leave the password empty (Stripe).
        secret = password or user
        self._ledger.present(scope, secret, Kind.BASIC, source, (encoded, value))

    def _query(self, scope: RequestScope, query: str) -> None:
        for part in query.split("&", FIELDS)[:FIELDS]:
            name, separator, value = part.partition("=")
            if not separator or not value:
                continue
            if "%" in name or "+" in name:
                name = unquote_plus(name)
            if is_csrf(name):
                scope.excluded.add(unquote_plus(value))
                continue
            what = self._names.query.get(normal(name))
            if what is not None:
                self._present(scope, unquote_plus(value), what, f"query:{name}")

    def _present(self, scope: RequestScope, value: str, what: Named, source: str) -> None:
        self._ledger.present(scope, value, what.kind, source, weak=what.weak)

    def route(self, scope: RequestScope, variables: Mapping[str, Any]) -> None:
        """The variables of the matched route."""
        for name, value in variables.items():
            what = self._names.route.get(normal(name))
            if what is not None and isinstance(value, str):
                self._present(scope, value, what, f"route:{name}")

    def body(self, scope: RequestScope, content_type: str, body: bytes) -> None:
        """The fields of a form or JSON body that the app has read."""
        if "json" in content_type:
            pairs, table, place = list(json_members(body)), self._names.json, "json"
        else:
            text = body.decode("utf-8", "replace")
            pairs, table, place = parse_qsl(text, max_num_fields=None)[:FIELDS], self._names.form, "form"
        self._fields(scope, pairs, table, place)

    def form(self, scope: RequestScope, fields: list[tuple[str, str]]) -> None:
        """The fields of a multipart form that the framework has parsed."""
        self._fields(scope, fields[:FIELDS], self._names.form, "form")

    def _fields(
        self, scope: RequestScope, pairs: list[tuple[str, str]], table: Mapping[str, Named], place: str
    ) -> None:
        for name, value in pairs:
            if is_csrf(name):
                self._ledger.withdraw(scope, value)
        for name, value in pairs:
            what = table.get(normal(name))
            if what is not None:
                self._present(scope, value, what, f"{place}:{name[:40]}")

    def issued(self, body: bytes) -> Iterator[tuple[str, str, bool]]:
        """(name, value, weak) of the members of a JSON response that name a token."""
        for name, value in json_members(body):
            what = self._names.json.get(normal(name))
            if what is not None and not is_csrf(name):
                yield name, value, what.weak

    def issued_cookie(self, header: str, session: str) -> tuple[str, str] | None:
        """(name, value) that a ``Set-Cookie`` header gives out, if that cookie is followed."""
        name, separator, rest = header.partition("=")
        name = name.strip()
        if not separator or is_csrf(name) or (name != session and normal(name) not in self._names.cookies):
            return None
        value = rest.partition(";")[0].strip().strip('"')
        return (name, value) if value else None


def cookie_pairs(header: str) -> Iterator[tuple[str, str]]:
    """The names and values of a ``Cookie`` header (RFC 6265, section 4.2.1)."""
    for part in header.split(";", FIELDS)[:FIELDS]:
        name, separator, value = part.strip().partition("=")
        if separator:
            yield name, value.strip('"')


def json_members(body: bytes) -> Iterator[tuple[str, str]]:
    """Names and texts of all members of a JSON document, to a bounded depth and number."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return
    left = [(document, 0)]
    seen = 0
    while left and seen < FIELDS:
        node, depth = left.pop()
        if depth > DEPTH:
            continue
        items = node.items() if isinstance(node, dict) else ()
        for name, value in items:
            seen += 1
            if isinstance(value, str):
                yield name, value
            elif isinstance(value, (dict, list)):
                left.append((value, depth + 1))
        if isinstance(node, list):
            left += [(entry, depth + 1) for entry in node[:FIELDS] if isinstance(entry, (dict, list))]
