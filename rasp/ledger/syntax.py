"""Syntax trees of source files, parsed once each."""

from __future__ import annotations

import ast
import linecache
import threading
from collections import OrderedDict

FILES = 64
TRIES = 5


class SyntaxTrees:
    """The trees of the files asked for last.

    One thread parses at a time: CPython counts the depth of the tree it builds per interpreter, and tells of a
    ``SystemError`` if another thread builds one meanwhile (seen on 3.11.7). An app's own parsing may still do that to
    ours, which then goes without.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trees: OrderedDict[str, ast.Module | None] = OrderedDict()

    def of(self, path: str) -> ast.Module | None:
        """The tree of a file, ``None`` where there is no source or it cannot be parsed."""
        if path in self._trees:
            return self._trees[path]
        source = "".join(linecache.getlines(path)) if path else ""
        if not source:
            return None
        with self._lock:
            tree = self._trees[path] = _parsed(source)
            if len(self._trees) > FILES:
                self._trees.popitem(last=False)
            return tree

    def after_fork(self) -> None:
        """In the child: no lock is held."""
        self._lock = threading.Lock()


def _parsed(source: str) -> ast.Module | None:
    for _ in range(TRIES):
        try:
            return ast.parse(source)
        except SystemError:
            continue  # a thread of the app was parsing too
        except (SyntaxError, ValueError, RecursionError):
            break
    return None
