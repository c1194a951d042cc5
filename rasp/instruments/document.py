"""Writes the page about the libraries: ``python -m rasp.instruments.document > docs/libraries.md``."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from rasp.config import Config
from rasp.instruments.kit import Kit
from rasp.instruments.registry import ROWS, planned
from rasp.ledger.fingerprints import fingerprinter
from rasp.ledger.ledger import Ledger
from rasp.patching.guard import Guard
from rasp.patching.installer import Instrument
from rasp.pipeline import Pipeline
from rasp.responses.assembly import Assembly
from rasp.sources.extract import Extractor
from rasp.sources.names import Names
from rasp.sources.wsgi import Door

_INTRODUCTION = """\
<!-- Generated: change rasp/instruments/ and run `python -m rasp.instruments.document > docs/libraries.md`. -->

# Libraries

An instrument follows credentials through one library. It is put in place when the app imports one of the modules that
it waits for, and costs nothing in an app that never does. `rasp doctor` says which of them are in place here, at which
version of the library, and why one is not; the setting `disabled` switches single ones off by their names. A library
that is not listed is seen at its edges only: where it logs, stores, sends or answers through one that is.

"""
_NATIVE = {"ctypes": "ctypes_native", "cffi": "cffi_native"}
"""The files of instruments that are no row of the registry, where they are not called like the instrument."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One instrument as the page tells of it: ``seen`` is the first paragraph of its file's docstring."""

    name: str
    library: str
    supported: str
    modules: tuple[str, ...]
    seen: str
    unreachable: tuple[str, ...]


def entries() -> Iterator[Entry]:
    """Every instrument, deep mode included, as with the default settings. Nothing is patched."""
    files = {row.name: row.file for row in ROWS}
    kit = _kit()
    for plan in planned(kit)[0]:
        made: Instrument = plan.load()
        file = files.get(plan.name) or _NATIVE.get(plan.name, plan.name)
        yield Entry(plan.name, made.library, made.supported, plan.modules, _seen(file), made.unreachable)


def document() -> str:
    """The whole page, in Markdown."""
    found = list(entries())
    rows = [
        "| instrument | library | versions |",
        "|---|---|---|",
        *(f"| [`{one.name}`](#{_anchor(one.name)}) | {_library(one)} | `{one.supported}` |" for one in found),
    ]
    return _INTRODUCTION + "\n".join([*rows, "", *map(_section, found)])


def _section(entry: Entry) -> str:
    parts = [
        f"## {entry.name}",
        f"{_library(entry)}, `{entry.supported}` · {_waits(entry.modules)}",
        entry.seen,
    ]
    if entry.unreachable:
        parts.append("Not seen:\n\n" + "\n".join(f"- {_escaped(what)}" for what in entry.unreachable))
    return "\n\n".join(parts) + "\n"


def _seen(file: str) -> str:
    """What a file says first about itself, in Markdown."""
    text = inspect.getdoc(importlib.import_module(f"rasp.instruments.{file}")) or ""
    return " ".join(text.partition("\n\n")[0].split()).replace("``", "`")


def _library(entry: Entry) -> str:
    return "Python itself" if entry.library == "python" else entry.library


def _waits(modules: tuple[str, ...]) -> str:
    if modules == ("sys",):
        return "in place from the start"
    return "waits for " + ", ".join(f"`{name}`" for name in modules)


def _escaped(text: str) -> str:
    """Plain text in Markdown: names with underscores and stars stay what they are."""
    return text.translate({ord(mark): f"\\{mark}" for mark in "_*<["})


def _anchor(name: str) -> str:
    return name.replace(".", "")


def _kit() -> Kit:
    """All that an instrument asks for, connected to nothing."""
    config = Config(deep=True)
    guard = Guard()
    ledger = Ledger(config, fingerprinter(bytes(32)))
    assembly = Assembly(ledger.places, "")
    pipeline = Pipeline(config, ledger, assembly, lambda finding: None, lambda scope, findings: None)
    extractor = Extractor(ledger, Names.of(config))
    return Kit(pipeline, ledger, guard, Door(pipeline, guard, extractor), extractor, config)


if __name__ == "__main__":
    sys.stdout.write(document())
