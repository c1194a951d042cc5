"""Which Lua scripts store under their keys: told by the commands that stand in their text.

A script that stores nothing, and one whose text this process never saw, counts as a use: whether it deletes, and
whether there was something, its result does not tell for sure (a lock is released by such a script).
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict

from rasp.instruments.kit import as_text
from rasp.instruments.redis_commands import COMMANDS, Does

BOUND = 1_000
_CALL = re.compile(r"""redis\s*\.\s*p?call\s*\(\s*['"]([A-Za-z.]+)""")


class Scripts:
    """The scripts that clients have made, loaded or sent, by their SHA-1."""

    def __init__(self) -> None:
        self._stores: OrderedDict[str, bool] = OrderedDict()

    def learn(self, script: object, sha: str | None = None) -> None:
        """A script is known from now on."""
        text = as_text(script)
        if text is None:
            return
        if sha is None:
            sha = hashlib.sha1(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
        if sha not in self._stores:
            self._stores[sha] = stores(text)
            if len(self._stores) > BOUND:
                self._stores.popitem(last=False)

    def stores(self, command: str, script: object) -> bool:
        """Whether the script of an ``EVAL`` or ``EVALSHA`` stores."""
        text = as_text(script) or ""
        return self._stores.get(text.lower(), False) if "SHA" in command else stores(text)


def stores(text: str) -> bool:
    """Whether a script calls a command that stores."""
    called = (COMMANDS.get(name.upper()) for name in _CALL.findall(text))
    return any(command is not None and command.does is Does.STORE for command in called)
