"""The statement that names a finding: found without a look at the rest of a file, and told apart from its equals."""

from __future__ import annotations

import ast
import json.decoder
import textwrap
from pathlib import Path

import pytest

from rasp.ledger.syntax import SyntaxTrees
from rasp.model import Location
from rasp.responses import statements
from rasp.responses.statements import Statements


def by_a_walk(tree, line):
    """The same the long way: every node of the file is looked at, and every statement written out."""

    def innermost(root, kinds):
        best = None
        for node in ast.walk(root):
            if isinstance(node, kinds) and node is not root:
                first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
                if first <= line <= node.end_lineno and (best is None or node.lineno >= best.lineno):
                    best = node
        return best

    function = innermost(tree, (ast.FunctionDef, ast.AsyncFunctionDef)) or tree
    statement = innermost(function, (ast.stmt,))
    if statement is None:
        return ""
    text = statements._header(statement)
    earlier = [
        other
        for other in ast.walk(function)
        if isinstance(other, ast.stmt) and other.lineno < statement.lineno and statements._header(other) == text
    ]
    return f"{statements._digest(text)}.{len(earlier)}"


@pytest.mark.parametrize("module", [json.decoder, textwrap], ids=lambda m: m.__name__)
def test_every_line_of_a_file_has_the_statement_that_a_walk_through_all_of_it_finds(module):
    trees = SyntaxTrees()
    tree, known = trees.of(module.__file__), Statements(trees)
    lines = Path(module.__file__).read_text(encoding="utf-8").count("\n")
    for line in range(1, lines + 1):
        assert known.normal(Location("x", line, "f", module.__file__)) == by_a_walk(tree, line), line


ODD = """
import a


@a.b(
    1,
)
@a.c
async def f(x):
    match x:
        case 1: y = 1; y = 1
        case _:
            y = 1
    try:
        y = u"1"
    except* ValueError:
        y = "1"
    except* KeyError: y = "1"
    else:
        async with a as b, b as c:
            y = "1"
    finally:
        async for z in x:
            y = -0.0
        else:
            y = 0.0
    class C: y = 1
    def g():
        y = 1
        return lambda: (
            y
        )
    while True:
        if x: return (await x
            ) if x else [
                1, True, 1.0]
        elif y:
            y = [1, True, 1]
        else:
            y = [True, 1, 1]
"""


def test_so_it_is_in_odd_code(tmp_path):
    file = tmp_path / "odd.py"
    file.write_text(ODD)
    trees = SyntaxTrees()
    tree, known = trees.of(str(file)), Statements(trees)
    for line in range(1, ODD.count("\n") + 2):
        assert known.normal(Location("x", line, "f", str(file))) == by_a_walk(tree, line), line
