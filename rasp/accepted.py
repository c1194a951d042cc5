"""What values settings take: each function returns a value as the program uses it, or raises what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rasp.declarations import HOST, CredentialSource, NativeDeclaration, normal
from rasp.model import Kind, Mode

RULE_MODES = tuple(mode.value for mode in Mode)
RULE_NAMES = (
    "double-release", "use-after-release", "release-without-acquire", "never-released", "inconsistent-release",
    "raw-token-logged", "raw-token-as-key", "raw-token-in-telemetry", "raw-token-in-url", "raw-token-in-response",
    "raw-token-sent-elsewhere", "raw-token-stored", "raw-token-in-process-args",
    "concurrent-reuse", "cross-request-leak", "single-use-replay",
    "unverified-token", "unvalidated-credential", "long-lived-token", "unauthenticated-llm-endpoint",
    "plaintext-credential", "weak-credential",
)  # fmt: skip
"""The names of the table of rules, which this module may not import; a test holds them equal."""

PLACES = ("header", "cookie", "query", "form", "json", "route", "env")
STREAMS = ("stdout", "stderr")
ROLES = ("acquire", "retain", "use", "release")


class DetailError(ValueError):
    """Says which part of a value is wrong."""


def a_mode(value: Any) -> Mode:
    if not isinstance(value, str):
        raise TypeError
    return Mode(value)


def rule_modes(value: Any) -> dict[str, Mode]:
    if not isinstance(value, Mapping):
        raise TypeError
    for name in value:
        if name not in RULE_NAMES:
            raise DetailError(f"{name!r} is no rule; known are {', '.join(RULE_NAMES)}")
    return {str(name): a_mode(mode) for name, mode in value.items()}


def a_text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def a_key(value: Any) -> str:
    text = a_text(value)
    if len(text.encode()) < 16:
        raise DetailError("shorter than 16 bytes")
    return text


def a_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 86_400:
        raise ValueError
    return float(value)


def a_budget(value: Any) -> float:
    """Microseconds from 1 on, a share of the request's own time below."""
    if isinstance(value, str):
        share, given = value.endswith("%"), value
        value = float(value[:-1]) / 100 if share else float(value.removesuffix("us"))
        if (share and value >= 1) or (given.endswith("us") and 0 < value < 1):
            raise ValueError  # it would be taken for the other
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1e7:
        raise ValueError
    return float(value)


def a_share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise ValueError
    return float(value)


def a_lifetime(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= 3_153_600_000:
        raise ValueError
    return float(value)


def a_bound(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 16 <= value <= 1_000_000:
        raise ValueError
    return value


def texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        raise TypeError
    return tuple(a_text(entry) for entry in value)


def host_names(value: Any) -> tuple[str, ...]:
    names = texts(value)
    for name in names:
        if not HOST.match(name):
            raise DetailError(f"{name[:80]!r} is no host name")
    return names


def methods(value: Any) -> tuple[str, ...]:
    return tuple(method.upper() for method in texts(value))


def stream_names(value: Any) -> tuple[str, ...]:
    names = texts(value)
    for name in names:
        if name not in STREAMS:
            raise DetailError(f"{name!r} is none of {', '.join(STREAMS)}")
    return tuple(dict.fromkeys(names))


def credential_sources(value: Any) -> tuple[CredentialSource, ...]:
    sources = []
    for entry in _tables(value, ("source", "kind")):
        place, _, name = a_text(entry.get("source")).partition(":")
        if place not in PLACES or not name:
            raise DetailError(f"source = {entry.get('source')!r}: a place ({', '.join(PLACES)}), a colon, a name")
        kind = entry.get("kind", "custom")
        if kind not in tuple(Kind):
            raise DetailError(f"kind = {kind!r}: one of {', '.join(Kind)}")
        keep = place in ("env", "header")
        sources.append(CredentialSource(place, name if keep else normal(name), Kind(kind)))
    return tuple(sources)


def native_declarations(value: Any) -> tuple[NativeDeclaration, ...]:
    declared = []
    for entry in _tables(value, ("library", *ROLES, "thread_safe", "quarantine")):
        library = a_text(entry.get("library"))
        roles = {}
        for role in ROLES:
            try:
                roles[role] = texts(entry.get(role, []))
            except TypeError:
                raise DetailError(f"{library}: {role} = {entry[role]!r} must be a list of function names") from None
        names = [name for functions in roles.values() for name in functions]
        double = {name for name in names if names.count(name) > 1}
        if double:
            raise DetailError(f"{library}: {', '.join(sorted(double))} has two roles")
        if not names:
            raise DetailError(f"{library}: declares no function; give acquire, retain, use or release")
        safe = entry.get("thread_safe")
        if safe is not None and not isinstance(safe, bool):
            raise DetailError(f"{library}: thread_safe = {safe!r} must be true or false")
        held = entry.get("quarantine", False)
        if not isinstance(held, bool):
            raise DetailError(f"{library}: quarantine = {held!r} must be true or false")
        declared.append(NativeDeclaration(library, **roles, thread_safe=safe, quarantine=held))
    return tuple(declared)


def _tables(value: Any, keys: tuple[str, ...]) -> list[Mapping[str, Any]]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(entry, Mapping) for entry in value):
        raise TypeError
    for entry in value:
        for key in entry:
            if key not in keys:
                raise DetailError(f"unknown key {key!r}; known are {', '.join(keys)}")
    return list(value)


def flag_text(text: str) -> bool:
    words = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    try:
        return words[text.strip().lower()]
    except KeyError:
        raise ValueError from None


def list_text(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def rules_text(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in list_text(text)]
    if not all(separator for _, separator, _ in pairs):
        raise ValueError
    return {name.strip(): mode.strip() for name, _, mode in pairs}
