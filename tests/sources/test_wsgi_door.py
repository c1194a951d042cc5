"""The WSGI door keeps to PEP 3333: servers and apps cannot tell that it is there."""

from __future__ import annotations

import io
import sys
import wsgiref.validate
from wsgiref.util import FileWrapper

import pytest
from flask import Flask, request
from support.made_up import api_key, jwt
from support.web import environ, serve, through_server

import rasp

KEY = api_key("door")
HEADERS = [("Content-Type", "text/plain")]


def answering(body):
    """A WSGI app with this body."""

    def app(environ, start_response):
        start_response("200 OK", HEADERS)
        return body

    return app


def through(app, made=None):
    """What the door returns to a server."""
    return rasp.Middleware(app)(made or environ("/", {"X-API-Key": KEY}), lambda *args: lambda data: None)


class Closing:
    """A body that counts its closes."""

    def __init__(self, *parts):
        self.parts = iter(parts)
        self.closed = 0

    def __iter__(self):
        return self.parts

    def close(self):
        self.closed += 1


@pytest.mark.parametrize("body", [[], [b"one"], [b"one", b"two"], (b"one",)])
def test_the_length_and_truth_of_a_body_are_kept(observe, body):
    passed = through(answering(body))
    assert len(passed) == len(body)
    assert bool(passed) == bool(body)
    assert list(passed) == list(body)


def test_a_generator_gets_no_length(observe):
    assert not hasattr(through(answering(part for part in [b"a"])), "__len__")


def test_a_file_wrapper_reaches_the_server_itself(observe):
    wrapped = FileWrapper(io.BytesIO(b"content"))
    made = environ("/", {"X-API-Key": KEY}) | {"wsgi.file_wrapper": FileWrapper}
    assert through(answering(wrapped), made) is wrapped


def test_exc_info_is_passed_on(observe):
    seen = []

    def app(environ, start_response):
        start_response("200 OK", HEADERS)
        try:
            raise ValueError("late")
        except ValueError:
            start_response("500 Oops", HEADERS, sys.exc_info())
        return [b"sorry"]

    def start_response(status, headers, exc_info=None):
        seen.append((status, exc_info and exc_info[0]))

    rasp.Middleware(app)(environ("/"), start_response)
    assert seen == [("200 OK", None), ("500 Oops", ValueError)]


def test_write_works(observe):
    def app(environ, start_response):
        write = start_response("200 OK", HEADERS)
        write(b"first ")
        return [b"last"]

    assert serve(rasp.Middleware(app), environ("/")).body == b"first last"


def test_the_body_is_closed_once_and_only_by_the_server(observe):
    body = Closing(b"a", b"b")
    passed = through(answering(body))
    assert list(passed) == [b"a", b"b"]
    assert body.closed == 0
    passed.close()
    assert body.closed == 1


def test_an_abandoned_body_is_closed_once(observe):
    body = Closing(b"a", b"b")
    passed = through(answering(body))
    assert next(iter(passed)) == b"a"
    passed.close()
    assert body.closed == 1


def test_the_body_is_not_asked_for_before_the_server_asks(observe):
    asked = []

    def rows():
        asked.append(1)
        yield b"a"

    passed = through(answering(rows()))
    assert asked == []
    assert list(passed) == [b"a"]


@pytest.mark.parametrize("mode", ["observe", "protect", "strict"])
def test_the_validator_has_nothing_to_say_on_either_side(install_rasp, mode):
    """It warns and raises on what breaks the protocol; both of its halves are around rasp."""
    install_rasp(mode=mode)

    def app(environ, start_response):
        sent = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        write = start_response("200 OK", [("Content-Type", "application/json")])
        write(b"<")
        return iter([sent, b">"])

    inside = wsgiref.validate.validator(app)
    outside = wsgiref.validate.validator(rasp.Middleware(inside))
    document = b'{"access_token": "' + jwt().encode() + b'"}'
    made = environ("/", {"X-API-Key": KEY}, method="POST", body=document)
    assert through_server(outside, made).endswith(b"\r\n\r\n<" + document + b">")


def into_a_buffer(stream, size):
    buffer = bytearray(size)
    return buffer[: stream.readinto(buffer)]


READERS = {
    "read": lambda stream, size: stream.read(),
    "read(size)": lambda stream, size: stream.read(size),
    "in pieces": lambda stream, size: b"".join(iter(lambda: stream.read(7), b"")),
    "readline": lambda stream, size: b"".join(iter(stream.readline, b"")),
    "readlines": lambda stream, size: b"".join(stream.readlines()),
    "iteration": lambda stream, size: b"".join(stream),
    "next": lambda stream, size: next(stream),
    "read1": lambda stream, size: stream.read1(size),
    "readinto": into_a_buffer,
}


@pytest.mark.parametrize("reader", READERS)
def test_the_input_is_recorded_however_it_is_read(install_rasp, reader):
    installed = install_rasp(record=True)
    document = b'{"access_token": "' + jwt().encode() + b'"}'
    read = []

    def app(environ, start_response):
        read.append(bytes(READERS[reader](environ["wsgi.input"], len(document))))
        start_response("200 OK", HEADERS)
        return []

    serve(rasp.Middleware(app), environ("/", method="POST", body=document))
    assert read == [document]
    (record,) = installed.records()
    assert [credential.source for credential in record.credentials] == ["json:access_token"]


@pytest.mark.parametrize("type", ["application/json", "application/x-www-form-urlencoded"])
def test_flask_reads_a_body_and_its_credential_is_seen(install_rasp, type):
    installed = install_rasp(record=True)
    app = Flask("door_app")
    app.add_url_rule(
        "/", "view", lambda: {"got": (request.form or request.get_json())["api_key"] == KEY}, methods=["POST"]
    )
    body = f"api_key={KEY}&a=1".encode() if "form" in type else f'{{"api_key": "{KEY}"}}'.encode()
    assert b'{"got":true}' in through_server(app, environ("/", method="POST", body=body, type=type))
    (record,) = installed.records()
    assert [credential.source.partition(":")[2] for credential in record.credentials] == ["api_key"]


def test_an_app_that_reads_nothing_leaves_the_input_unread(observe):
    made = environ("/", method="POST", body=b'{"access_token": 1}')
    stream = made["wsgi.input"]
    serve(rasp.Middleware(answering([b"ok"])), made)
    assert stream.tell() == 0
