"""How the clients are given what they send, and odd callers, values and hosts."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import threading

import aiohttp
import httpx
import pytest
import requests
import urllib3
from contract import KEY, flask_app
from flask import request
from http_senders import SENDERS, with_requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from support.made_up import api_key, text
from support.upstream import resolve_to_loopback, upstream
from support.web import call

PLAIN = ("plaintext-credential", "error")
ELSEWHERE = ("raw-token-sent-elsewhere", "warning")


@pytest.fixture
def there(monkeypatch):
    resolve_to_loopback(monkeypatch)
    with upstream() as running:
        running.public = f"http://api.example.com:{running.port}"
        yield running
        running.settle()


def judged(installed, act, key=KEY, path="/"):
    app = flask_app()
    app.add_url_rule("/", "view", lambda: {"status": act(request.headers.get("X-API-Key", ""))})
    call(app, path, {"X-API-Key": key})
    return sorted((found.rule, found.severity.word) for found in installed.findings)


def async_aiohttp(url, **given):
    async def send():
        async with aiohttp.ClientSession() as session, session.post(url, **given) as answer:
            return answer.status

    return asyncio.run(send())


def pool_urllib3(url, **given):
    with urllib3.PoolManager() as pool:
        return pool.request("POST", url, **given).status


def basic(key):
    return "Basic " + base64.b64encode(f"ann:{key}".encode()).decode()


SHAPES = {
    "requests-json": lambda url, key: requests.post(url, json={"a": [key]}, timeout=10).status_code,
    "requests-form": lambda url, key: requests.post(url, data={"a": key}, timeout=10).status_code,
    "requests-multipart": lambda url, key: requests.post(url, data={"a": key}, files={"f": b"x"}).status_code,
    "requests-text": lambda url, key: requests.post(url, data=f"a {key}", timeout=10).status_code,
    "requests-basic": lambda url, key: requests.post(url, auth=("ann", key), timeout=10).status_code,
    "requests-cookie": lambda url, key: requests.post(url, cookies={"a": key}, timeout=10).status_code,
    "httpx-json": lambda url, key: httpx.post(url, json={"a": [key]}).status_code,
    "httpx-form": lambda url, key: httpx.post(url, data={"a": key}).status_code,
    "httpx-basic": lambda url, key: httpx.post(url, auth=("ann", key)).status_code,
    "httpx-cookie": lambda url, key: httpx.post(url, headers={"Cookie": f"a={key}"}).status_code,
    "aiohttp-json": lambda url, key: async_aiohttp(url, json={"a": [key]}),
    "aiohttp-form": lambda url, key: async_aiohttp(url, data={"a": key}),
    "aiohttp-text": lambda url, key: async_aiohttp(url, data=f"a {key}"),
    "aiohttp-basic": lambda url, key: async_aiohttp(url, headers={"Authorization": basic(key)}),
    "urllib3-json": lambda url, key: pool_urllib3(url, json={"a": [key]}),
    "urllib3-multipart": lambda url, key: pool_urllib3(url, fields={"a": key}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_key_is_seen_however_it_is_given(install_rasp, there, shape):
    installed = install_rasp()
    assert judged(installed, lambda key: SHAPES[shape](there.public, key)) == [PLAIN, ELSEWHERE]
    assert len(there.seen) == 1


ODD = {
    "regex": "(a+)+$[^x]*k7Jk2Lm9Qw",
    "punctuation": "a7'\"<>&;Jk2Lm9Qw4Er6;=%41",
    "slashes": "ur7Jk2Lm9+Qw4/Er6Ty8Ui3==",
    "long": text("long", 60) * 130,
    "percent": "a%20b%2Bc7Jk2Lm9Qw4Er6",
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", ["http.client", "requests", "httpx", "aiohttp"])
def test_odd_keys_are_seen_in_headers_and_urls(install_rasp, there, odd, name):
    installed = install_rasp()
    key, send = ODD[odd], SENDERS[name]
    assert judged(installed, lambda seen: send("GET", there.public, {"X-A": seen}), key) == [PLAIN, ELSEWHERE]
    assert there.seen[0].headers["x-a"] == key


@pytest.mark.parametrize("key", ["", "test", "x", "a" * 40])
def test_what_is_no_credential_may_go_anywhere(install_rasp, there, key):
    installed = install_rasp()
    found = judged(installed, lambda seen: with_requests("GET", f"{there.public}/?k={seen}", {"X-A": seen}), key)
    assert [rule for rule, _ in found if rule != "weak-credential"] == []


def test_a_key_of_eight_to_fifteen_characters_is_one_severity_lower(install_rasp, there):
    installed = install_rasp()
    found = judged(installed, lambda seen: with_requests("GET", there.public, {"X-A": seen}), "k7Jk2Lm9Qw")
    assert found == [
        ("plaintext-credential", "warning"),
        ("raw-token-sent-elsewhere", "note"),
        ("weak-credential", "note"),
    ]


def test_a_host_made_of_a_key_is_not_written_down(install_rasp, monkeypatch):
    installed = install_rasp()
    short, long = "k7Jk2Lm9Qw", "k7Jk2Lm9Qw4Er6Ty8Ui3"
    for key in (short, long):
        resolve_to_loopback(monkeypatch, f"{key}.example.com".lower(), f"{key}.example.com")
        with upstream() as running:
            url = f"http://{key}.example.com:{running.port}/"
            judged(installed, lambda seen, url=url: with_requests("GET", url, {"X-A": seen}), key)
            running.settle()
    assert installed.findings
    told = repr([(found, [step.slot for step in found.trail]) for found in installed.findings]).lower()
    assert short.lower() not in told


def test_a_single_use_ticket_in_a_url_is_a_note(install_rasp, there):
    """CAS: the app asks the server that issued it whether a ticket is good, with the ticket in the query."""
    installed = install_rasp(credential=[{"source": "query:ticket", "kind": "single_use"}])
    ticket = "ST-" + text("ticket", 30)

    def act(_):
        return with_requests("GET", f"{there.public}/validate?ticket={request.args['ticket']}")

    assert judged(installed, act, path=f"/?ticket={ticket}") == [("raw-token-in-url", "note")]


def test_a_compressed_body_is_left_alone(install_rasp, there):
    installed = install_rasp()
    body = gzip.compress(json.dumps({"a": KEY}).encode())
    assert judged(installed, lambda key: with_requests("POST", there.public, {"Content-Encoding": "gzip"}, body)) == []
    assert there.seen[0].body == body


def test_an_exporter_of_telemetry_is_not_the_app_sending(install_rasp, there):
    """What a span holds is judged as a span; the exporter that carries it within the request is no second finding."""
    installed = install_rasp()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"{there.public}/v1/traces")))

    def act(key):
        with provider.get_tracer("t").start_as_current_span("work") as span:
            span.set_attribute("key", key)
        return 200

    try:
        found = judged(installed, act)
    finally:
        provider.shutdown()
    assert found == [("raw-token-in-telemetry", "error")]
    assert KEY.encode() in there.seen[0].body


def test_many_threads_send_each_for_its_own_caller(install_rasp, there):
    installed = install_rasp(allowed_hosts=["api.example.com"], rules={"plaintext-credential": "off"})
    app, failed = flask_app(), []
    app.add_url_rule(
        "/", "view", lambda: {"s": with_requests("GET", there.public, {"X-A": request.headers["X-API-Key"]})}
    )

    def run(number):
        key = api_key(f"thread {number}")
        for _ in range(10):
            if call(app, "/", {"X-API-Key": key}).status != "200 OK":
                failed.append(number)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    assert installed.findings == []
    assert len(there.seen) == 80


def test_several_sends_at_once_in_one_request(install_rasp, there):
    """Tasks on one thread: none covers another's send."""
    installed = install_rasp(record=True)

    def act(key):
        async def send():
            async with aiohttp.ClientSession() as first, httpx.AsyncClient() as second:

                async def one():
                    async with first.get(there.url, headers={"X-A": key}) as answer:
                        return answer.status

                async def two():
                    return (await second.get(there.url, headers={"X-A": key})).status_code

                return sum(await asyncio.gather(one(), two(), one(), two()))

        return asyncio.run(send())

    assert judged(installed, act) == []
    assert sorted(holder for _, holder in installed.seen("aiohttp", "httpx")) == ["aiohttp"] * 2 + ["httpx"] * 2


def test_what_a_library_sends_by_itself_has_a_place(install_rasp, there):
    """A worker thread of a library: no request, and no code of the app's on its stack."""
    installed = install_rasp(app_packages=["nothing_of_this"])
    installed.runtime.ledger.own(KEY, "env:VENDOR_API_KEY")
    worker = threading.Thread(target=with_requests, args=("GET", f"{there.public}/?api_key={KEY}"))
    worker.start()
    worker.join(20)
    assert [(found.rule, found.location.function) for found in installed.findings] == [
        ("raw-token-in-url", "with_requests")
    ]
    assert installed.findings[0].location.line > 1


def test_rasp_allow_lets_a_send_be(install_rasp, there):
    import rasp

    installed = install_rasp(mode="strict")

    def act(key):
        with rasp.allow("raw-token-sent-elsewhere", reason="a partner"), rasp.allow("plaintext-credential", reason="x"):
            return with_requests("GET", there.public, {"X-A": key})

    assert judged(installed, act) == []
