"""Installs instruments as their libraries are imported, and takes everything back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import NamedTuple

from rasp.patching.guard import Guard
from rasp.patching.patches import MissingPoint, Patch, PatchPoint, apply, undo
from rasp.patching.status import InstrumentStatus
from rasp.patching.watch import ImportWatch


class Instrument(NamedTuple):
    """The import-time wrapper of one library.

    Attributes:
        name: its name in ``disabled`` and ``rasp doctor``.
        library: the distribution on PyPI, ``"python"`` for the standard library.
        supported: the range of versions it is tested with.
        points: the patch points.
        on_install, on_uninstall: further work per module, for what is no attribute.
        unreachable: what it cannot see, each with the reason.
    """

    name: str
    library: str
    supported: str
    points: tuple[PatchPoint, ...]
    unreachable: tuple[str, ...] = ()
    on_install: Callable[[ModuleType], None] | None = None
    on_uninstall: Callable[[], None] | None = None


class Planned(NamedTuple):
    """An instrument that is loaded when the first of its modules is imported, and not before."""

    name: str
    modules: tuple[str, ...]
    load: Callable[[], Instrument]

    @classmethod
    def made(cls, instrument: Instrument) -> Planned:
        """Of an instrument that is there already."""
        modules = tuple(dict.fromkeys(point.module for point in instrument.points))
        return cls(instrument.name, modules, lambda: instrument)


@dataclass(slots=True, eq=False)
class _Installed:
    planned: Planned
    state: str = "waiting"
    reason: str = ""
    patches: list[Patch] = field(default_factory=list)
    loaded: Instrument | None = None

    @property
    def instrument(self) -> Instrument:
        if self.loaded is None:
            self.loaded = self.planned.load()
        return self.loaded


class Installer:
    """Keeps what is patched. One for each runtime."""

    def __init__(self, guard: Guard, watch: ImportWatch) -> None:
        self._guard = guard
        self._watch = watch
        self._installed: list[_Installed] = []

    def install(self, instruments: Sequence[Planned], disabled: Sequence[str]) -> None:
        """Patches what is imported already, and the rest when it is."""
        for planned in instruments:
            entry = _Installed(planned)
            self._installed.append(entry)
            if planned.name in disabled:
                entry.state, entry.reason = "disabled", "by the setting `disabled`"
                continue
            for module in planned.modules:
                self._watch.when_imported(module, self._patcher(entry, module))

    def _patcher(self, entry: _Installed, name: str) -> Callable[[ModuleType], None]:
        hook = f"install.{entry.planned.name}"

        def patch(module: ModuleType) -> None:
            if entry.state in ("unsupported", "failed", "removed"):
                return
            points = [point for point in entry.instrument.points if point.module == name]
            try:
                entry.patches += apply(module, points)
            except MissingPoint as missing:
                self._take_back(entry)
                entry.state = "unsupported"
                entry.reason = f"this version has no {missing}"
                return
            if entry.instrument.on_install is not None:
                entry.instrument.on_install(module)
            entry.state = "installed"

        protected = self._guard.protect(hook, patch)

        def guarded(module: ModuleType) -> None:
            before = self._guard.failures[hook]
            protected(module)
            if self._guard.failures[hook] > before:
                self._take_back(entry)
                entry.state, entry.reason = "failed", "patching it failed; see standard error"

        return guarded

    def _take_back(self, entry: _Installed) -> None:
        undo(entry.patches)
        entry.patches.clear()
        if entry.state == "installed" and entry.instrument.on_uninstall is not None:
            entry.instrument.on_uninstall()

    def uninstall(self) -> None:
        """Restores every attribute that still is ours."""
        self._watch.stop()
        for entry in reversed(self._installed):
            self._take_back(entry)
            entry.state = "removed"

    def statuses(self) -> list[InstrumentStatus]:
        """What is installed, at which versions, and what cannot be reached; loads what was not loaded yet."""
        return [
            InstrumentStatus(
                instrument=entry.planned.name,
                library=entry.instrument.library,
                version=_version(entry.instrument.library),
                supported=entry.instrument.supported,
                state=entry.state,
                reason=entry.reason,
                unreachable=entry.instrument.unreachable,
                modules=entry.planned.modules,
            )
            for entry in self._installed
        ]


def _version(library: str) -> str | None:
    if library == "python":
        import platform

        return platform.python_version()
    import importlib.metadata  # slow to import, and only `rasp doctor` asks

    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None
