"""Where in the app something happened: app code, call paths, and locations rendered only for a report.

A call path is kept as ``(code, instruction)`` pairs and costs a short walk; file, line and source text are worked out
when a finding needs them.
"""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType, ModuleType

from rasp.ledger.syntax import SyntaxTrees
from rasp.model import Location

CallPath = tuple[tuple[CodeType, int], ...]


class _Shed(tuple[tuple[CodeType, int], ...]):
    """No other tuple is this one."""

    __slots__ = ()


SHED: CallPath = _Shed()
"""The path of what nobody looked for: the request's budget was used up."""
"""App-code frames, innermost first, each as code object and instruction offset."""

DEPTH = 64
"""Frames looked at per walk."""

_OUTSIDE = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


class Places:
    """Tells app code from libraries, and walks the stack.

    Attributes:
        trees: the syntax trees of source files.
        shed: whether no stack is walked any more in this request, where there is a budget.
    """

    def __init__(self, root: Path, packages: tuple[str, ...]) -> None:
        self.root = str(root)
        # By id: to hash a code object takes longer than all the rest of a step.
        self._walls: dict[int, CodeType] = {}
        self._dispatchers: dict[int, CodeType] = {}
        self.shed: Callable[[], bool] | None = None
        self.trees = SyntaxTrees()
        self._named = packages
        self._folders: set[str] = set()
        self._files: set[str] = set()
        self._known: dict[str, bool] = {}
        self._libraries = _library_folders()
        self._own = str(Path(__file__).resolve().parent.parent) + os.sep
        self._entry_seen = False
        for name in packages:
            self._add_package(name)

    def add_walls(self, *codes: CodeType) -> None:
        """Every walk ends at these: the edge of the request scope."""
        self._walls.update((id(code), code) for code in codes)

    def is_wall(self, code: CodeType) -> bool:
        """Whether a walk ends at this code."""
        return id(code) in self._walls

    def add_dispatchers(self, *codes: CodeType) -> None:
        """A walk ends at these once it has seen an app frame: the framework's own."""
        self._dispatchers.update((id(code), code) for code in codes)

    def add_app(self, *import_names: str) -> None:
        """Counts the packages of a Flask app and its blueprints as app code, wherever they are installed."""
        if self._named:
            for name in self._named:
                self._add_package(name)
            return
        for name in import_names:
            self._add_package(name.partition(".")[0])

    def _add_package(self, name: str) -> None:
        module = sys.modules.get(name)
        if module is None:
            return
        before = len(self._folders) + len(self._files)
        if name == "__main__":
            self._add_entry(module)
        elif getattr(module, "__path__", None):
            self._folders.update(os.path.join(folder, "") for folder in module.__path__)
        elif getattr(module, "__file__", None):
            self._files.add(str(module.__file__))
        if len(self._folders) + len(self._files) != before:
            self._known.clear()

    def _add_entry(self, module: ModuleType) -> None:
        """The entry script's package; a script that lies among the installed libraries or their commands is none."""
        file = getattr(module, "__file__", None)
        if not file or self._is_library(os.path.abspath(file)):
            return
        self._files.add(file)
        spec = getattr(module, "__spec__", None)
        package = spec.parent if spec is not None else ""
        if package:
            self._add_package(package.partition(".")[0])

    def _is_library(self, file: str) -> bool:
        return file.startswith(self._libraries) or any(part in file for part in _OUTSIDE)

    def is_app(self, file: str) -> bool:
        """Whether a source file is app code; remembered per file."""
        known = self._known.get(file)
        if known is None:
            if not self._entry_seen and "__main__" in sys.modules and not self._named:
                self._entry_seen = bool(getattr(sys.modules["__main__"], "__file__", None))
                self._add_entry(sys.modules["__main__"])
            known = self._known[file] = self._judge(file)
        return known

    def _judge(self, file: str) -> bool:
        if file.startswith(("<", self._own)):
            return False
        if file in self._files or any(file.startswith(folder) for folder in self._folders):
            return True
        if self._named:
            return False
        path = os.path.abspath(file)
        if path in self._files or any(path.startswith(folder) for folder in self._folders):
            return True
        return path.startswith(os.path.join(self.root, "")) and not self._is_library(path)

    def path(self, frame: FrameType | None) -> CallPath:
        """The call path from a frame outwards; empty where no app code is on the stack of the request scope."""
        if self.shed is not None and self.shed():
            return SHED
        found: list[tuple[CodeType, int]] = []
        known, walls, dispatchers = self._known, self._walls, self._dispatchers
        for _ in range(DEPTH):
            if frame is None:
                break
            code = frame.f_code
            is_app = known.get(code.co_filename)
            if is_app is None:
                is_app = self.is_app(code.co_filename)
            if is_app:
                found.append((code, frame.f_lasti))
            elif id(code) in walls or (found and id(code) in dispatchers):
                break
            frame = frame.f_back
        return tuple(found)

    def innermost(self, frame: FrameType | None) -> CallPath:
        """The innermost app-code frame alone: enough to say where, not by which path."""
        if self.shed is not None and self.shed():
            return SHED
        known, walls = self._known, self._walls
        for _ in range(DEPTH):
            if frame is None:
                break
            code = frame.f_code
            is_app = known.get(code.co_filename)
            if is_app is None:
                is_app = self.is_app(code.co_filename)
            if is_app:
                return ((code, frame.f_lasti),)
            if id(code) in walls:
                break
            frame = frame.f_back
        return ()

    def locate(self, path: CallPath) -> Location | None:
        """The innermost place of a call path, ``None`` for an empty one."""
        if not path:
            return None
        code, instruction = path[0]
        return self.location(code.co_filename, line_of(code, instruction), code.co_name)

    def location(self, file: str, line: int, function: str) -> Location:
        """A place in source code, with its file relative to the project root where it lies below it."""
        path = os.path.abspath(file)
        prefix = os.path.join(self.root, "")
        return Location(path[len(prefix) :] if path.startswith(prefix) else path, line, function, path)

    def definition(self, target: object, method: str = "") -> Location | None:
        """The ``def`` line of a view, a key function, a WSGI app. ``method`` picks a class view's handler."""
        code = code_of(target, method)
        return None if code is None else self.location(code.co_filename, definition_line(code), code.co_name)


