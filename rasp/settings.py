"""The table of settings: each with its type, its check and its doc line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rasp.accepted import (
    RULE_MODES,
    STREAMS,
    DetailError,
    a_bound,
    a_budget,
    a_flag,
    a_key,
    a_lifetime,
    a_mode,
    a_share,
    a_text,
    credential_sources,
    flag_text,
    host_names,
    list_text,
    methods,
    native_declarations,
    rule_modes,
    rules_text,
    seconds,
    stream_names,
    texts,
)
from rasp.errors import ConfigError


class Setting(NamedTuple):
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
            rules_text,
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
        Setting("report", "Whether findings are printed on standard error.", _A_FLAG, a_flag, flag_text),
        Setting("structlog", "Whether findings are also logged through structlog.", _A_FLAG, a_flag, flag_text),
        Setting(
            "otel",
            "Whether findings and requests become OpenTelemetry spans, where the app has set up the SDK.",
            _A_FLAG,
            a_flag,
            flag_text,
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
            'microseconds (200, "200us"), or a share of its own time and 50us at least (0.1, "10%"); 0: no bound',
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
            list_text,
        ),
        Setting("project_root", "Folder to which reported files are relative.", "a path", a_text, str),
        Setting("headers", "Request headers that hold an API key.", _A_NAME_LIST, texts, list_text),
        Setting("cookies", "Cookies that hold a credential.", _A_NAME_LIST, texts, list_text),
        Setting(
            "names",
            "Query, form, JSON and route names that hold a credential.",
            _A_NAME_LIST,
            texts,
            list_text,
        ),
        Setting(
            "environment",
            "Environment variables that hold a service secret; `*` stands for any text.",
            _A_NAME_LIST,
            texts,
            list_text,
        ),
        Setting("public_prefixes", "Prefixes of values that are public.", _A_LIST, texts, list_text),
        Setting(
            "allowed_hosts",
            "Hosts to which a caller's credential may be sent, besides this machine and the app's `SERVER_NAME`:"
            " `api.example.com`, for one port `api.example.com:8443`, with all below it `.example.com`.",
            _A_HOST_LIST,
            host_names,
            list_text,
        ),
        Setting(
            "llm_hosts",
            "Hosts of LLM providers besides the well-known ones, such as a gateway's; written like `allowed_hosts`.",
            _A_HOST_LIST,
            host_names,
            list_text,
        ),
        Setting(
            "verified_upstream",
            "Whether a gateway has verified every token already.",
            _A_FLAG,
            a_flag,
            flag_text,
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
            list_text,
        ),
        Setting(
            "block_native_double_release",
            "Whether `observe` withholds a second native release from the library.",
            _A_FLAG,
            a_flag,
            flag_text,
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
            list_text,
        ),
        Setting(
            "deep",
            "Deep mode, for tests: list credentials that enter C functions nobody declared (Python 3.12 and newer).",
            _A_FLAG,
            a_flag,
            flag_text,
        ),
        Setting(
            "disabled",
            "Instruments that are not installed, by name (`rasp doctor`).",
            _A_LIST,
            texts,
            list_text,
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
