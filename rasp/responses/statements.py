"""What identifies a defect's place across runs and edits: its statement, normalised, without line numbers."""

from __future__ import annotations

import ast
import linecache
from _blake2 import blake2b
from collections.abc import Iterator

from rasp.ledger.syntax import SyntaxTrees
from rasp.model import Location

REMEMBERED = 2_000
"""Places whose statement is remembered."""


_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class Statements:
    """Reads statements from source files."""

    def __init__(self, trees: SyntaxTrees) -> None:
        self._trees = trees
        self._known: dict[tuple[str, int], tuple[object, str]] = {}

    def normal(self, location: Location) -> str:
        """A hash of the statement at a place, and which of its equals in that function it is; remembered."""
        tree = self._trees.of(location.path)
        place = (location.path, location.line)
        known = self._known.get(place)
        if known is not None and known[0] is tree and tree is not None:
            return known[1]
        found = self._worked_out(location, tree)
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[place] = (tree, found)
        return found

    def _worked_out(self, location: Location, tree: ast.Module | None) -> str:
        if tree is None:
            text = linecache.getline(location.path, location.line).strip()
            return _digest(text)
        function = _innermost(tree, location.line, (ast.FunctionDef, ast.AsyncFunctionDef)) or tree
        statement = _innermost(function, location.line, (ast.stmt,))
        if statement is None:
            return ""
        text = _header(statement)
        earlier = sum(
            other.lineno < statement.lineno and _alike(other, statement) for other in _statements(function, None)
        )
        return f"{_digest(text)}.{earlier}"


def _innermost(root: ast.AST, line: int, kinds: tuple[type[ast.stmt], ...]) -> ast.stmt | None:
    best: ast.stmt | None = None
    for node in _statements(root, line):
        if isinstance(node, kinds) and (best is None or node.lineno >= best.lineno):
            best = node
    return best


def _statements(root: ast.AST, line: int | None) -> Iterator[ast.stmt]:
    """The statements below a node, the outer ones first; with a line only those that cover it.

    What does not cover it is not looked into: else a finding would cost more in a longer file.
    """
    waiting = [root]
    for node in waiting:
        for block in _BLOCKS:
            for child in getattr(node, block, ()):
                if isinstance(child, ast.stmt):
                    if line is not None:
                        if (child.end_lineno or child.lineno) < line:
                            continue
                        if _first_line(child) > line:
                            break  # as do all that follow
                    yield child
                waiting.append(child)


_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")
"""Fields that hold statements, or what holds some."""


def _first_line(statement: ast.stmt) -> int:
    decorators = getattr(statement, "decorator_list", None)
    return min(statement.lineno, decorators[0].lineno) if decorators else statement.lineno


def _alike(one: ast.stmt, other: ast.stmt) -> bool:
    """Whether two statements have the same header, told without writing them out."""
    if isinstance(one, _NAMED):
        return isinstance(other, _NAMED) and one.name == other.name
    if type(one) is not type(other):
        return False
    parts = [name for name in ("test", "iter") if hasattr(one, name)] if hasattr(one, "body") else one._fields
    return all(_equal(getattr(one, name, None), getattr(other, name, None)) for name in parts)


def _equal(one: object, other: object) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, ast.AST):
        return all(_equal(getattr(one, name, None), getattr(other, name, None)) for name in one._fields)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return one == other


def _header(statement: ast.stmt) -> str:
    """A simple statement whole; of one with a body its kind and name, or what it tests."""
    if isinstance(statement, _NAMED):
        return f"def {statement.name}"
    if hasattr(statement, "body"):
        parts = [ast.unparse(getattr(statement, name)) for name in ("test", "iter") if hasattr(statement, name)]
        return " ".join([type(statement).__name__, *parts])
    return ast.unparse(statement)


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
