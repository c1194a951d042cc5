"""The app's own key for an LLM provider, spent for callers of all sorts; the providers' own clients, real TLS."""

from __future__ import annotations

import asyncio
import hmac
import json

import anthropic
import httpx2
import jwt
import openai
import pytest
import requests
from contract import KEY, flask_app
from flask import request, session
from http_senders import tls
from support.made_up import SIGNING_KEY, text
from support.made_up import jwt as made_up_jwt
from support.upstream import certificate, resolve_to_loopback, upstream
from support.web import call

from rasp.errors import UnauthenticatedLlmEndpoint

PROVIDER = "sk-proj-" + text("provider", 40)
COMPLETION = {
    "id": "c1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello"}}],
}
MESSAGE = {
    "id": "m1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}


@pytest.fixture
def provider(monkeypatch, tmp_path):
    """Both providers, on loopback under their own names."""
    resolve_to_loopback(monkeypatch)
    context, trust = certificate(tmp_path)
    with upstream(context) as running:
        running.trust = trust
        running.says("/v1/chat/completions", COMPLETION)
        running.says("/v1/messages", MESSAGE)
        yield running
        running.settle()


def ask_openai(provider, key=PROVIDER, host="api.openai.com"):
    with (
        httpx2.Client(verify=tls(provider.trust)) as http,
        openai.OpenAI(
            api_key=key, base_url=f"https://{host}:{provider.port}/v1", http_client=http, max_retries=0
        ) as client,
    ):
        asked = [{"role": "user", "content": "hi"}]
        return client.chat.completions.create(model="gpt", messages=asked).choices[0].message.content


def ask_openai_async(provider, key=PROVIDER):
    async def ask():
        base = f"https://api.openai.com:{provider.port}/v1"
        async with (
            httpx2.AsyncClient(verify=tls(provider.trust)) as http,
            openai.AsyncOpenAI(api_key=key, base_url=base, http_client=http, max_retries=0) as client,
        ):
            asked = [{"role": "user", "content": "hi"}]
            answer = await client.chat.completions.create(model="gpt", messages=asked)
            return answer.choices[0].message.content

    return asyncio.run(ask())


def ask_anthropic(provider, key=PROVIDER):
    base = f"https://api.anthropic.com:{provider.port}"
    with (
        httpx2.Client(verify=tls(provider.trust)) as http,
        anthropic.Anthropic(api_key=key, base_url=base, http_client=http, max_retries=0) as client,
    ):
        asked = [{"role": "user", "content": "hi"}]
        return client.messages.create(model="claude", max_tokens=9, messages=asked).content[0].text


def ask_with_requests(provider, key=PROVIDER, method="POST"):
    headers = {"Authorization": f"Bearer {key}"}
    there = f"https://api.openai.com:{provider.port}/v1/chat/completions"
    answer = requests.request(method, there, json={}, headers=headers, verify=provider.trust, timeout=10)
    return answer.json()["choices"][0]["message"]["content"]


@pytest.fixture(params=[ask_openai, ask_openai_async, ask_anthropic, ask_with_requests])
def ask(request):
    return request.param


def answered(installed, view, headers=None, own=True, path="/", **more):
    """(rule, severity) of what is found when a view asks a provider; the app's key is followed, or is not."""
    if own:
        installed.runtime.ledger.own(PROVIDER, "env:OPENAI_API_KEY")
    app = flask_app(SECRET_KEY=text("secret key"))
    app.add_url_rule("/", "view", lambda: {"said": view()}, methods=["GET", "POST"])
    answer = call(app, path, headers, **more)
    assert json.loads(answer.body) == {"said": "hello"}
    return [(found.rule, found.severity.word) for found in installed.findings]


@pytest.mark.parametrize("own", [True, False], ids=["followed", "not-followed"])
def test_nobody_presented_anything(install_rasp, provider, ask, own):
    installed = install_rasp(record=True)
    assert answered(installed, lambda: ask(provider), own=own) == [("unauthenticated-llm-endpoint", "warning")]
    assert [action for action, _ in installed.seen("httpx2", "requests")] == ["use"]
    credential = installed.findings[0].credential
    assert (credential and credential.kind) == ("service" if own else None)
    assert PROVIDER[8:] not in str(installed.findings[0])


def test_strict_stops_it(install_rasp, provider, ask):
    installed = install_rasp(mode="strict")
    with pytest.raises(Exception) as caught:
        answered(installed, lambda: ask(provider))
    chain = [caught.value, caught.value.__cause__, caught.value.__context__]
    assert any(isinstance(error, UnauthenticatedLlmEndpoint) for error in chain), (
        "clients say it with an error of theirs"
    )
    assert provider.seen == []


def test_a_key_that_nobody_verified_is_a_note(install_rasp, provider, ask):
    found = answered(install_rasp(), lambda: ask(provider), {"X-API-Key": KEY})
    assert found == [("unauthenticated-llm-endpoint", "note")]


def test_a_verified_caller_is_fine(install_rasp, provider, ask):
    def view():
        token = request.headers["Authorization"].removeprefix("Bearer ")
        jwt.decode(token, SIGNING_KEY, algorithms=["HS256"])
        return ask(provider)

    # The made-up token has no expiry, which is a note of its own.
    assert answered(install_rasp(), view, {"Authorization": f"Bearer {made_up_jwt()}"}) == [
        ("long-lived-token", "note")
    ]


def test_a_compared_key_is_verified(install_rasp, provider):
    def view():
        assert hmac.compare_digest(request.headers["X-API-Key"], KEY)
        return ask_openai(provider)

    assert answered(install_rasp(), view, {"X-API-Key": KEY}) == []


def test_a_session_that_flask_has_verified_is_a_caller(install_rasp, provider):
    app = flask_app(SECRET_KEY=text("secret key"))

    @app.get("/login")
    def login():
        session["user"] = "ann"
        return "ok"

    cookie = dict(call(app, "/login").headers)["Set-Cookie"].partition(";")[0]
    installed = install_rasp()
    assert answered(installed, lambda: ask_openai(provider), {"Cookie": cookie}) == []


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({}, f"/?token={text('a candidate', 32)}"),
        ({"X-API-Key": "letmein1"}, "/"),
        ({"X-Hub-Signature-256": f"sha256={text('signature', 40)}"}, "/"),
        ({"Authorization": "Digest username=ann"}, "/"),
    ],
    ids=["candidate", "weak", "signed", "digest"],
)
def test_what_rasp_does_not_follow_counts_as_presented(install_rasp, provider, headers, path):
    found = answered(install_rasp(), lambda: ask_openai(provider), headers, path=path)
    assert ("unauthenticated-llm-endpoint", "note") in found
    assert ("unauthenticated-llm-endpoint", "warning") not in found


