"""Every instrument, one row each: its name, the library's modules whose import brings it in, and its file.

The rows are data. A file is imported when one of its modules is, so that a library the app never imports costs
nothing. The families of native libraries share identities and declarations and are made at once.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from rasp.instruments import cffi_native, ctypes_native, extension_modules, rows
from rasp.instruments.kit import Kit
from rasp.instruments.native_calls import NativeCalls
from rasp.instruments.native_identity import Identities
from rasp.instruments.native_libraries import NativeLibraries
from rasp.patching.installer import Instrument, Planned


class Row(NamedTuple):
    """One instrument as it is found: ``modules`` are those its patch points lie in, ``file`` is in this folder."""

    name: str
    file: str
    modules: tuple[str, ...]


ROWS = tuple(Row(*row) for row in rows.ROWS)


def planned(kit: Kit) -> tuple[list[Planned], NativeLibraries]:
    """All instruments of a runtime, most of them yet to be loaded, and the door to native libraries."""
    rows = [Planned(row.name, row.modules, partial(load, row, kit)) for row in ROWS]
    native, libraries = _native(kit)
    return [*rows, *(Planned.made(instrument) for instrument in native)], libraries


def load(row: Row, kit: Kit) -> Instrument:
    """Imports the file of a row and makes its instrument."""
    file = importlib.import_module(f"rasp.instruments.{row.file}")
    made: Iterator[Instrument] = iter(file.instruments(kit) if hasattr(file, "instruments") else [file.instrument(kit)])
    return next(instrument for instrument in made if instrument.name == row.name)


def _native(kit: Kit) -> tuple[list[Instrument], NativeLibraries]:
    native, native_hooks = ctypes_native.instrument(kit)
    calls = NativeCalls(kit)
    pointers = Identities(lambda handle: None, kit.config.quarantine)
    kit.ledger.native.followed = pointers.of
    objects = Identities(kit.ledger.native.ended, kit.config.quarantine)
    kit.ledger.native.on_fork += [pointers.after_fork, objects.after_fork]
    cffi, cffi_libraries = cffi_native.instrument(kit, calls, pointers)
    extensions, modules = extension_modules.instrument(kit, calls, objects)
    libraries = NativeLibraries(native_hooks, cffi_libraries, modules, calls)
    # What the extension modules' instrument wraps others may have wrapped before: it is taken back first.
    found = [native, cffi, extensions]
    if kit.config.deep:
        from rasp.instruments import deep_mode  # imports much that nobody else needs

        instrument, libraries.deep = deep_mode.instrument(kit, calls)
        found.append(instrument)
    return found, libraries
