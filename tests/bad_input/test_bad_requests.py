"""Odd, broken and hostile requests through a real server: answered as without rasp, and nothing fails inside rasp."""

from __future__ import annotations

import base64
import json

import pytest
from e2e.serving import Server, copy_apps, gunicorn, marked

KEY = "rk_7WcTz3XmQs9VdLb5KnRy2HgJpFa8"
IN_BODY = "ck_3LdWz8QxTs6VmKb9RnHy2YgJpFe5"
REGEX = r"rk_(.*)+[a-z$^|?{2}\d]Kq7Wz3Xm"
UNICODE = "rk_schlüssel-Ωμέγα-7Wz3XmQ9sVdL"
ASTRAL = "tk_\U0001f511clef-\u00e9-3XmQ9sVdL7Wz"
LONG = "".join(f"{number:05d}aZ" for number in range(1150))  # 8 kB, as long as gunicorn takes


def header(name: str, value: bytes, path: str = "/echo", method: str = "GET", body: bytes = b"") -> bytes:
    length = f"Content-Length: {len(body)}\r\n".encode() if body else b""
    start = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
    return start + length + name.encode() + b": " + value + b"\r\n\r\n" + body


def basic(pair: str) -> bytes:
    return b"Basic " + base64.b64encode(pair.encode())


MANY = "; ".join(f"api_key=ck{number:03d}Zt7Wz3XmQ9sVdL" for number in range(140))
MANY_QUERY = "&".join(f"key=sk_live_{number:03d}Zt7Wz3XmQ9sVdL5Kn" for number in range(60))
JSON = b"application/json"

REQUESTS: dict[str, bytes] = {
    "plain": header("X-API-Key", KEY.encode()),
    "long": header("X-API-Key", LONG.encode()),
    "long-logged": header("X-API-Key", LONG.encode(), "/log"),
    "latin-1": header("X-API-Key", b"rk_\xff\xfe\x80\xc3\x28-7Wz3XmQ9sVdL5Kn"),
    "latin-1-logged": header("X-API-Key", b"rk_\xff\xfe\x80\xc3\x28-7Wz3XmQ9sVdL5Kn", "/log"),
    "latin-1-bearer": header("Authorization", b"Bearer \xff\xfe\x80\xc3\x28-7Wz3XmQ9sVdL5Kn"),
    "latin-1-cookie": header("Cookie", b"session=\xff\xfe\x80\xc3\x28-7Wz3XmQ9sVdL5Kn; \xff=\xfe"),
    "empty": header("X-API-Key", b""),
    "empty-bearer": header("Authorization", b"Bearer "),
    "only-scheme": header("Authorization", b"Bearer"),
    "empty-basic": header("Authorization", b"Basic "),
    "invalid-basic": header("Authorization", b"Basic !!!not*base64!!!"),
    "odd-basic": header("Authorization", b"Basic abcde"),
    "basic-no-colon": header("Authorization", basic("no-colon-in-here-7Wz3XmQ9")),
    "basic": header("Authorization", basic("user:pass-7Wz3XmQ9sVdL5Kn")),
    "placeholder": header("X-API-Key", b"undefined", "/many"),
    "regex": header("X-API-Key", REGEX.encode(), "/log"),
    "unicode": header("X-API-Key", UNICODE.encode(), "/log"),
    "astral-bearer": header("Authorization", b"Bearer " + ASTRAL.encode(), "/bearer"),
    "many": header("Cookie", MANY.encode(), f"/many?{MANY_QUERY}"),
    "binary-body": header("Content-Type", b"application/octet-stream", method="POST", body=bytes(range(256)) * 8),
    "binary-as-json": header("Content-Type", JSON, method="POST", body=bytes(range(256)) * 8),
    "invalid-json": header("Content-Type", JSON, method="POST", body=b'{"api_key": "rk_7Wz3XmQ9sVdL5KnT'),
    "deep-json": header("Content-Type", JSON, method="POST", body=b"[" * 30_000),
    "wide-json": header(
        "Content-Type", JSON, method="POST", body=json.dumps({str(n): n for n in range(5000)}).encode()
    ),
    "json": header("Content-Type", JSON, method="POST", body=json.dumps({"api_key": IN_BODY}).encode()),
    "odd-form": header(
        "Content-Type",
        b"application/x-www-form-urlencoded",
        method="POST",
        body=b"api_key=%ff%fe%zz&=&&&api_key&" + b"a=1&" * 2000,
    ),
    "odd-query": header("Accept", b"*/*", "/echo?api_key=%ff%fe%zz&=&&api_key&%=%&token=%00"),
    "odd-traceparent": header("traceparent", b"00-zz-\xff-01"),
}


def answer(server: Server, request: bytes) -> bytes:
    """All of the response but its date."""
    return b"\r\n".join(line for line in server.raw(request).split(b"\r\n") if not line.startswith(b"Date:"))


def drive(folder, mode):
    server = Server(copy_apps(folder), gunicorn("input:app"), mode=mode)
    try:
        answers = {name: answer(server, request) for name, request in REQUESTS.items()}
    finally:
        server.stop()
    return server, answers


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    return drive(tmp_path_factory.mktemp("bare"), None)[1]


