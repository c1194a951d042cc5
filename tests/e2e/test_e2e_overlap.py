"""Requests that overlap, and requests that only seem to: threads, greenlets, keep-alive, abandoned streams."""

from __future__ import annotations

import socket
import struct

import pytest
from e2e.serving import Server, copy_apps, gunicorn, marked, places

REUSED, SAME = "rk_3HsVdQ8nZbYw5TmKx2GcLf7RjPa9", "rk_7TqNc4WxLr9GzBv2KmYh6DsFpJe3"
ONE, OTHER = "rk_5PwKz8RbXt3MvHn6GdQy2LcJsFa4", "rk_8JfMy3LdVk7QsCz5TwNb9XhGpRe2"
STREAMED, TICKET = "rk_2CgRv6YpHq4XnDk9WbTz7MsLjFe5", "tk_6BmWd9KxFs2VqJt4NzRc8HyGpLa7"
TICKETS = '[[credential]]\nsource = "header:X-Ticket"\nkind = "single_use"\n'
WORKERS = {"gthread": ("-k", "gthread", "--threads", "4"), "gevent": ("-k", "gevent")}


def key(value: str) -> dict[str, str]:
    return {"X_API_Key": value}


def abandon(server: Server, path: str) -> None:
    """Reads the start of an endless response and resets the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-API-Key: {STREAMED}\r\n\r\n".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
    server.wait_for("stream closed")


@pytest.fixture(scope="module", params=WORKERS)
def served(request, tmp_path_factory):
    """A server that has answered everything once, and is stopped; and its answers."""
    pytest.importorskip("gevent") if request.param == "gevent" else None
    folder = copy_apps(tmp_path_factory.mktemp(request.param))
    server = Server(folder, gunicorn("threads:app", *WORKERS[request.param]), config=TICKETS)
    try:
        answers = {
            "reuse": server.together(("/slow", key(REUSED)), ("/fast", key(REUSED))),
            "same": server.together(("/same", key(SAME)), ("/same", key(SAME))),
            "isolated": server.together(("/isolated", key(ONE)), ("/isolated", key(OTHER))),
        }
        connection = server.connection()
        for _ in range(3):
            connection.request("GET", "/once", headers={"X-Ticket": TICKET})
            assert connection.getresponse().read() == b'{"ticket":31}\n'
        connection.close()
        abandon(server, "/endless")
        answers["after"] = [server.get("/after") for _ in range(6)]
    finally:
        server.stop()
    return server, answers


def records_of(server: Server, route: str) -> list[dict]:
    return [record for record in server.records() if record["request"]["route"] == route]


def test_an_entry_deleted_under_a_slower_request_is_concurrent_reuse(served):
    server, answers = served
    assert [reply.json() for reply in answers["reuse"]] == [{"deleted": False}, {"deleted": True}]
    found = [finding for finding in server.findings() if finding["severity"] == "error"]
    line = marked("threads.py", "concurrent-reuse")
    assert ("concurrent-reuse", "threads.py", line) in places(found)
    reuse = next(finding for finding in found if finding["rule"] == "concurrent-reuse")
    assert reuse["request"]["route"] == "/slow"
    assert len({step["request"] for step in reuse["trail"]}) == 2


def test_the_same_key_in_parallel_requests_is_normal(served):
    server, answers = served
    assert [reply.json() for reply in answers["same"]] == [{"mine": True}] * 2
    records = records_of(server, "/same")
    assert [[e["action"] for e in record["events"]] for record in records] == [["acquire", "acquire", "release"]] * 2
    assert not [finding for finding in server.findings() if finding["request"]["route"] == "/same"]


def test_overlapping_requests_do_not_see_each_others_credentials(served):
    server, _ = served
    records = records_of(server, "/isolated")
    own = [[credential["fingerprint"] for credential in record["credentials"]] for record in records]
    assert [len(credentials) for credentials in own] == [1, 1]
    assert own[0] != own[1]
    for record, credentials in zip(records, own, strict=True):
        exposed = [event for event in record["events"] if event["action"] == "expose"]
        assert [event["credential"] for event in exposed] == credentials
        assert exposed[0]["location"]["line"] == marked("threads.py", "isolated")


def test_the_finding_of_both_is_counted_twice(served):
    server, _ = served
    lines = [f for f in server.findings() if f["location"]["line"] == marked("threads.py", "isolated")]
    assert len({finding["key"] for finding in lines}) == 1
    assert lines[-1]["count"] == 2


def test_requests_one_after_the_other_on_one_connection_do_not_overlap(served):
    server, _ = served
    assert len(records_of(server, "/once")) == 3
    assert not [finding for finding in server.findings() if finding["request"]["route"] == "/once"]


def test_a_stream_that_its_client_abandons_ends_its_request(served):
    server, answers = served
    [record] = records_of(server, "/endless")
    assert record["request"]["status"] == 200
    assert [event["action"] for event in record["events"]] == ["acquire", "acquire", "release"]
    assert [reply.json() for reply in answers["after"]] == [{"left": False}] * 6
    assert not [f for f in server.findings() if f["request"]["route"] in ("/endless", "/after")]


def test_nothing_failed_inside_rasp_and_no_worker_was_lost(served):
    server, _ = served
    assert " failed with " not in server.output
    assert "WORKER TIMEOUT" not in server.output
    assert server.output.count("Booting worker") == 1
