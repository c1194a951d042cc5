"""The table of rules: one row each, in the order of their ids."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rasp import errors
from rasp.errors import RaspError, RaspViolation
from rasp.model import Severity
from rasp.rules.spec import Rule

_CATEGORIES = {1: "release", 2: "exposure", 3: "concurrency", 4: "verification"}


def _row(
    number: int,
    name: str,
    violation: type[RaspViolation],
    file: str,
    *,
    severity: Severity,
    cwe: int,
    native_cwe: int | None = None,
) -> Rule:
    return Rule(
        id=f"RASP{number}",
        name=name,
        cwe=cwe,
        severity=severity,
        violation=violation,
        category=_CATEGORIES[number // 100],
        file=file,
        native_cwe=native_cwe,
    )


# The default severity is the highest that the gradings of a rule can give.
_ROWS = (
    _row(
        101,
        "double-release",
        errors.DoubleRelease,
        "help_release",
        severity=Severity.ERROR,
        cwe=1341,
        native_cwe=415,
    ),
    _row(
        102,
        "use-after-release",
        errors.UseAfterRelease,
        "help_release",
        severity=Severity.ERROR,
        cwe=672,
        native_cwe=416,
    ),
    _row(
        103,
        "release-without-acquire",
        errors.ReleaseWithoutAcquire,
        "help_acquire",
        severity=Severity.WARNING,
        cwe=763,
    ),
    _row(
        104,
        "never-released",
        errors.NeverReleased,
        "help_acquire",
        severity=Severity.WARNING,
        cwe=772,
    ),
    _row(
        105,
        "inconsistent-release",
        errors.InconsistentRelease,
        "help_acquire",
        severity=Severity.WARNING,
        cwe=459,
    ),
    _row(
        201,
        "raw-token-logged",
        errors.RawTokenLogged,
        "help_exposure",
        severity=Severity.ERROR,
        cwe=532,
    ),
    _row(
        202,
        "raw-token-as-key",
        errors.RawTokenAsKey,
        "help_exposure",
        severity=Severity.WARNING,
        cwe=922,
    ),
    _row(
        203,
        "raw-token-in-telemetry",
        errors.RawTokenInTelemetry,
        "help_exposure",
        severity=Severity.ERROR,
        cwe=532,
    ),
    _row(
        204,
        "raw-token-in-url",
        errors.RawTokenInUrl,
        "help_answering",
        severity=Severity.ERROR,
        cwe=598,
    ),
    _row(
        205,
        "raw-token-in-response",
        errors.RawTokenInResponse,
        "help_answering",
        severity=Severity.ERROR,
        cwe=209,
    ),
    _row(
        206,
        "raw-token-sent-elsewhere",
        errors.RawTokenSentElsewhere,
        "help_sending",
        severity=Severity.WARNING,
        cwe=201,
    ),
    _row(
        207,
        "raw-token-stored",
        errors.RawTokenStored,
        "help_sending",
        severity=Severity.WARNING,
        cwe=312,
    ),
    _row(
        208,
        "raw-token-in-process-args",
        errors.RawTokenInProcessArgs,
        "help_sending",
        severity=Severity.ERROR,
        cwe=214,
    ),
    _row(
        301,
        "concurrent-reuse",
        errors.ConcurrentReuse,
        "help_concurrency",
        severity=Severity.ERROR,
        cwe=362,
    ),
    _row(
        302,
        "cross-request-leak",
        errors.CrossRequestLeak,
        "help_concurrency",
        severity=Severity.ERROR,
        cwe=488,
    ),
    _row(
        303,
        "single-use-replay",
        errors.SingleUseReplay,
        "help_concurrency",
        severity=Severity.ERROR,
        cwe=294,
    ),
    _row(
        401,
        "unverified-token",
        errors.UnverifiedToken,
        "help_verification",
        severity=Severity.ERROR,
        cwe=347,
    ),
    _row(
        402,
        "unvalidated-credential",
        errors.UnvalidatedCredential,
        "help_verification",
        severity=Severity.NOTE,
        cwe=287,
    ),
    _row(
        404,
        "long-lived-token",
        errors.LongLivedToken,
        "help_verification",
        severity=Severity.NOTE,
        cwe=613,
    ),
    _row(
        405,
        "unauthenticated-llm-endpoint",
        errors.UnauthenticatedLlmEndpoint,
        "help_spending",
        severity=Severity.WARNING,
        cwe=306,
    ),
    _row(
        406,
        "plaintext-credential",
        errors.PlaintextCredential,
        "help_spending",
        severity=Severity.ERROR,
        cwe=319,
    ),
    _row(
        407,
        "weak-credential",
        errors.WeakCredential,
        "help_verification",
        severity=Severity.NOTE,
        cwe=1391,
    ),
)

RULES: Mapping[str, Rule] = MappingProxyType({rule.name: rule for rule in _ROWS})
"""Every rule by its name, in the order of the ids."""

BY_ID: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in _ROWS})
"""Every rule by its id, such as ``RASP101``."""

_WORDS: Mapping[str, Rule] = MappingProxyType(
    {word: rule for rule in _ROWS for word in (rule.name, rule.id.lower(), rule.id.removeprefix("RASP"))}
)


def find(word: str) -> Rule:
    """The rule of that name or id, whatever the case: ``double-release``, ``RASP101`` or ``101``.

    Raises:
        RaspError: no rule is called so; the text names the word and the nearest rule.
    """
    wanted = word.strip().lower()
    if wanted in _WORDS:
        return _WORDS[wanted]
    import difflib  # only who mistypes a name waits for it

    (nearest,) = difflib.get_close_matches(wanted, _WORDS, n=1, cutoff=0.0)
    rule = _WORDS[nearest]
    raise RaspError(f"no rule is called {word[:80]!r}; the nearest is {rule.name} ({rule.id})")
