"""The table of settings: each with its type, its check and its doc line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rasp.declarations import HOST, CredentialSource, NativeDeclaration, normal
from rasp.errors import ConfigError
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


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: ``check`` takes a TOML value, ``from_text`` a variable's text (``None``: files only)."""

    name: str
    doc: str
    allowed: str
    accept: Callable[[Any], Any]
    from_text: Callable[[str], Any] | None

    def check(self, value: Any, origin: str) -> Any:
        """The value as the program uses it; raises ConfigError that names key, value and what is allowed."""
        try:
            return self.accept(value)
        except (ValueError, TypeError, KeyError) as error:
            shown = "(hidden)" if self.name == "fingerprint_key" else repr(value)[:80]
            detail = f" ({error})" if isinstance(error, DetailError) else ""
            raise ConfigError(
                f"{origin}: {self.name} = {shown} is not allowed{detail}; allowed: {self.allowed}"
            ) from None

    def read_text(self, text: str, origin: str) -> Any:
        """Like ``check``, for the text of an environment variable or option."""
        assert self.from_text is not None
        try:
            value = self.from_text(text)
        except ValueError:
            shown = "(hidden)" if self.name == "fingerprint_key" else repr(text)[:80]
            raise ConfigError(f"{origin}: {shown} is not allowed; allowed: {self.allowed}") from None
        return self.check(value, origin)


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
        value = float(value[:-1]) / 100 if value.endswith("%") else float(value.removesuffix("us"))
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


def _flag_text(text: str) -> bool:
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


def _list_text(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _rules_text(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in _list_text(text)]
    if not all(separator for _, separator, _ in pairs):
        raise ValueError
    return {name.strip(): mode.strip() for name, _, mode in pairs}


_A_LIST = "a list of texts (in a variable: separated by commas)"
_A_NAME_LIST = _A_LIST + "; one that begins with '-' is taken out of the built-in list, any other is added"
_A_HOST_LIST = _A_LIST + " of host names, without scheme and path; `*` stands for any text"
_A_FLAG = "true or false"

SETTINGS: Mapping[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("mode", "What happens on a finding.", ", ".join(RULE_MODES), a_mode, str),
        Setting(
            "rules",
            'The mode of single rules, by name: `[rules]` with `raw-token-logged = "strict"`.',
            f"a table of rule name = {', '.join(RULE_MODES)} (in a variable: name=mode,name=mode)",
            rule_modes,
            _rules_text,
        ),
        Setting("findings", "File to which findings are appended, one JSON object a line.", "a path", a_text, str),
        Setting("events", "File to which the record of every request is appended.", "a path", a_text, str),
        Setting(
            "baseline",
            "Findings file whose findings are known and not reported again.",
            "a path",
            a_text,
            str,
        ),
        Setting("report", "Whether findings are printed on standard error.", _A_FLAG, a_flag, _flag_text),
        Setting("structlog", "Whether findings are also logged through structlog.", _A_FLAG, a_flag, _flag_text),
        Setting(
            "otel",
            "Whether findings and requests become OpenTelemetry spans, where the app has set up the SDK.",
            _A_FLAG,
            a_flag,
            _flag_text,
        ),
        Setting(
            "fingerprint_key",
            "Key of the fingerprints; the same key gives the same fingerprints everywhere.",
            "a text of 16 bytes or more",
            a_key,
            str,
        ),
        Setting(
            "grace",
            "Seconds for which an accepted credential is still recognised after its request.",
            "a number from 0 to 86400",
            seconds,
            float,
        ),
        Setting(
            "live_values",
            "How many credentials are recognised process-wide at most.",
            "a whole number from 16 to 1000000",
            a_bound,
            int,
        ),
        Setting(
            "overhead_budget",
            "What rasp may cost a request: beyond it no stacks are walked, then no very large texts searched.",
            'microseconds (200, "200us"), or a share of the request\'s own time (0.1, "10%"); 0: no bound',
            a_budget,
            str,
        ),
        Setting(
            "sample",
            "Share of each route's requests that is followed; in `strict` all are. Native calls are always watched.",
            "a number above 0, up to 1",
            a_share,
            float,
        ),
        Setting(
            "app_packages",
            "Packages that are app code; by default those of the Flask app, its blueprints and the entry script.",
            _A_LIST,
            texts,
            _list_text,
        ),
        Setting("project_root", "Folder to which reported files are relative.", "a path", a_text, str),
        Setting("headers", "Request headers that hold an API key.", _A_NAME_LIST, texts, _list_text),
        Setting("cookies", "Cookies that hold a credential.", _A_NAME_LIST, texts, _list_text),
        Setting(
            "names",
            "Query, form, JSON and route names that hold a credential.",
            _A_NAME_LIST,
            texts,
            _list_text,
        ),
        Setting(
            "environment",
            "Environment variables that hold a service secret; `*` stands for any text.",
            _A_NAME_LIST,
            texts,
            _list_text,
        ),
        Setting("public_prefixes", "Prefixes of values that are public.", _A_LIST, texts, _list_text),
        Setting(
            "allowed_hosts",
            "Hosts to which a caller's credential may be sent, besides this machine and the app's `SERVER_NAME`:"
            " `api.example.com`, for one port `api.example.com:8443`, with all below it `.example.com`.",
            _A_HOST_LIST,
            host_names,
            _list_text,
        ),
        Setting(
            "llm_hosts",
            "Hosts of LLM providers besides the well-known ones, such as a gateway's; written like `allowed_hosts`.",
            _A_HOST_LIST,
            host_names,
            _list_text,
        ),
        Setting(
            "verified_upstream",
            "Whether a gateway has verified every token already.",
            _A_FLAG,
            a_flag,
            _flag_text,
        ),
        Setting(
            "token_lifetime",
            "Seconds for which a JWT may be valid; by default 30 days.",
            "a number from 1 to 3153600000",
            a_lifetime,
            float,
        ),
        Setting(
            "replay_methods",
            "Methods whose second use of a single-use credential is a replay.",
            _A_LIST,
            methods,
            _list_text,
        ),
        Setting(
            "block_native_double_release",
            "Whether `observe` withholds a second native release from the library.",
            _A_FLAG,
            a_flag,
            _flag_text,
        ),
        Setting(
            "quarantine",
            "How many released native handles are remembered. While it is among them, memory that libc's `free` was"
            " given, or a handle of a `[[native]]` with `quarantine = true`, is not really released.",
            "a whole number from 16 to 1000000",
            a_bound,
            int,
        ),
        Setting(
            "streams",
            "Standard streams whose text counts as a log: what the app prints itself.",
            f"a list of {', '.join(STREAMS)} (in a variable: separated by commas)",
            stream_names,
            _list_text,
        ),
        Setting(
            "deep",
            "Deep mode, for tests: list credentials that enter C functions nobody declared (Python 3.12 and newer).",
            _A_FLAG,
            a_flag,
            _flag_text,
        ),
        Setting(
            "disabled",
            "Instruments that are not installed, by name (`rasp doctor`).",
            _A_LIST,
            texts,
            _list_text,
        ),
        Setting(
            "credential",
            "Further credentials: `[[credential]]` with source and kind.",
            'tables with source = "place:name" and kind',
            credential_sources,
            None,
        ),
        Setting(
            "native",
            "Native libraries: `[[native]]` with library, acquire, retain, use, release, thread_safe, quarantine.",
            "tables with library and lists of function names",
            native_declarations,
            None,
        ),
    )
}
