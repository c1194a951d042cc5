"""Real HTTP servers on loopback that write down what reaches them: an upstream, and a proxy in front of it."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOSTS = ("api.example.com", "api.openai.com", "api.anthropic.com", "auth.example.com")


class Received(NamedTuple):
    """One request as it arrived; the names of its headers are in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Server(ThreadingHTTPServer):
    """Knows when it is done with all connections."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.busy = 0
        self.changed = threading.Condition()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.changed:
            self.busy += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self.changed:
            self.busy -= 1
            self.changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error here."""


class Upstream:
    """A server. ``answers`` holds what it says to a path, by default an empty JSON object; ``seen`` is what came."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.seen: list[Received] = []
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.tunnels: list[str] = []
        self.route: dict[str, int] = {}
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                upstream.handle(self)

            do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

            def do_CONNECT(self) -> None:
                upstream.tunnel(self)

            def log_message(self, *args: Any) -> None:
                """Nothing is printed."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{self.port}"

    def says(self, path: str, document: Any, status: int = 200, **headers: str) -> None:
        """What is answered to a path."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = (status, {"Content-Type": "application/json", **named}, json.dumps(document).encode())

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """Writes a request down and answers it."""
        body = self._body(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Received(request.command, request.path, headers, body))
        path = urlsplit(request.path).path
        status, headers, answer = self.answers.get(path, (200, {"Content-Type": "application/json"}, b"{}"))
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(answer))}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(answer)

    def _body(self, request: BaseHTTPRequestHandler) -> bytes:
        if "chunked" in request.headers.get("Transfer-Encoding", ""):
            parts = []
            while size := int(request.rfile.readline(), 16):
                parts.append(request.rfile.read(size))
                request.rfile.readline()
            request.rfile.readline()
            return b"".join(parts)
        return request.rfile.read(int(request.headers.get("Content-Length") or 0))

    def tunnel(self, request: BaseHTTPRequestHandler) -> None:
        """``CONNECT``: bytes go both ways between the client and the port that ``route`` names for the host."""
        self.tunnels.append(request.path)
        port = self.route[request.path.partition(":")[0]]
        with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as far:
            request.send_response(200)
            request.end_headers()
            back = threading.Thread(target=_pump, args=(far, request.connection))
            back.start()
            _pump(request.connection, far)
            back.join(10)

    def settle(self) -> None:
        """Waits until all connections are closed on this side too."""
        with self.server.changed:
            assert self.server.changed.wait_for(lambda: not self.server.busy, timeout=10)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the other end is gone


@contextmanager
def upstream(context: ssl.SSLContext | None = None) -> Iterator[Upstream]:
    """A running server."""
    server = Upstream(context)
    try:
        yield server
    finally:
        server.close()


def certificate(folder: Path) -> tuple[ssl.SSLContext, str]:
    """A server's TLS context for the names above and loopback, and the file with its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rasp test")])
    now = datetime.datetime.now(datetime.UTC)
    names = [*(x509.DNSName(host) for host in HOSTS), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    both = folder / "server.pem"
    both.write_bytes(secret + file.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context, str(file)


def resolve_to_loopback(monkeypatch: Any, *hosts: str) -> None:
    """These names stand for this machine, as an attacker's or a test's name server may say."""
    known, real = set(hosts or HOSTS), socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return real("127.0.0.1" if name in known else host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
