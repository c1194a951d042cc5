"""What can be said of an instrument: whether it is in place, and what of its library it cannot reach."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class InstrumentStatus:
    """One instrument as ``rasp doctor`` shows it.

    Attributes:
        version: of the library as installed; ``None`` if it is not.
        supported: the range of versions the instrument is made for.
        state: ``installed``, ``waiting`` (for the import), ``disabled``, ``unsupported`` or ``failed``.
        reason: why it is in this state, where that needs saying.
        unreachable: what the instrument cannot see of its library.
    """

    instrument: str
    library: str
    version: str | None
    supported: str
    state: str
    reason: str
    unreachable: tuple[str, ...]
    modules: tuple[str, ...] = ()
    """What has to be imported for it to be put in place; optional parts of the library among them."""
