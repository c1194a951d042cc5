"""Files: what the app's own code writes to files that it opens, and stores in a shelf.

The types of open files are immutable. Where app code opens a file for writing, ``open`` returns an object of a subclass
instead, of the same name, equal to its base, around the same buffer; every other call of ``open`` returns what it
always did, so that libraries, logging among them, keep their own. Read files are never touched. Judged is what is given
to ``write`` and ``writelines``, by ``print``, ``json.dump`` or ``csv`` too.
"""

from __future__ import annotations

import os
import sys
import weakref
from types import FrameType, ModuleType
from typing import Any

from rasp.instruments.kit import Kit, obey
from rasp.instruments.lookalikes import alike, one_for_all
from rasp.instruments.stored import LEAVES, SHORTEST, Stored, is_regular, pickle_depth
from rasp.ledger.budget import LARGE
from rasp.model import Verdict
from rasp.patching.installer import Instrument
from rasp.patching.patches import PatchPoint, loaded, named_like

HOLDER = "file"
_THROUGH = frozenset({"pathlib", "tempfile", "codecs", "os"})
"""Modules of the standard library that open a file for their caller."""
_FRAMES = 8
SEARCHED = 262_144
"""Characters of what one request writes to one file that are searched: copies of uploads and exports are larger."""


class Files:
    """Gives out the classes of open files, and judges what is written to them."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._stored = kit.shared(Stored)
        self._pickling = kit.shared(pickle_depth)
        self._opened = kit.hook("file.open", self.opened)
        self._written = kit.hook("file.write", self.written)
        self._classes: dict[str, Any] = {}
        self._lengths: weakref.WeakKeyDictionary[Any, tuple[object, int]] = weakref.WeakKeyDictionary()

    def open(self, wrapped: Any, args: Any, kwargs: Any) -> Any:
        """``open``."""
        file = wrapped(*args, **kwargs)
        mode = args[1] if len(args) > 1 else kwargs.get("mode", "r")
        if mode in ("r", "rb"):
            return file
        ours = self._opened(file, mode, args, kwargs)
        return file if ours is None else ours

    def opened(self, file: Any, mode: str, args: Any, kwargs: Any) -> Any:
        """The object that the app gets for a file that it opened; ``None`` for the one it would get."""
        io = loaded("io")
        if io is None or not any(letter in mode for letter in "wax+") or not self._by_app():
            return None
        kind = type(file)
        if kind is io.TextIOWrapper:
            newline = args[5] if len(args) > 5 else kwargs.get("newline")
            encoding, errors, lines, through = file.encoding, file.errors, file.line_buffering, file.write_through
            made = self._class(io, "TextIOWrapper")
            ours = made(file.detach(), encoding, errors, newline, lines, through)
            ours.mode = mode
            return ours
        if kind is io.BufferedWriter or kind is io.BufferedRandom:
            size = args[2] if len(args) > 2 else kwargs.get("buffering", -1)
            made = self._class(io, kind.__name__)
            raw = file.detach()
            return made(raw, size if size > 1 else max(getattr(raw, "_blksize", 0), io.DEFAULT_BUFFER_SIZE))
        return None

    def _by_app(self) -> bool:
        frame: FrameType | None = sys._getframe(1)
        places = self._kit.ledger.places
        for _ in range(_FRAMES):
            if frame is None:
                return False
            name = str(frame.f_globals.get("__name__", ""))
            if not name.startswith("rasp.") and name.partition(".")[0] not in _THROUGH:
                return places.is_app(frame.f_code.co_filename)
            frame = frame.f_back
        return False

    def _class(self, io: ModuleType, name: str) -> Any:
        if name not in self._classes:
            base = getattr(io, name)
            methods = {method: self._writing(getattr(base, method)) for method in ("write", "writelines")}
            self._classes[name] = alike(base, methods)
        return self._classes[name]

    def _writing(self, original: Any) -> Any:
        values, written = self._stored.values, self._written

        def write(self: Any, *args: Any, **kwargs: Any) -> Any:
            # json.dump and csv write many short pieces.
            if values.foreign and args and (type(args[0]) is not str or len(args[0]) >= SHORTEST):
                obey(written(self, args[0]))
            return original(self, *args, **kwargs)

        return named_like(original, write)

    def written(self, file: Any, content: object) -> Verdict | None:
        """Something is about to be written to a file."""
        if not isinstance(content, (str, bytes, bytearray, memoryview, list, tuple)):
            return None
        hits = self._stored.found(content) if self._within(file, content) else ()
        if not hits or self._pickling.get() or not is_regular(file) or _is_logging():
            return None
        name = file.name
        slot = os.path.basename(name) if isinstance(name, str) else None
        verdict: Verdict | None = self._stored.report(HOLDER, hits, slot=slot)
        return verdict

    def _within(self, file: Any, content: Any) -> bool:
        """Whether this request has not yet written to the file more than is searched."""
        scope = self._stored.scope()
        mark = None if scope is None else scope.mark
        before, length = self._lengths.get(file, (None, 0))
        if before is not mark:
            length = 0
        if length >= SEARCHED:
            return False
        size = _size(content)
        # What belongs to no request may go on for as long as the process does: only large pieces count there.
        if mark is not None or size >= LARGE:
            self._lengths[file] = mark, length + size
            self._stored.values.dropped += length + size > SEARCHED
        return True

    def kept(self, shelf: Any, name: object, value: object) -> Verdict | None:
        """An entry is about to be stored in a shelf; one over a dictionary is in memory."""
        if not self._stored.possible or isinstance(shelf.dict, dict):
            return None
        hits = self._stored.found((name, value))
        verdict: Verdict | None = self._stored.report(HOLDER, hits) if hits else None
        return verdict


def _size(content: Any) -> int:
    if isinstance(content, memoryview):
        return content.nbytes
    if isinstance(content, (list, tuple)):
        return sum(len(piece) for piece in content[:LEAVES] if isinstance(piece, (str, bytes)))
    return len(content)


def _is_logging() -> bool:
    """Whether a logging library writes: through its own handler, or one of the app's that it calls."""
    frame: FrameType | None = sys._getframe(1)
    names: list[str] = []
    for _ in range(_FRAMES):
        if frame is None or len(names) == 2:
            break
        name = str(frame.f_globals.get("__name__", ""))
        if not name.startswith("rasp."):
            names.append(name.partition(".")[0])
        frame = frame.f_back
    return names[:1] in (["structlog"], ["loguru"]) or "logging" in names


def instrument(kit: Kit) -> Instrument:
    """The instrument of files."""
    files = Files(kit)
    shelved = kit.hook("file.shelve", files.kept)
    opening = one_for_all(files.open)

    def shelf(original: Any) -> Any:
        def __setitem__(self: Any, *args: Any) -> Any:
            if len(args) == 2:
                obey(shelved(self, *args))
            return original(self, *args)

        return named_like(original, __setitem__)

    return Instrument(
        name=HOLDER,
        library="python",
        supported=">=3.11",
        points=(
            PatchPoint("builtins", "open", opening),
            PatchPoint("io", "open", opening),
            PatchPoint("_io", "open", opening),
            PatchPoint("shelve", "Shelf.__setitem__", shelf),
        ),
        unreachable=(
            "files that a library opens, or that were open before rasp was installed: their types are immutable",
            "os.write, and file objects made without open",
            "databases of the dbm module without shelve",
        ),
    )
