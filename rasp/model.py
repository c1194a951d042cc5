"""The values that flow from an instrument to a report. All are frozen, and none has a field for a raw credential."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Severity(enum.IntEnum):
    """How sure and how bad, ordered: a note is only recorded, warnings and errors raise in ``strict``."""

    NOTE = 1
    WARNING = 2
    ERROR = 3

    @property
    def word(self) -> str:
        """The lower-case word that every output uses."""
        return self.name.lower()

    @classmethod
    def parse(cls, word: str) -> Severity:
        """``"warning"`` -> ``Severity.WARNING``; raises ``KeyError`` for other words."""
        return cls[word.upper()]

    def lowered(self) -> Severity:
        """One step less severe; a note stays a note."""
        return Severity(max(self - 1, Severity.NOTE))


class Mode(enum.StrEnum):
    """What happens on a finding."""

    OFF = "off"
    OBSERVE = "observe"
    PROTECT = "protect"
    STRICT = "strict"


class Kind(enum.StrEnum):
    """What a credential is used as."""

    API_KEY = "api_key"
    BEARER = "bearer"
    JWT = "jwt"
    BASIC = "basic"
    SESSION = "session"
    SINGLE_USE = "single_use"
    SERVICE = "service"
    CUSTOM = "custom"


class Action(enum.StrEnum):
    """What an instrument saw happen to a credential or to the slot that holds it."""

    ACQUIRE = "acquire"
    USE = "use"
    RELEASE = "release"
    EXPOSE = "expose"
    VERIFY = "verify"


class ActionTaken(enum.StrEnum):
    """What rasp did about a finding."""

    NONE = "none"
    RAISED = "raised"
    REPLACED = "replaced"
    SKIPPED = "call skipped"


@dataclass(frozen=True, slots=True)
class Credential:
    """A followed secret, named by its fingerprint.

    Attributes:
        kind: what it is used as.
        fingerprint: 16 hex digits of a keyed BLAKE2b; the only name outside the process's memory.
        source: where it entered, such as ``header:authorization``.
        length: characters of the value; ``None`` for ``basic`` and below 16 characters.
    """

    kind: Kind
    fingerprint: str
    source: str
    length: int | None = None

    @property
    def mask(self) -> str:
        """What stands in a text in place of the value: ``[credential:<kind>:<fingerprint>]``."""
        return f"[credential:{self.kind}:{self.fingerprint}]"


@dataclass(frozen=True, slots=True)
class Location:
    """A place in source code. ``file`` is relative to the project root when it lies below it."""

    file: str
    line: int
    function: str
    path: str = field(default="", compare=False, repr=False)
    """Absolute path, to read the source line from; part of no output."""


@dataclass(frozen=True, slots=True)
class TrailStep:
    """One event of a finding's history, ready for output: the slot is masked, the time is since the request began."""

    action: Action
    holder: str
    slot: str | None
    location: Location | None
    request: str | None
    thread: str
    t_ms: float | None
    span: tuple[str, str] | None = field(default=None, compare=False)
    """(trace id, span id) in hex of the span that was recording then."""
    frames: tuple[Location, ...] = field(default=(), compare=False, repr=False)
    """Of a native call: its whole call path in app code, innermost first; for the report on stderr only."""
    call: str = field(default="", compare=False)
    """Of a native call: the function's name; for the report on stderr only."""


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """The request a finding belongs to. ``route`` is the rule's pattern, never the path."""

    id: str
    method: str
    route: str | None
    status: int | None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found. ``time`` is ISO 8601 UTC with milliseconds; ``cwe`` are CWE numbers."""

    rule: str
    id: str
    severity: Severity
    cwe: tuple[int, ...]
    message: str
    credential: Credential | None
    location: Location
    trail: tuple[TrailStep, ...]
    request: RequestInfo | None
    trace_id: str | None
    span_id: str | None
    process: int
    time: str
    mode: Mode
    action_taken: ActionTaken
    key: str
    instance: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """Everything rasp saw in one request, for ``--events`` and the ``rasp.request`` span.

    ``started`` and ``ended`` are nanoseconds since the epoch; ``parent`` is the (trace id, span id) in hex of the
    span that was active in the request, else of its incoming ``traceparent``.
    """

    request: RequestInfo
    started: int
    ended: int
    thread: str
    process: int
    credentials: tuple[Credential, ...]
    events: tuple[RecordedEvent, ...]
    dropped: int
    parent: tuple[str, str] | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """One event of a request's record: a trail step and the credential it concerns."""

    step: TrailStep
    credential: Credential | None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an instrument does now: raise, replace its text, or skip its call. No verdict (``None``) is a pass."""

    exception: Exception | None = None
    text: str | None = None
    skip: bool = False
