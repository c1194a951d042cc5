"""Sends the demo's requests over HTTP: each route of ``wrong.py``, then each of ``right.py``.

It knows nothing of rasp. By hand, beside a running app: ``python drive.py 8000``. Exits 0 if every answer was
the expected one.
"""

import concurrent.futures
import http.client
import json
import sys
import time
import uuid
from dataclasses import dataclass, field

import jwt
from made_up import API_KEYS, FORGERS_KEY, SIGNING_KEY

HOST = "127.0.0.1"
PATIENCE = 20.0
"""Seconds to wait for one answer."""

Headers = dict[str, str]


@dataclass(frozen=True)
class Reply:
    """An answer; ``status`` is 0 when the connection broke before its end."""

    status: int
    body: bytes


def with_token(key: str = SIGNING_KEY) -> Headers:
    """The header of a caller with a token of its own, signed with ``key``."""
    claims = {"sub": "user-23", "jti": uuid.uuid4().hex, "exp": int(time.time()) + 600}
    return {"Authorization": f"Bearer {jwt.encode(claims, key, algorithm='HS256')}"}


def with_key(caller: int = 0) -> Headers:
    """The header of a caller with an API key."""
    return {"X-API-Key": list(API_KEYS)[caller]}


@dataclass
class Driver:
    """Sends requests, says what came, and remembers what was not as it should be."""

    port: int
    failures: list[str] = field(default_factory=list)

    def send(self, path: str, headers: Headers | None = None, method: str = "GET") -> Reply:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, headers=headers or {})
            response = connection.getresponse()
            return Reply(response.status, response.read())
        except (http.client.HTTPException, OSError):
            return Reply(0, b"")
        finally:
            connection.close()

    def check(self, path: str, reply: Reply, status: int = 200) -> None:
        """Prints a line for an answer."""
        shown = str(reply.status) if reply.status else "the connection broke"
        if reply.status != status:
            shown += f", expected {status}"
            self.failures.append(f"{path}: {shown}")
        print(f"  {path:<18} {shown}", flush=True)

    def get(self, path: str, headers: Headers, status: int = 200) -> None:
        """One request and its line."""
        self.check(path, self.send(path, headers), status)

    def worker(self) -> int:
        """The id of the process that answers; a new one may have to start first. 0: none answers."""
        for _ in range(5):
            reply = self.send("/health")
            if reply.status == 200:
                return int(json.loads(reply.body)["worker"])
        return 0

    def arrived(self, name: str) -> None:
        """Waits until a request has come to its pause."""
        reply = self.send(f"/meetings/{name}/arrived")
        if reply.status != 200 or not json.loads(reply.body)["arrived"]:
            self.failures.append(f"no request came to the pause {name}")

    def go(self, name: str) -> None:
        """Lets a paused request go on."""
        self.send(f"/meetings/{name}/go", method="POST")

    def overlap_flag(self, path: str) -> None:
        """The second request begins between the first one's clear and its teardown, and ends after it."""
        headers, first, second = with_key(), uuid.uuid4().hex[:8], uuid.uuid4().hex[:8]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            slow = pool.submit(self.send, f"{path}?pause_after={first}", headers)
            self.arrived(first)
            other = pool.submit(self.send, f"{path}?pause={second}", headers)
            self.arrived(second)
            self.go(first)
            self.check(path, slow.result())
            self.go(second)
            self.check(path, other.result())

    def overlap_quota(self, path: str) -> None:
        """The second request comes and goes while the first is at work on its cache entry."""
        headers, name = with_token(), uuid.uuid4().hex[:8]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            slow = pool.submit(self.send, f"{path}?pause={name}", headers)
            self.arrived(name)
            self.get(path, headers)
            self.go(name)
            self.check(path, slow.result())

    def export(self, path: str) -> None:
        """A streamed answer; says so when it cost the worker its life."""
        before = self.worker()
        self.get(path, with_key(1))
        after = self.worker()
        if after != before:
            self.failures.append(f"{path}: worker {before} died")
            print(f"  {path:<18} worker {before} died, {after or 'none'} took its place", flush=True)

    def drive(self) -> None:
        """All requests, first the wrong routes, then the right ones."""
        for kind in ("wrong", "right"):
            self.get(f"/{kind}/two-hooks", with_key())
            self.get(f"/{kind}/decode", with_token(FORGERS_KEY), 200 if kind == "wrong" else 401)
            self.get(f"/{kind}/cache", with_token(FORGERS_KEY), 401)
            self.get(f"/{kind}/log", with_token())
            self.overlap_flag(f"/{kind}/flag")
            self.overlap_quota(f"/{kind}/quota")
            self.export(f"/{kind}/export")
        self.get("/right/decode", with_token())
        self.get("/right/cache", with_token())


def main() -> int:
    """Drives the app on the port that the command line names."""
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        print("usage: python drive.py PORT", file=sys.stderr)
        return 2
    driver = Driver(int(sys.argv[1]))
    driver.drive()
    for failure in driver.failures:
        print(f"not as expected: {failure}", file=sys.stderr)
    return 1 if driver.failures else 0


if __name__ == "__main__":
    sys.exit(main())
