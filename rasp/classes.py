"""The public classes whose modules take long to import, each imported when it is asked for (PEP 562).

A program that only starts another, such as ``rasp run``, asks for none of them.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rasp.config import Config
    from rasp.model import Credential, Finding

__all__ = ["Config", "Credential", "Finding"]

_WHERE = {"Config": "rasp.config", "Credential": "rasp.model", "Finding": "rasp.model"}


def __getattr__(name: str) -> Any:
    """The class of that name; ``rasp`` itself has this function too."""
    if name not in _WHERE:
        raise AttributeError(f"module 'rasp' has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    """All public names of ``rasp``, those that come late included."""
    return list(sys.modules["rasp"].__all__)