@pytest.mark.parametrize(
    "headers", [{"X-CSRF-Token": text("csrf", 32)}, {"Cookie": "theme=dark"}], ids=["csrf", "cookie"]
)
def test_what_proves_nothing_does_not(install_rasp, provider, headers):
    found = answered(install_rasp(), lambda: ask_openai(provider), headers)
    assert found == [("unauthenticated-llm-endpoint", "warning")]


def test_the_callers_own_key_is_not_the_apps(install_rasp, provider):
    """Bring your own key, in a header, a field of a form and of JSON; where it goes is judged by rule 206."""
    installed = install_rasp(allowed_hosts=["api.openai.com"])
    keys = [f"sk-{text(f'of caller {number}', 40)}" for number in range(5)]
    asks = (
        ({"X-API-Key": keys[0]}, b"", ""),
        ({"X-Their-Key": keys[1]}, b"", ""),
        ({}, f"openai={keys[2]}".encode(), "application/x-www-form-urlencoded"),
        ({}, json.dumps({"openai": keys[3]}).encode(), "application/json"),
        ({}, _multipart(keys[4]), "multipart/form-data; boundary=B"),
    )
    for own, (headers, body, kind) in zip(keys, asks, strict=True):

        def view(own=own):
            if request.method == "POST":
                assert own in (request.form.get("openai"), (request.get_json(silent=True) or {}).get("openai"))
            return ask_openai(provider, own)

        method = "POST" if body else "GET"
        assert answered(installed, view, headers, own=False, method=method, body=body, type=kind) == []
    assert [found.headers["authorization"] for found in provider.seen] == [f"Bearer {own}" for own in keys]


def _multipart(value):
    return f'--B\r\nContent-Disposition: form-data; name="openai"\r\n\r\n{value}\r\n--B--\r\n'.encode()


def test_reading_costs_nothing(install_rasp, provider):
    installed = install_rasp()
    assert answered(installed, lambda: ask_with_requests(provider, method="GET")) == []


def test_a_gateway_is_a_provider_when_it_is_configured(install_rasp, provider):
    gateway = f"127.0.0.1:{provider.port}"
    installed = install_rasp()
    assert answered(installed, lambda: ask_openai(provider, host="127.0.0.1")) == []
    from rasp import runtime as process

    process.uninstall()
    installed = install_rasp(llm_hosts=[gateway])
    found = answered(installed, lambda: ask_openai(provider, host="127.0.0.1"))
    assert found == [("unauthenticated-llm-endpoint", "warning")]


def test_a_placeholder_is_no_key(install_rasp, provider):
    """Servers of one's own want none, and clients insist on one."""
    installed = install_rasp(llm_hosts=["127.0.0.1"])
    assert answered(installed, lambda: ask_openai(provider, "EMPTY", "127.0.0.1"), own=False) == []


def test_a_gateway_before_the_app_has_verified_whoever_presents(install_rasp, provider):
    installed = install_rasp(verified_upstream=True)
    assert answered(installed, lambda: ask_openai(provider), {"X-API-Key": KEY}) == []
    found = answered(installed, lambda: ask_openai(provider))
    assert found == [("unauthenticated-llm-endpoint", "warning")]


def test_in_the_background_nobody_asks(install_rasp, provider):
    installed = install_rasp()
    installed.runtime.ledger.own(PROVIDER, "env:OPENAI_API_KEY")
    assert ask_openai(provider) == "hello"
    assert installed.findings == []


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("generativelanguage.googleapis.com", {"x-goog-api-key": "AIza" + text("google", 35)}),
        ("mine.openai.azure.com", {"api-key": text("azure", 32)}),
        ("api.mistral.ai", {"Authorization": "Bearer " + text("mistral", 32)}),
        (
            "bedrock-runtime.eu-west-1.amazonaws.com",
            {"Authorization": f"AWS4-HMAC-SHA256 Credential=AKIA/x, Signature={text('signature', 40)}"},
        ),
    ],
)
def test_providers_and_their_headers(install_rasp, host, headers):
    def view():
        with httpx2.Client(transport=httpx2.MockTransport(lambda outgoing: httpx2.Response(200))) as client:
            client.get(f"https://{host}/v1/models", headers=headers)
            client.post(f"https://{host}.example.org/v1/a", headers=headers)
            client.post(f"https://{host}/v1/a", headers={"X-Other": "1"})
            client.post(f"https://{host}/v1/a", headers=headers)
        return "hello"

    installed = install_rasp()
    assert answered(installed, view, own=False) == [("unauthenticated-llm-endpoint", "warning")]
    assert installed.findings[0].count == 1
