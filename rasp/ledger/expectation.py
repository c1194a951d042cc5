"""Whether app code expects that a removal fails: the statement stands in a ``try`` or ``suppress`` for it."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from types import FrameType

from rasp.ledger.places import Places


def expects(frame: FrameType | None, places: Places, raised: type[Exception]) -> bool:
    """Looks at the innermost app frame's source.

    Args:
        frame: where the walk begins.
        places: what app code is.
        raised: the class that the failed removal raises.

    Returns:
        whether a handler of the same function names that class or a base of it below ``Exception``.
    """
    while frame is not None and not places.is_app(frame.f_code.co_filename):
        if places.is_wall(frame.f_code):
            return False
        frame = frame.f_back
    if frame is None:
        return False
    tree = places.trees.of(frame.f_code.co_filename)
    if tree is None:
        return False
    function = _function(tree, frame.f_code.co_name, frame.f_code.co_firstlineno)
    for expression in _named_around(function, frame.f_lineno):
        found = _resolve(expression, frame)
        for named in found if isinstance(found, tuple) else (found,):
            if (
                isinstance(named, type)
                and issubclass(raised, named)
                and named not in (Exception, BaseException, object)
            ):
                return True
    return False


def _function(tree: ast.Module, name: str, first_line: int) -> ast.AST:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == first_line:
                return node
    return tree


def _named_around(function: ast.AST, line: int) -> Iterator[ast.expr]:
    """The exception classes that a ``try`` around a line handles, or a ``suppress`` around it swallows."""
    left = list(ast.iter_child_nodes(function))
    while left:
        node = left.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            continue
        left += ast.iter_child_nodes(node)
        if isinstance(node, (ast.Try, ast.TryStar)) and _spans(node.body, line):
            for handler in node.handlers:
                yield from _members(handler.type)
        elif isinstance(node, (ast.With, ast.AsyncWith)) and _spans(node.body, line):
            for item in node.items:
                call = item.context_expr
                if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] == "suppress":
                    yield from call.args


def _spans(body: list[ast.stmt], line: int) -> bool:
    return bool(body) and body[0].lineno <= line <= (body[-1].end_lineno or body[-1].lineno)


def _members(expression: ast.expr | None) -> Iterator[ast.expr]:
    if isinstance(expression, ast.Tuple):
        yield from expression.elts
    elif expression is not None:
        yield expression


def _resolve(expression: ast.expr, frame: FrameType) -> object:
    """What a plain or dotted name means in a frame; nothing is evaluated."""
    if isinstance(expression, ast.Name):
        for scope in (frame.f_locals, frame.f_globals, vars(builtins)):
            if expression.id in scope:
                found: object = scope[expression.id]
                return found
    elif isinstance(expression, ast.Attribute):
        return vars_of(_resolve(expression.value, frame)).get(expression.attr)
    return None


def vars_of(value: object) -> dict[str, object]:
    """The attributes an object keeps itself, without running any of its code."""
    found = getattr(value, "__dict__", None)
    return dict(found) if found is not None else {}
