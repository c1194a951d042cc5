"""What identifies a defect's place across runs and edits: its statement, normalised, without line numbers."""

from __future__ import annotations

import ast
import linecache
from _blake2 import blake2b

from rasp.ledger.syntax import SyntaxTrees
from rasp.model import Location

REMEMBERED = 2_000
"""Places whose statement is remembered."""


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
            isinstance(other, ast.stmt) and other.lineno < statement.lineno and _header(other) == text
            for other in ast.walk(function)
        )
        return f"{_digest(text)}.{earlier}"


def _innermost(root: ast.AST, line: int, kinds: tuple[type[ast.AST], ...]) -> ast.stmt | None:
    best: ast.stmt | None = None
    for node in ast.walk(root):
        if not isinstance(node, kinds) or not isinstance(node, ast.stmt) or node is root:
            continue
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        if first <= line <= (node.end_lineno or node.lineno) and (best is None or node.lineno >= best.lineno):
            best = node
    return best


def _header(statement: ast.stmt) -> str:
    """A simple statement whole; of one with a body its kind and name, or what it tests."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return f"def {statement.name}"
    if hasattr(statement, "body"):
        parts = [ast.unparse(getattr(statement, name)) for name in ("test", "iter") if hasattr(statement, name)]
        return " ".join([type(statement).__name__, *parts])
    return ast.unparse(statement)


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()