def same_path(first: CallPath, again: CallPath) -> bool:
    """Whether two releases stand on one call path; where one was not looked for, nothing speaks against it."""
    return first is SHED or again is SHED or lines_of(first) == lines_of(again)


def lines_of(path: CallPath) -> tuple[tuple[CodeType, int], ...]:
    """A call path with line numbers for instructions: two runs of one statement are equal, ``finally`` included."""
    return tuple((code, line_of(code, instruction)) for code, instruction in path)


def line_of(code: CodeType, instruction: int) -> int:
    """The line of an instruction offset."""
    for start, end, line in code.co_lines():
        if start <= instruction < end and line is not None:
            return line
    return code.co_firstlineno


def definition_line(code: CodeType) -> int:
    """The line of ``def`` itself, below the decorators."""
    for number in range(code.co_firstlineno, code.co_firstlineno + 50):
        text = linecache.getline(code.co_filename, number)
        if not text:
            break
        if text.lstrip().startswith(("def ", "async def ", "class ")) or "lambda" in text:
            return number
    return code.co_firstlineno


def code_of(target: object, method: str = "") -> CodeType | None:
    """The code that runs when an object is called: of a function, a method, a class view, a callable instance."""
    for _ in range(20):
        view_class = getattr(target, "view_class", None)
        inner = (
            (getattr(view_class, method.lower(), None) or getattr(view_class, "dispatch_request", None))
            if view_class is not None
            else getattr(target, "__wrapped__", None)
            or getattr(target, "func", None)
            or getattr(target, "__func__", None)
        )
        if inner is None:
            break
        target = inner
    code = getattr(target, "__code__", None)
    if code is None:
        code = getattr(getattr(type(target), "__call__", None), "__code__", None)  # noqa: B004 - its code is wanted
    return code if isinstance(code, CodeType) else None


def _library_folders() -> tuple[str, ...]:
    # What sysconfig would tell, which takes long to import; ``site-packages`` are known by their name.
    folders = {os.path.dirname(os.__file__)}
    for prefix in {sys.prefix, sys.exec_prefix, sys.base_prefix}:
        folders |= {os.path.join(prefix, "bin"), os.path.join(prefix, "Scripts")}
    return tuple(os.path.join(folder, "") for folder in sorted(folders))
