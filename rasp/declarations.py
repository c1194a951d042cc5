"""What a user declares in the configuration beyond plain settings: further credentials and native libraries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from rasp.model import Kind

HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]@?#]+)(?::(?P<port>\d{1,5}))?\Z")
"""An entry of a list of hosts: a name, a pattern with ``*`` or a leading dot, or an address; and a port, if any."""


class CredentialSource(NamedTuple):
    """``[[credential]]``: a place of the request or environment that holds a credential.

    ``place`` is one of header, cookie, query, form, json, route, env; ``name`` is normalised.
    """

    place: str
    name: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.place}:{self.name} ({self.kind})"


@dataclass(frozen=True, slots=True)
class NativeDeclaration:
    """``[[native]]``: which functions of a C library acquire, retain, use and release its handles.

    ``thread_safe``: ``True`` allows overlapping use, ``False`` forbids it everywhere, ``None`` is undeclared.
    ``quarantine``: whether the real release is put off while the handle is among the last ones released.
    """

    library: str
    acquire: tuple[str, ...] = ()
    retain: tuple[str, ...] = ()
    use: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    thread_safe: bool | None = None
    quarantine: bool = False

    def __str__(self) -> str:
        return self.library

    @property
    def roles(self) -> dict[str, str]:
        """``{function name: role}``."""
        named = {"acquire": self.acquire, "retain": self.retain, "use": self.use, "release": self.release}
        return {function: role for role, functions in named.items() for function in functions}


def normal(name: str) -> str:
    """A name as names are compared: without case, ``-`` and ``_``."""
    return name.lower().replace("-", "").replace("_", "")
