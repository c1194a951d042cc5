"""Serves apps on loopback, and drives them as a browser does.

What drives an app writes to sockets by itself: an HTTP library would be followed like one of the app's own.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from support.installed import Installed
from werkzeug.serving import make_server

from rasp.model import Finding, Severity

PATIENCE = 30


class Page:
    """What a browser got."""

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def location(self) -> str:
        return self.header("Location")

    def header(self, name: str) -> str:
        """The first header of this name, empty if there is none."""
        return next((value for found, value in self.headers if found.lower() == name.lower()), "")

    def json(self) -> Any:
        return json.loads(self.body)


class Browser:
    """Keeps cookies, as all servers on one host share them, and sends one request a connection."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}
        self.headers: dict[str, str] = {}

    def get(self, url: str, **headers: str) -> Page:
        return self.send("GET", url, headers)

    def delete(self, url: str, **headers: str) -> Page:
        return self.send("DELETE", url, headers)

    def post(self, url: str, form: Any = None, *, document: Any = None, **headers: str) -> Page:
        """A form, or a JSON document."""
        if document is not None:
            return self.send("POST", url, headers, json.dumps(document).encode(), "application/json")
        return self.send("POST", url, headers, urlencode(form or {}).encode(), "application/x-www-form-urlencoded")

    def upload(self, url: str, fields: dict[str, str], name: str, content: bytes, **headers: str) -> Page:
        """A multipart form with one file."""
        mark = "----boundary7MA4YWxk"
        parts = [f'--{mark}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{fields[key]}\r\n' for key in fields]
        head = f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        body = "".join([*parts, head]).encode() + content + f"\r\n--{mark}--\r\n".encode()
        return self.send("POST", url, headers, body, f"multipart/form-data; boundary={mark}")

    def send(self, method: str, url: str, headers: dict[str, str], body: bytes = b"", type: str = "") -> Page:
        """One request; ``_`` in the names of headers stands for ``-``. Done when the server has closed."""
        parts = urlsplit(url)
        port = parts.port or self.port
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: close"]
        if self.cookies:
            lines.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        if type:
            sent |= {"Content-Type": type, "Content-Length": str(len(body))}
        lines += [f"{name}: {value}" for name, value in sent.items()]
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            client.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            response = http.client.HTTPResponse(client, method=method)
            response.begin()
            content = response.read()
            while client.recv(4096):
                pass
            page = Page(response.status, response.getheaders(), content)
        self._keep(page)
        return page

    def _keep(self, page: Page) -> None:
        for name, value in page.headers:
            if name.lower() == "set-cookie":
                for key, morsel in SimpleCookie(value).items():
                    if morsel["max-age"] == "0" or "1970" in morsel["expires"]:
                        self.cookies.pop(key, None)
                    else:
                        self.cookies[key] = morsel.coded_value

    def follow(self, page: Page) -> Page:
        """Goes where redirects lead."""
        while page.status in (301, 302, 303, 307, 308):
            page = self.get(page.location)
        return page

    def together(self, *calls: Callable[[], Page]) -> list[Page]:
        """Requests that overlap, each on a thread of its own."""
        with ThreadPoolExecutor(len(calls)) as pool:
            return [future.result(PATIENCE) for future in [pool.submit(call) for call in calls]]


class Site:
    """A WSGI app, served by Werkzeug on threads."""

    def __init__(self, app: Any) -> None:
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self._server.daemon_threads = False  # threads that are waited for when it closes: a caller is done before
        self.port = self._server.port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def browser(self) -> Browser:
        return Browser(self.port)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(PATIENCE)
        self._server.server_close()


Answer = Callable[[str, str, dict[str, str], str], tuple[int, Any]]


class Elsewhere:
    """A service of somebody else, which rasp does not follow: (method, target, headers, body) -> (status, document)."""

    def __init__(self, answer: Answer) -> None:
        self.seen: list[tuple[str, str, dict[str, str], str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(answer))
        self._server.daemon_threads = False
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def _handler(self, answer: Answer) -> type[BaseHTTPRequestHandler]:
        seen = self.seen

        class Handler(BaseHTTPRequestHandler):
            def serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                asked = (self.command, self.path, {name.title(): value for name, value in self.headers.items()}, body)
                seen.append(asked)
                status, document = answer(*asked)
                content = json.dumps(document).encode()
                self.send_response(status)
                if isinstance(document, str):
                    self.send_header("Location", document)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = serve

            def log_message(self, format: str, *args: Any) -> None:
                """Nobody reads it."""

        return Handler

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join(PATIENCE)
        self._server.server_close()


class Silence:
    """A rasp that has nothing to say about the apps it serves.

    ``saw`` proves that it followed their credentials, so that silence does not come from blindness.
    """

    def __init__(self, installed: Installed, mode: str) -> None:
        self.installed = installed
        self.mode = mode
        self.expected: set[str] = set()
        self._open: list[Site | Elsewhere] = []

    def serve(self, app: Any) -> Site:
        """Serves an app until the test ends."""
        site = Site(app)
        self._open.append(site)
        return site

    def elsewhere(self, answer: Answer) -> Elsewhere:
        """Runs a service of somebody else until the test ends."""
        service = Elsewhere(answer)
        self._open.append(service)
        return service

    def saw(self, *sources: str) -> None:
        """At the end, credentials from these sources must have been followed."""
        self.expected.update(sources)

    def end(self) -> None:
        for site in self._open:
            site.stop()

    def check(self) -> None:
        """No warning, no error, nothing failed inside rasp, and everything expected was followed."""
        said = [
            (
                found.rule,
                found.severity.word,
                found.message,
                f"{found.location.file}:{found.location.line}",
                source(found),
            )
            for found in self.installed.findings
            if found.severity >= Severity.WARNING
        ]
        assert said == []
        assert dict(self.installed.guard.failures) == {}
        followed = {event.step.slot for record in self.installed.records() for event in record.events} - {None}
        assert self.expected <= followed, followed


def source(found: Finding) -> str | None:
    return found.credential.source if found.credential else None


def basic(user: str, password: str) -> str:
    """An ``Authorization`` header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def query(url: str) -> dict[str, str]:
    """The query of a URL, one value a name."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def statuses(pages: Iterable[Page]) -> list[int]:
    return [page.status for page in pages]
