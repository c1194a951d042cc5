"""Spans as a real collector receives them over OTLP: parents, links, attributes and release events."""

from __future__ import annotations

import gzip
import http.server
import importlib.util
import json
import queue
import signal
import socket
import subprocess
import sysconfig
import threading
from pathlib import Path
from typing import Any

import pytest
from e2e.serving import PATIENCE, Server, clean_environ, copy_apps, gunicorn, marked

pytest.importorskip("rotel")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

KEY, OTHER = "rk_5TnWc8QxKs2ZmVb7LdRy4HgJpFa9", "rk_3MdHk6VwXz9TqLn5RcBs8YgPjFe2"
LIBRARIES = {"LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR"))}
"""Where rotel finds the libpython it is linked to."""
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ATTRIBUTES = {
    "security_rule.name",
    "security_rule.category",
    "security_rule.ruleset.name",
    "rasp.severity",
    "rasp.credential.fingerprint",
    "rasp.credential.kind",
    "rasp.holder",
    "rasp.slot",
    "code.file.path",
    "code.line.number",
    "code.function.name",
    "rasp.trail",
}


class Back(http.server.ThreadingHTTPServer):
    """What the collector hands its spans on to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receive)
        self.spans: queue.SimpleQueue[Any] = queue.SimpleQueue()


class Receive(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    assert isinstance(self.server, Back)
                    self.server.spans.put((scope.scope.name, span))

    def log_message(self, *args: object) -> None:
        """Keeps the test's output clean."""


def agent() -> str:
    """rotel's program; it is linked to a shared libpython, which not every Python has."""
    spec = importlib.util.find_spec("rotel")
    assert spec is not None
    assert spec.origin is not None
    program = str(Path(spec.origin).parent / "rotel-agent")
    tried = subprocess.run(
        [program, "--version"], env=clean_environ(**LIBRARIES), capture_output=True, text=True, check=False
    )
    if "error while loading shared libraries" in tried.stderr:
        pytest.skip(
            f"rotel does not start here: {tried.stderr.strip().rpartition(': ')[0].partition('rotel-agent: ')[2]}"
        )
    assert tried.returncode == 0, tried.stderr
    return program


