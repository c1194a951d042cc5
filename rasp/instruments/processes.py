"""subprocess, os and pty: credentials in the arguments of a process, which everyone on the machine can read.

The environment and standard input of a process are no exposure. One call is one event, judged before the process
is started: ``run``, ``check_output``, ``os.popen`` and asyncio's subprocesses all go through ``Popen``. Arguments that
are an iterator are not looked at: it can be gone through only once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from rasp.instruments.key_material import argument
from rasp.instruments.kit import Kit, as_text, obey
from rasp.instruments.lookalikes import one_for_all
from rasp.ledger.events import Exposed
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import Make, PatchPoint, named_like

HOLDER = "subprocess"
ARGUMENTS = 1_000
"""Arguments of one process that are looked at."""
_OS = {
    "system": (0, "command"),
    "execv": (1, "argv"),
    "execve": (1, "argv"),
    "posix_spawn": (1, "argv"),
    "posix_spawnp": (1, "argv"),
}
"""Functions of C: where they take the arguments of the process."""
_OS_IN_PYTHON = {"_execvpe": (1, "args"), "_spawnvef": (2, "args")}
"""What the functions of ``os`` that search the path, and those that spawn by fork, go through."""


class Processes:
    """Judges arguments, of the outermost call only; a child that was forked for one has been judged by its parent."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._values = kit.ledger.values
        self._inside = ContextVar("rasp.process", default=False)
        self._starting = kit.hook("subprocess.start", self.starting)

    def starting(self, arguments: object) -> Verdict | None:
        """A process is about to be started."""
        if not len(self._values):
            return None
        hits = [hit for text in _texts(arguments) for hit in self._values.find(text)]
        if not hits:
            return None
        path = self._kit.here(sys._getframe(1))
        verdict: Verdict | None = self._kit.pipeline.handle(Exposed("argv", "", hits, path, HOLDER))
        return verdict

    def call(self, original: Any, args: Any, kwargs: Any, at: int, name: str) -> Any:
        """A function that starts a process."""
        if self._inside.get():
            return original(*args, **kwargs)
        obey(self._starting(argument(args, kwargs, at, name)))
        self._inside.set(True)
        try:
            return original(*args, **kwargs)
        finally:
            self._inside.set(False)

    def in_c(self, at: int, name: str) -> Make:
        """The wrapper of a function of C."""

        def call(original: Any, args: Any, kwargs: Any) -> Any:
            return self.call(original, args, kwargs, at, name)

        return one_for_all(call)

    def in_python(self, at: int, name: str) -> Make:
        """The wrapper of a function or method of Python."""

        def make(original: Any) -> Any:
            def call(*args: Any, **kwargs: Any) -> Any:
                return self.call(original, args, kwargs, at, name)

            return named_like(original, call)

        return make


def _texts(arguments: object) -> Iterator[str]:
    if isinstance(arguments, (list, tuple)):
        for item in arguments[:ARGUMENTS]:
            yield from _texts(os.fspath(item) if isinstance(item, os.PathLike) else item if _is_text(item) else None)
    text = as_text(arguments)
    if text is not None:
        yield text


def _is_text(item: object) -> bool:
    return isinstance(item, (str, bytes))


def instrument(kit: Kit) -> Instrument:
    """The instrument of subprocess, os and pty."""
    processes = Processes(kit)
    points = [PatchPoint("subprocess", "Popen.__init__", processes.in_python(1, "args"))]
    for name, where in _OS.items():
        make = processes.in_c(*where)
        points += [PatchPoint(module, name, make, optional=True) for module in ("os", "posix")]
    points += [
        PatchPoint("os", name, processes.in_python(*where), optional=True) for name, where in _OS_IN_PYTHON.items()
    ]
    points.append(PatchPoint("pty", "spawn", processes.in_python(0, "argv"), optional=True))
    return Instrument(
        name=HOLDER,
        library="python",
        supported=">=3.11",
        points=tuple(points),
        unreachable=(
            "arguments given as an iterator: it can be gone through only once",
            "processes that C code starts",
            "functions of os imported by name before rasp was installed",
        ),
    )
