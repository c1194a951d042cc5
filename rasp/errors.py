"""Every exception rasp raises.

::

    RaspError
    ├── ConfigError                 a setting is unknown, of the wrong type or out of range
    ├── NotConfigured               the call needs a setting that is not set
    └── RaspViolation               mode ``strict``: a finding of severity error or warning
        ├── DoubleRelease               RASP101
        ├── UseAfterRelease             RASP102
        ├── ReleaseWithoutAcquire       RASP103
        ├── NeverReleased               RASP104
        ├── InconsistentRelease         RASP105
        ├── RawTokenLogged              RASP201
        ├── RawTokenAsKey               RASP202
        ├── RawTokenInTelemetry         RASP203
        ├── RawTokenInUrl               RASP204
        ├── RawTokenInResponse          RASP205
        ├── RawTokenSentElsewhere       RASP206
        ├── RawTokenStored              RASP207
        ├── RawTokenInProcessArgs       RASP208
        ├── ConcurrentReuse             RASP301
        ├── CrossRequestLeak            RASP302
        ├── SingleUseReplay             RASP303
        ├── UnverifiedToken             RASP401
        ├── UnvalidatedCredential       RASP402
        ├── LongLivedToken              RASP404
        ├── UnauthenticatedLlmEndpoint  RASP405
        ├── PlaintextCredential         RASP406
        └── WeakCredential              RASP407
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rasp.model import Finding


class RaspError(Exception):
    """Base of all exceptions of rasp."""


class ConfigError(RaspError):
    """A setting is unknown, of the wrong type or out of range; the text names key, value and what is allowed."""


class NotConfigured(RaspError):  # noqa: N818 - reads as the state it reports
    """The call needs a setting that is not set; the text names it."""


class RaspViolation(RaspError):  # noqa: N818 - the contract's word
    """A finding that ``strict`` raises at the offending call. Its text holds no raw credential.

    Attributes:
        finding: the finding, as reported.
    """

    def __init__(self, message: str, finding: Finding) -> None:
        super().__init__(message)
        self.finding = finding


class DoubleRelease(RaspViolation):
    """RASP101, CWE-1341 (native: CWE-415)."""


class UseAfterRelease(RaspViolation):
    """RASP102, CWE-672 (native: CWE-416)."""


class ReleaseWithoutAcquire(RaspViolation):
    """RASP103, CWE-763."""


class NeverReleased(RaspViolation):
    """RASP104, CWE-772."""


class InconsistentRelease(RaspViolation):
    """RASP105, CWE-459."""


class RawTokenLogged(RaspViolation):
    """RASP201, CWE-532."""


class RawTokenAsKey(RaspViolation):
    """RASP202, CWE-922."""


class RawTokenInTelemetry(RaspViolation):
    """RASP203, CWE-532."""


class RawTokenInUrl(RaspViolation):
    """RASP204, CWE-598."""


class RawTokenInResponse(RaspViolation):
    """RASP205, CWE-209."""


class RawTokenSentElsewhere(RaspViolation):
    """RASP206, CWE-201."""


class RawTokenStored(RaspViolation):
    """RASP207, CWE-312."""


class RawTokenInProcessArgs(RaspViolation):
    """RASP208, CWE-214."""


class ConcurrentReuse(RaspViolation):
    """RASP301, CWE-362."""


class CrossRequestLeak(RaspViolation):
    """RASP302, CWE-488."""


class SingleUseReplay(RaspViolation):
    """RASP303, CWE-294."""


class UnverifiedToken(RaspViolation):
    """RASP401, CWE-347."""


class UnvalidatedCredential(RaspViolation):
    """RASP402, CWE-287."""


class LongLivedToken(RaspViolation):
    """RASP404, CWE-613."""


class UnauthenticatedLlmEndpoint(RaspViolation):
    """RASP405, CWE-306."""


class PlaintextCredential(RaspViolation):
    """RASP406, CWE-319."""


class WeakCredential(RaspViolation):
    """RASP407, CWE-1391."""