class Collector:
    """rotel on free ports, handing on what it receives."""

    def __init__(self, program: str, http_port: int, grpc_port: int, onward: str) -> None:
        command = [
            program,
            "start",
            f"--otlp-http-endpoint=127.0.0.1:{http_port}",
            f"--otlp-grpc-endpoint=127.0.0.1:{grpc_port}",
            "--exporter=otlp",
            f"--otlp-exporter-endpoint={onward}",
            "--otlp-exporter-protocol=http",
            "--disable-batching",
            "--log-format=text",
        ]
        self.process = subprocess.Popen(
            command, env=clean_environ(**LIBRARIES), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def wait_until_ready(self, port: int) -> None:
        """It logs nothing once it listens, so that is tried."""
        for _ in range(PATIENCE * 50):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
            except ConnectionRefusedError:
                try:
                    self.process.wait(0.02)
                except subprocess.TimeoutExpired:
                    continue
                raise AssertionError(self.stop()) from None
            else:
                return
        raise AssertionError(self.stop())

    def stop(self) -> str:
        """Ends it; what it wrote."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=PATIENCE)[0]


def free_ports(number: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


class Spans:
    """What arrived: by trace, and by name in it."""

    def __init__(self, arrived: list[tuple[str, Any]]) -> None:
        self.scopes = {span.span_id: scope for scope, span in arrived}
        self.all = [span for _, span in arrived]

    def named(self, name: str, near: Any = None) -> Any:
        """The one span of that name, in the trace of another."""
        found = [s for s in self.all if s.name == name and (near is None or s.trace_id == near.trace_id)]
        assert len(found) == 1, (name, [span.name for span in self.all])
        return found[0]


def attributes(thing: Any) -> dict[str, Any]:
    return {entry.key: getattr(entry.value, entry.value.WhichOneof("value")) for entry in thing.attributes}


EXPECTED = 5 + 5 + 2 + 2
REQUESTS = {
    "spans": ("/spans", KEY, None),
    "spans-called": ("/spans", OTHER, f"00-{'a' * 32}-{PARENT}-01"),
    "called": ("/no-spans", KEY, f"00-{TRACE}-{PARENT}-01"),
    "alone": ("/no-spans", OTHER, None),
}


@pytest.fixture(scope="module")
def delivered(tmp_path_factory):
    """All spans of four requests after they went through the collector, the server, and its records."""
    program = agent()
    back = Back()
    thread = threading.Thread(target=back.serve_forever)
    thread.start()
    http_port, grpc_port = free_ports(2)
    collector = Collector(program, http_port, grpc_port, f"http://127.0.0.1:{back.server_port}")
    try:
        collector.wait_until_ready(http_port)
        folder = copy_apps(tmp_path_factory.mktemp("traced"))
        receiver = f"http://127.0.0.1:{http_port}/v1/traces"
        server = Server(folder, gunicorn("traced:app"), RECEIVER=receiver)
        try:
            for path, key, traceparent in REQUESTS.values():
                extra = {} if traceparent is None else {"traceparent": traceparent}
                server.get(path, X_API_Key=key, **extra)
        finally:
            server.stop()
        arrived = [back.spans.get(timeout=PATIENCE) for _ in range(EXPECTED)]
    finally:
        said = collector.stop()
        back.shutdown()
        thread.join(PATIENCE)
        back.server_close()
    assert back.spans.empty(), said
    return Spans(arrived), server


def request_spans(delivered) -> dict[str, Any]:
    """The ``rasp.request`` of each request, by its name above."""
    spans, server = delivered
    order = [record["request"]["id"] for record in server.records()]
    own = {attributes(span)["rasp.request.id"]: span for span in spans.all if span.name == "rasp.request"}
    return {name: own[identifier] for name, identifier in zip(REQUESTS, order, strict=True)}


@pytest.mark.parametrize("name", ["spans", "spans-called"])
def test_the_requests_span_is_a_child_of_the_apps_active_span(delivered, name):
    spans, _ = delivered
    own = request_spans(delivered)[name]
    assert own.parent_span_id == spans.named("work", own).span_id


def test_without_an_active_span_it_is_a_child_of_the_callers(delivered):
    own = request_spans(delivered)["called"]
    assert (own.trace_id.hex(), own.parent_span_id.hex()) == (TRACE, PARENT)


def test_without_either_it_is_a_root(delivered):
    assert request_spans(delivered)["alone"].parent_span_id == b""


def test_it_carries_one_event_for_each_release(delivered):
    for name, own in request_spans(delivered).items():
        events = [attributes(event) for event in own.events if event.name == "rasp.release"]
        assert len(events) == len(own.events) == 2, name
        assert {event["rasp.holder"] for event in events} == {"flask.g"}
        assert all(own.start_time_unix_nano <= e.time_unix_nano <= own.end_time_unix_nano for e in own.events)


def test_rasp_makes_no_server_span_and_opens_none_around_the_app(delivered):
    spans, _ = delivered
    assert not [span for span in spans.all if span.kind == 2]
    roots = [span.name for span in spans.all if span.parent_span_id == b""]
    assert sorted(roots) == ["rasp.request", "work", "work"]


@pytest.mark.parametrize("name", ["spans", "spans-called"])
def test_a_finding_hangs_below_the_current_span_and_links_to_that_of_the_first_release(delivered, name):
    spans, _ = delivered
    own = request_spans(delivered)[name]
    found = spans.named("rasp double-release", own)
    assert found.parent_span_id == spans.named("second", own).span_id
    assert [link.span_id for link in found.links] == [spans.named("first", own).span_id]
    assert (found.status.code, attributes(found)["rasp.severity"]) == (2, "error")


@pytest.mark.parametrize("name", ["called", "alone"])
def test_where_no_span_was_current_both_are_the_requests(delivered, name):
    spans, _ = delivered
    own = request_spans(delivered)[name]
    found = spans.named("rasp double-release", own)
    assert found.parent_span_id == own.span_id
    assert [link.span_id for link in found.links] == [own.span_id]
    assert (found.status.code, attributes(found)["rasp.severity"]) == (0, "warning")


def test_a_findings_attributes_are_those_of_the_contract(delivered):
    spans, server = delivered
    found = spans.named("rasp double-release", request_spans(delivered)["spans"])
    given = attributes(found)
    assert set(given) == ATTRIBUTES
    [finding] = [f for f in server.findings() if f["severity"] == "error" and f["count"] == 1]
    assert given["security_rule.name"] == "double-release"
    assert given["security_rule.ruleset.name"] == "rasp"
    assert given["rasp.credential.kind"] == "api_key"
    assert given["rasp.credential.fingerprint"] == finding["credential"]["fingerprint"]
    assert (given["rasp.holder"], given["rasp.slot"]) == ("flask.g", "api_key")
    assert (given["code.file.path"], given["code.function.name"]) == ("traced.py", "spans")
    assert given["code.line.number"] == marked("traced.py", "spans")
    assert [step["action"] for step in json.loads(given["rasp.trail"])] == ["acquire", "release", "release"]


def test_the_file_names_the_span_that_was_current(delivered):
    spans, server = delivered
    second = spans.named("second", request_spans(delivered)["spans"])
    [finding] = [f for f in server.findings() if f["severity"] == "error" and f["count"] == 1]
    assert (finding["trace_id"], finding["span_id"]) == (second.trace_id.hex(), second.span_id.hex())


def test_no_span_of_rasp_holds_a_key(delivered):
    spans, _ = delivered
    sent = "".join(str(span) for span in spans.all if spans.scopes[span.span_id] == "rasp")
    assert "rasp double-release" in sent
    assert not [key for key in (KEY, OTHER) if key[:16] in sent or key[-16:] in sent]
