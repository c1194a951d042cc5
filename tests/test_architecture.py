"""The house rules that no linter knows: what may import what, and what import and start-up may not do."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

import rasp

PACKAGE = Path(rasp.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
LAYERS = (
    ("model", "errors", "allowance"),
    ("declarations", "accepted", "settings", "config"),
    ("ledger",),
    ("rules",),
    ("responses",),
    ("reporters",),
    ("pipeline",),
    ("patching",),
    ("recorder",),
    ("sources",),
    ("instruments",),
    ("runtime",),
    ("api", "classes", "__init__"),
    ("testing", "pytest_plugin", "cli", "scan", "mcp", "otel_instrumentor", "bootstrap", "__main__"),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
BROAD_ALLOWED = {
    "patching/guard.py": 2,
    "reporters/counting.py": 1,
    "bootstrap/sitecustomize.py": 3,
    "cli/doctor.py": 1,
}
"""How often each file may catch ``Exception``: the guard, and the boundaries where other people's code runs."""

HEAVY = ("flask", "werkzeug", "wrapt", "opentelemetry", "structlog", "logging", "asyncio", "jwt", "cachelib")


def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def part(path):
    """The layer's name of a file: its folder or module directly below the package."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imported(path):
    """(line, dotted name) of every import of a file, wherever it stands; names of packages are resolved."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            for alias in node.names:
                inside = PACKAGE.parent.joinpath(*node.module.split("."), alias.name)
                is_module = inside.with_suffix(".py").exists() or inside.is_dir()
                yield node.lineno, f"{node.module}.{alias.name}" if is_module else node.module


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_from_its_left(path):
    own = part(path)
    assert own in RANK, f"{own} has no place in the order of docs/architecture.md"
    for line, name in imported(path):
        first, _, rest = name.partition(".")
        if first != "rasp":
            continue
        other = rest.partition(".")[0] or "__init__"
        assert RANK[other] <= RANK[own], f"{path.name}:{line} imports {name}, which lies to its right"


def test_only_patching_imports_wrapt():
    users = {
        part(path) for path in MODULES for _, name in imported(path) if name == "wrapt" or name.startswith("wrapt.")
    }
    assert users <= {"patching"}


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.name == "__init__.py"], ids=lambda path: path.parent.name
)
def test_no_logic_in_an_init(path):
    allowed = (ast.ImportFrom, ast.Import)
    for node in tree(path).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_list = isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]
        # Some imports are for type checkers alone, which then know what a function of another module imports late.
        is_choice = isinstance(node, ast.If) and ast.unparse(node.test) == "_TYPE_CHECKING"
        if is_choice:
            assert all(isinstance(inner, allowed) for inner in (*node.body, *node.orelse)), f"{path}:{node.lineno}"
        assert isinstance(node, allowed) or is_docstring or is_list or is_choice, f"{path}:{node.lineno}"


def test_no_global_statement():
    found = [
        f"{path.name}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Global)
    ]
    assert found == []


def broad_handlers(path):
    """(line, what is caught) of handlers for everything: ``Exception``, or all that is raised and not passed on."""
    for node in ast.walk(tree(path)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = "" if node.type is None else ast.unparse(node.type)
        names = set(re.findall(r"\w+", caught))
        passes_on = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
        if not caught or "Exception" in names or ("BaseException" in names and not passes_on):
            yield node.lineno, caught


def test_only_the_boundaries_catch_everything():
    found = {}
    for path in MODULES:
        lines = path.read_text(encoding="utf-8").splitlines()
        for line, caught in broad_handlers(path):
            name = path.relative_to(PACKAGE).as_posix()
            found[name] = found.get(name, 0) + 1
            assert caught == "Exception", f"{name}:{line} contains {caught or 'everything'}"
            assert re.search(r"# noqa: BLE001 - \w+", lines[line - 1]), f"{name}:{line} gives no reason"
    assert {name: count for name, count in found.items() if count > BROAD_ALLOWED.get(name, 0)} == {}


def test_importing_rasp_imports_no_library(scripts):
    done = scripts.plain(
        """
import sys
before = set(sys.modules)
import rasp
import json
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    )
    assert done.returncode == 0, done.stderr
    new = json.loads(done.stdout)
    assert "rasp.api" in new
    assert [name for name in new if name.partition(".")[0] in HEAVY] == []


START = """
import json, os, sys, threading
import rasp.api, rasp.runtime
opened, threads, sockets = [], [], []
def audit(event, args):
    if event == "open":
        opened.append(os.fsdecode(args[0]) if isinstance(args[0], (str, bytes)) else str(args[0]))
    elif event.startswith("_thread.start") or event in ("os.fork", "subprocess.Popen"):
        threads.append(event)
    elif event.startswith("socket."):
        sockets.append(event)
files = set(os.listdir("/proc/self/fd"))
before = set(sys.modules)
sys.addaudithook(audit)
rasp.install()
code = (".py", ".pyc", ".so")
print(json.dumps({
    "opened": [os.path.basename(name) for name in opened if not name.endswith(code)],
    "threads": threads, "sockets": sockets, "alive": len(threading.enumerate()),
    "files": sorted(set(os.listdir("/proc/self/fd")) - files),
    "modules": sorted(set(sys.modules) - before),
}))
"""


def test_start_up_starts_no_thread_and_opens_no_file(scripts):
    done = scripts.plain(START)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert (seen["threads"], seen["sockets"], seen["alive"], seen["files"]) == ([], [], 1, [])
    assert set(seen["opened"]) <= {"rasp.toml", "pyproject.toml"}, "configuration is all that start-up reads"
    assert [name for name in seen["modules"] if name.partition(".")[0] in HEAVY] == []
