"""Calls back when a module has been imported: at once for one that is, else right after its code has run.

wrapt has the same, but importing wrapt takes longer than all of rasp's start-up may; see ``patches`` for its use.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

Callback = Callable[[ModuleType], None]


class ImportWatch:
    """A finder at the front of ``sys.meta_path`` that leaves finding and loading to the others."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Callback]] = {}
        self._finding = threading.local()

    def when_imported(self, name: str, callback: Callback) -> None:
        """Runs a callback with a module as soon as that is there."""
        module = sys.modules.get(name)
        if module is not None and not _is_loading(module):
            callback(module)
            return
        self._waiting.setdefault(name, []).append(callback)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """Calls back no more, and leaves ``sys.meta_path`` as it was."""
        self._waiting.clear()
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The finder protocol: what the other finders find, told to call back."""
        if name not in self._waiting or name in self._names():
            return None
        self._names().add(name)
        try:
            spec = find_spec(name)
        finally:
            self._names().discard(name)
        if spec is not None and spec.loader is not None and hasattr(spec.loader, "exec_module"):
            self._follow(name, spec.loader)
        return spec

    def _names(self) -> set[str]:
        names: set[str] | None = getattr(self._finding, "names", None)
        if names is None:
            names = self._finding.names = set()
        return names

    def _follow(self, name: str, loader: Any) -> None:
        """Lets a loader call back once; a loader that is a class or shared is left alone when it refuses."""
        if isinstance(loader, type):
            return
        run = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            try:
                loader.__dict__.pop("exec_module", None)
                run(module)
            finally:
                loader.__dict__.pop("exec_module", None)
            if module.__name__ == name:
                self._imported(name, module)

        try:
            loader.exec_module = exec_module
        except AttributeError:
            return

    def _imported(self, name: str, module: ModuleType) -> None:
        for callback in self._waiting.pop(name, ()):
            callback(module)


def _is_loading(module: ModuleType) -> bool:
    spec = getattr(module, "__spec__", None)
    return bool(getattr(spec, "_initializing", False))
