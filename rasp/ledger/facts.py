"""What the ledger knows about an event once it has been entered: the input of the rules, and nothing else."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from rasp.ledger.scopes import Occurrence, RequestScope
from rasp.ledger.value import LiveValue
from rasp.model import Location, RequestInfo


class Evidence(enum.Enum):
    """How sure a second release is."""

    CERTAIN = "certain"
    """Native, explicit, or it raised for lack of the entry."""
    IDEMPOTENT = "idempotent"
    """A form that also means "clear if present"."""


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class Fact:
    """Common to all: whose credential, the events so far with the judged one last, and the request it belongs to.

    ``place`` overrides where the last event happened, ``request`` which request it is about, where it is judged in
    another; ``replaceable``, ``skippable`` and ``raisable`` say what can still be done about it.
    """

    live: LiveValue | None
    trail: tuple[Occurrence, ...]
    scope: RequestScope | None
    place: Location | None = None
    request: RequestInfo | None = None
    replaceable: bool = False
    skippable: bool = False
    raisable: bool = True
    span: tuple[str, str] | None = None


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class SecondRelease(Fact):
    """A slot whose epoch a release has already ended was released again."""

    evidence: Evidence
    same_path: bool = False
    native: bool = False


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class UsedAfterRelease(Fact):
    """A released native handle or explicit hold was used.

    ``during``: while its release was still being made. ``wiped``: it is a buffer that was wiped.
    """

    native: bool = False
    during: bool = False
    wiped: bool = False


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class ReleasedUnacquired(Fact):
    """A release of what this process never saw acquired."""

    native: bool = False
    declared: bool = True


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class LeftHeld(Fact):
    """An explicit hold or native handle was still held when its request or the process ended."""

    at_exit: bool = False
    native: bool = False


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class Exposure(Fact):
    """A raw credential stands where it must not.

    ``noted``: where it is hardly avoidable, such as a look-up in a database, or an answer to whoever presented it.
    """

    sink: str
    short: bool = False
    lowered: bool = False
    in_url: bool = False
    noted: bool = False


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class RawKey(Fact):
    """An entry was stored in a cache under a raw credential."""

    session_store: bool = False
    short: bool = False


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class Reuse(Fact):
    """Two requests had it at once.

    ``how``: slot_lost, slot_taken, single_use, native, native_release, native_buffer.
    """

    how: str


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class Leak(Fact):
    """One caller's credential serves another's request. ``how``: g, g_left, verified, response, sent."""

    how: str


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class Replay(Fact):
    """A single-use credential was accepted twice."""


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class Unverified(Fact):
    """A presented token was trusted though nobody checked its signature."""


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class Weak(Fact):
    """A presented credential is too short, or a placeholder."""

    placeholder: bool = False
    label: str = field(default="")


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class SentElsewhere(Fact):
    """The caller's credential was sent to a host that is not in ``allowed_hosts``."""


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class SentInPlaintext(Fact):
    """A credential was sent over plain http. ``near``: to a name or address of an internal network."""

    near: bool = False


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class SpentOnLlm(Fact):
    """A request made the app spend its own LLM provider key. ``presented``: it presented some credential."""

    presented: bool = False


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class LeftOnError(Fact):
    """An error path left held what the success path of the same route releases. ``cache``: a cache slot."""

    native: bool = False
    cache: bool = False


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class Unvalidated(Fact):
    """A presented credential was read and answered 2xx, and nothing verified, looked up or compared it."""


@dataclass(slots=True, kw_only=True, repr=False, eq=False)
class LongLived(Fact):
    """A JWT without ``exp``, or one that is valid for longer than the limit."""

    unlimited: bool = False
