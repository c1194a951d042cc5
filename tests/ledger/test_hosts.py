"""Hosts: what a URL names, what is this machine, what is near, and what a list holds."""

from __future__ import annotations

import pytest

from rasp.config import load
from rasp.errors import ConfigError
from rasp.ledger.hosts import LLM_HOSTS, Hosts, Target, is_loopback, is_near, target_of


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example.com/a?b=c#d", Target("https", "api.example.com", 443)),
        ("HTTP://user:secret@API.Example.com.:8080", Target("http", "api.example.com", 8080)),
        ("wss://[::1]:9/a", Target("wss", "::1", 9)),
        ("http://[fe80::1%25eth0]/", Target("http", "fe80::1", 80)),
        ("https://bücher.example/", Target("https", "xn--bcher-kva.example", 443)),
        ("https://api.example.com@evil.example/", Target("https", "evil.example", 443)),
        ("http+unix://%2Ftmp%2Fsocket/a", None),
        ("file:///etc/hosts", None),
        ("http://[::1/", None),
        ("http://a:99999/", None),
        ("/relative", None),
        ("", None),
    ],
)
def test_a_url_names_a_target(url, expected):
    assert target_of(url) == expected


@pytest.mark.parametrize(
    "host", ["localhost", "app.localhost", "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::ffff:127.0.0.1"]
)
def test_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["example.com", "localhost.example.com", "10.0.0.1", "", "127.example.com", "::2"])
def test_another_machine(host):
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["db", "a.b.svc", "a.svc.cluster.local", "printer.local", "metadata.google.internal", "10.1.2.3", "172.31.0.1",
     "192.168.0.9", "169.254.169.254", "100.64.0.1", "fd00::1", "fe80::1", "::ffff:10.0.0.1"],
)  # fmt: skip
def test_near(host):
    assert is_near(host)


@pytest.mark.parametrize(
    "host", ["example.com", "internal.example.com", "172.32.0.1", "8.8.8.8", "203.0.113.7", "2001:db8::1", "a.svc.com"]
)
def test_far(host):
    assert not is_near(host)


def at(host, port=443):
    return Target("https", host, port)


def test_a_list_of_hosts():
    hosts = Hosts(
        ["api.example.com", ".corp.example", "one.example:8443", "[::1]:9", "a.*.example.org", "Bücher.example"]
    )
    inside = [
        at("api.example.com"), at("api.example.com", 1), at("corp.example"), at("a.b.corp.example"),
        at("one.example", 8443), at("::1", 9), at("a.eu-1.example.org"), at("xn--bcher-kva.example"),
    ]  # fmt: skip
    outside = [
        at("x.api.example.com"), at("api.example.com.evil.example"), at("evilcorp.example"), at("one.example"),
        at("::1"), at("a.example.org"), at("apiXexample.com"), at("example.com"),
    ]  # fmt: skip
    assert [hosts.match(target) for target in inside] == [True] * len(inside)
    assert [hosts.match(target) for target in outside] == [False] * len(outside)
    assert not Hosts([]).match(at("api.example.com"))


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("api.openai.com", True),
        ("eu.api.openai.com", True),
        ("mine.openai.azure.com", True),
        ("bedrock-runtime.eu-central-1.amazonaws.com", True),
        ("europe-west1-aiplatform.googleapis.com", True),
        ("openai.com", False),
        ("api.openai.com.evil.example", False),
        ("s3.eu-central-1.amazonaws.com", False),
        ("storage.googleapis.com", False),
    ],
)
def test_providers(host, known):
    assert Hosts(LLM_HOSTS).match(at(host)) is known


@pytest.mark.parametrize("setting", ["allowed_hosts", "llm_hosts"])
def test_a_list_is_checked_when_it_is_read(setting):
    config = load({setting: ["api.example.com", ".example.org", "[::1]:8443"]}, environ={})
    assert getattr(config, setting) == ("api.example.com", ".example.org", "[::1]:8443")
    for wrong in ("https://api.example.com", "api.example.com/v1", "a b", "a:b", ""):
        with pytest.raises(ConfigError, match=setting):
            load({setting: [wrong]}, environ={})


def test_a_list_is_read_from_a_variable():
    config = load(environ={"RASP_ALLOWED_HOSTS": "api.example.com, .example.org", "RASP_LLM_HOSTS": "127.0.0.1:4000"})
    assert config.allowed_hosts == ("api.example.com", ".example.org")
    assert config.llm_hosts == ("127.0.0.1:4000",)
