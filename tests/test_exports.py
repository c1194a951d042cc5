"""The public surface is what the contract promises: no name more, none less, all of them typed and documented."""

from __future__ import annotations

import inspect
import re
import typing

import pytest

import rasp
from rasp import errors
from rasp.rules.table import RULES

FUNCTIONS = {
    "install", "uninstall", "track", "hold", "release", "fingerprint", "native_library", "scope", "allow", "findings",
}  # fmt: skip
CLASSES = {"Rasp", "Middleware", "Config", "Credential", "Finding"}
ERRORS = {
    name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, errors.RaspError)
}
DRAWN = re.compile(r"^\s*(?P<indent>[│├└─ ]*)(?P<name>[A-Z]\w+)", re.MULTILINE)


def test_the_surface_is_the_contracts():
    assert set(rasp.__all__) == FUNCTIONS | CLASSES | ERRORS


def test_the_surface_is_sorted_and_there():
    assert rasp.__all__ == sorted(rasp.__all__)
    assert [name for name in rasp.__all__ if not hasattr(rasp, name)] == []


def test_an_interactive_user_is_shown_every_name():
    assert dir(rasp) == rasp.__all__


def test_a_name_that_is_not_there_is_not_found():
    with pytest.raises(AttributeError, match="module 'rasp' has no attribute 'Config2'"):
        _ = rasp.Config2


def test_nothing_else_is_public():
    extra = {
        name
        for name, value in vars(rasp).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name not in rasp.__all__
    }
    assert extra == set()


def drawn_tree():
    """{name: name of its parent} as the docstring of ``rasp.errors`` draws it."""
    above: list[tuple[int, str]] = []
    parents = {}
    body = errors.__doc__.partition("::")[2]
    for line in body.splitlines():
        found = DRAWN.match(line)
        if found is None:
            continue
        column = found.start("name")
        above = [(at, name) for at, name in above if at < column]
        parents[found["name"]] = above[-1][1] if above else None
        above.append((column, found["name"]))
    return parents


def test_the_docstring_draws_the_tree_of_errors():
    really = {name: getattr(errors, name).__base__.__name__ for name in ERRORS}
    assert drawn_tree() == really | {"RaspError": None}


def test_every_rule_has_a_violation_named_after_it():
    for rule in RULES.values():
        assert rule.violation.__name__ == "".join(word.title() for word in rule.name.split("-"))
        assert issubclass(rule.violation, rasp.RaspViolation)
        assert rule.id in rule.violation.__doc__
        assert f"CWE-{rule.cwe}" in rule.violation.__doc__
    violations = {name for name in ERRORS if issubclass(getattr(errors, name), errors.RaspViolation)}
    assert {rule.violation.__name__ for rule in RULES.values()} == violations - {"RaspViolation"}


def public_callables():
    for name in rasp.__all__:
        value = getattr(rasp, name)
        yield name, value
        if inspect.isclass(value):
            for member, function in vars(value).items():
                if inspect.isfunction(function) and (not member.startswith("_") or member in ("__init__", "__call__")):
                    yield f"{name}.{member}", function


CALLABLES = dict(public_callables())


@pytest.mark.parametrize("name", CALLABLES)
def test_annotations_resolve(name):
    target = inspect.unwrap(CALLABLES[name])
    if name.startswith("RaspViolation.") or name.endswith("Violation.__init__"):
        hints = typing.get_type_hints(target, localns={"Finding": rasp.Finding})
    else:
        hints = typing.get_type_hints(target)
    if inspect.isfunction(target) and "<string>" not in target.__code__.co_filename:
        missing = [name for name in inspect.signature(target).parameters if name != "self" and name not in hints]
        assert missing == []
        assert "return" in hints


@pytest.mark.parametrize("name", sorted(FUNCTIONS | CLASSES | ERRORS))
def test_every_public_name_says_what_it_does(name):
    documented = inspect.getdoc(getattr(rasp, name)) or ""
    assert len(documented.split()) > 2 or re.match(r"RASP\d{3}, CWE-\d+", documented), name