@pytest.fixture(scope="module", params=["observe", "protect"])
def served(request, tmp_path_factory):
    return drive(tmp_path_factory.mktemp(request.param), request.param)


def record(served, name: str) -> dict:
    """The record of a request; each was sent once, and in order."""
    server, _ = served
    return dict(zip(REQUESTS, server.records(), strict=True))[name]


def logged(served, name: str) -> list[dict]:
    """The exposures of a request."""
    return [event for event in record(served, name)["events"] if event["action"] == "expose"]


def test_the_server_hands_every_request_to_the_app(bare):
    """One of them is too deep for the app itself, with or without rasp."""
    statuses = {name: int(reply.split()[1]) for name, reply in bare.items()}
    assert statuses == dict.fromkeys(REQUESTS, 200) | {"deep-json": 500}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_answer_is_that_without_rasp(bare, served, name):
    assert served[1][name] == bare[name]


def test_nothing_failed_inside_rasp_and_every_request_is_recorded(served):
    server, _ = served
    assert " failed with " not in server.output
    assert server.output.count("Traceback") == 1  # the app's own, of the document that is too deep
    assert len(server.records()) == len(REQUESTS)


@pytest.mark.parametrize("name", ["empty", "empty-bearer", "empty-basic", "binary-body", "invalid-json", "deep-json"])
def test_what_holds_no_credential_records_none(served, name):
    assert record(served, name)["credentials"] == []


@pytest.mark.parametrize(
    ("name", "kind", "length"),
    [
        ("plain", "api_key", len(KEY)),
        ("long", "api_key", len(LONG)),
        ("regex", "api_key", len(REGEX)),
        ("basic", "basic", None),
        ("basic-no-colon", "basic", None),
        ("invalid-basic", "bearer", len("!!!not*base64!!!")),
        ("json", "custom", len(IN_BODY)),
    ],
)
def test_what_is_followed_is_named(served, name, kind, length):
    [credential] = record(served, name)["credentials"]
    assert (credential["kind"], credential.get("length")) == (kind, length)


def test_of_200_tokens_16_are_followed_and_the_rest_counted(served):
    found = record(served, "many")
    assert len(found["credentials"]) == 16
    assert found["dropped"] == 200 - 16


@pytest.mark.parametrize("name", ["long-logged", "latin-1-logged", "regex", "unicode"])
def test_an_odd_key_is_found_in_the_log_all_the_same(served, name):
    [exposed] = logged(served, name)
    assert exposed["location"] == {"file": "input.py", "line": marked("input.py", "input"), "function": "leak"}
    assert exposed["credential"] == record(served, name)["credentials"][0]["fingerprint"]


def test_a_token_beyond_the_basic_plane_is_found_in_the_log(served):
    [exposed] = logged(served, "astral-bearer")
    assert exposed["location"]["line"] == marked("input.py", "bearer")


def test_protect_masks_odd_keys_whole(served):
    server, _ = served
    if server.findings()[0]["mode"] != "protect":
        assert REGEX in server.output
        return
    lines = [line for line in server.lines if line.startswith("input: caller <")]
    assert len(lines) == 5
    for line in lines:
        assert line.removeprefix("input: caller <").removeprefix("Bearer ").startswith("[credential:"), line
        assert line.endswith("]>\n")


def test_a_placeholder_is_a_note_and_not_followed(served):
    server, _ = served
    identifier = record(served, "placeholder")["request"]["id"]
    assert record(served, "placeholder")["credentials"] == []
    found = [finding for finding in server.findings() if finding["rule"] == "weak-credential"]
    assert {finding["severity"] for finding in found} == {"note"}
    assert identifier in {finding["request"]["id"] for finding in found}


def test_no_key_stands_in_the_files(served):
    server, _ = served
    written = server.findings_file.read_text() + server.events_file.read_text()
    for secret in (KEY, IN_BODY, REGEX, LONG, "7Wz3XmQ9sVdL5Kn", "pass-7Wz3XmQ9"):
        assert secret[:16] not in written
        assert secret[-16:] not in written


def test_a_password_that_is_not_utf_8_is_followed(tmp_path):
    server = Server(copy_apps(tmp_path), gunicorn("input:app"))
    try:
        server.raw(header("Authorization", b"Basic " + base64.b64encode(b"user:\xff\xfe-7Wz3XmQ9sVdL5Kn")))
    finally:
        server.stop()
    assert " failed with " not in server.output
    assert [[c["kind"] for c in found["credentials"]] for found in server.records()] == [["basic"]]


def test_a_binary_secret_key_leaves_the_route_known(tmp_path):
    folder = copy_apps(tmp_path)
    (folder / "binary.py").write_text("from input import app\n\napp.secret_key = bytes(range(200, 232))\n")
    server = Server(folder, gunicorn("binary:app"))
    try:
        server.get("/echo", X_API_Key=KEY)
    finally:
        server.stop()
    assert " failed with " not in server.output
    assert [found["request"]["route"] for found in server.records()] == ["/echo"]
