"""Hosts that requests are sent to: told by a URL, near or far, and lists of them as they are configured.

Pure: no name is ever resolved.
"""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from rasp.declarations import HOST

SCHEMES = {"http": 80, "https": 443, "ws": 80, "wss": 443}
PLAIN = ("http", "ws")

LLM_HOSTS = (
    "api.openai.com", "*.api.openai.com", "*.openai.azure.com", "*.services.ai.azure.com", "*.inference.ai.azure.com",
    "api.anthropic.com", "generativelanguage.googleapis.com", "aiplatform.googleapis.com",
    "*-aiplatform.googleapis.com", "bedrock-runtime.*.amazonaws.com", "bedrock-runtime-fips.*.amazonaws.com",
    "api.mistral.ai", "codestral.mistral.ai", "api.cohere.com", "api.cohere.ai", "api.groq.com", "openrouter.ai",
    "api.deepseek.com", "api.x.ai", "api.together.xyz", "api.together.ai", "api.fireworks.ai", "api.perplexity.ai",
    "api.cerebras.ai", "api.ai21.com", "api.sambanova.ai", "api.deepinfra.com", "api.replicate.com",
    "api-inference.huggingface.co", "router.huggingface.co", "integrate.api.nvidia.com", "models.github.ai",
    "api.moonshot.ai", "api.moonshot.cn", "api.minimax.io", "open.bigmodel.cn", "api.z.ai", "dashscope.aliyuncs.com",
    "dashscope-intl.aliyuncs.com", "gateway.ai.cloudflare.com", "ai-gateway.vercel.sh",
)  # fmt: skip
"""Where inference is paid for by key; ``*`` stands for any text."""

_NEAR_ENDINGS = (".svc", ".internal", ".local")
_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip


class Target(NamedTuple):
    """Where a request goes, by its URL. ``host`` is lower case and ASCII, without brackets, zone and final dot."""

    scheme: str
    host: str
    port: int | None

    @property
    def plain(self) -> bool:
        """Whether it goes there unencrypted."""
        return self.scheme in PLAIN

    @property
    def shown(self) -> str:
        """Host and port as they stand in a report."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in (None, SCHEMES.get(self.scheme)) else f"{host}:{self.port}"


def target_of(url: str) -> Target | None:
    """The target of an absolute URL; ``None`` where it names no host, or goes another way than over HTTP."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if not host or scheme not in SCHEMES:
        return None
    return target(scheme, host, port)


def target(scheme: str, host: str, port: int | None) -> Target:
    """A target of its parts."""
    return Target(scheme, normal_host(host), SCHEMES.get(scheme) if port is None else port)


def normal_host(host: str) -> str:
    """A host name as names are compared."""
    host = host.strip("[]").partition("%")[0].rstrip(".").lower()
    if not host.isascii():
        try:
            return host.encode("idna").decode("ascii")
        except UnicodeError:
            return host
    return host


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _address(host)
    return address is not None and (address.is_loopback or address.is_unspecified)


def is_near(host: str) -> bool:
    """Whether a host lies in an internal network: a name without a domain, an internal one, a private address."""
    address = _address(host)
    if address is not None:
        return any(address.version == network.version and address in network for network in _PRIVATE)
    return "." not in host or host.endswith(_NEAR_ENDINGS)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if not host or not (host[-1].isdigit() or ":" in host):
        return None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


class Hosts:
    """A list of hosts: a name, perhaps with its port; ``.example.com`` for it and all below it; ``*`` for any text."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._names: set[tuple[str, int | None]] = set()
        self._patterns: list[tuple[str, int | None]] = []
        for entry in entries:
            self._add(entry.strip())

    def _add(self, entry: str) -> None:
        found = HOST.match(entry)
        if found is None:
            return
        port = int(found["port"]) if found["port"] else None
        host = normal_host(found["host"])
        if host.startswith("."):
            self._names.add((host[1:], port))
            host = "*" + host
        if "*" in host:
            self._patterns.append((host, port))
        else:
            self._names.add((host, port))

    def match(self, target: Target) -> bool:
        """Whether a target is among them."""
        host, port = target.host, target.port
        if (host, None) in self._names or (host, port) in self._names:
            return True
        return any(only in (None, port) and fnmatch.fnmatchcase(host, pattern) for pattern, only in self._patterns)
