"""Patch points: all or nothing, exactly back, and kind to other tools' wrappers."""

from __future__ import annotations

import inspect
import sys
import types

import pytest

from rasp.patching.guard import Guard
from rasp.patching.installer import Installer, Instrument, Planned
from rasp.patching.patches import MissingPoint, PatchPoint, apply, around, loaded, named_like, undo
from rasp.patching.watch import ImportWatch

NAME = "patched_library"
SOURCE = '''
class Base:
    def inherited(self, number):
        """Adds one."""
        return number + 1

class Library(Base):
    def method(self, number: int = 1) -> int:
        """Doubles."""
        return number * 2

    @staticmethod
    def static(number):
        return number - 1

    @classmethod
    def of(cls, number):
        return cls, number

def function(number):
    return number
'''


@pytest.fixture
def library(monkeypatch):
    module = types.ModuleType(NAME)
    exec(SOURCE, vars(module))
    monkeypatch.setitem(sys.modules, NAME, module)
    return module


def counting(calls):
    """A maker whose replacement notes the call and passes it on."""

    def make(original):
        def wrapper(*args, **kwargs):
            calls.append(original.__name__)
            return original(*args, **kwargs)

        return named_like(original, wrapper)

    return make


def points(make, *paths, **options):
    return [PatchPoint(NAME, path, make, **options) for path in paths]


def raw(module, path):
    *parents, attribute = path.split(".")
    target = module
    for name in parents:
        target = getattr(target, name)
    return vars(target).get(attribute)


def test_functions_methods_static_and_class_methods_are_wrapped_and_restored(library):
    paths = ("function", "Library.method", "Library.static", "Library.of")
    before = {path: raw(library, path) for path in paths}
    calls = []
    patches = apply(library, points(counting(calls), *paths))
    assert library.function(5) == 5
    assert library.Library().method(3) == 6
    assert library.Library.static(3) == library.Library().static(3) == 2
    assert library.Library.of(4) == library.Library().of(4) == (library.Library, 4)
    assert calls == ["function", "method", "static", "static", "of", "of"]
    undo(patches)
    for path in paths:
        assert raw(library, path) is before[path]


def test_a_subclass_reaches_a_wrapped_class_method_as_itself(library):
    apply(library, points(counting([]), "Library.of"))
    child = type("Child", (library.Library,), {})
    assert child.of(1) == (child, 1)


def test_an_inherited_attribute_is_wrapped_on_the_class_named_and_goes_away_again(library):
    calls = []
    patches = apply(library, points(counting(calls), "Library.inherited"))
    assert library.Library().inherited(1) == 2
    assert library.Base().inherited(1) == 2
    assert calls == ["inherited"], "the base class is left alone"
    undo(patches)
    assert "inherited" not in vars(library.Library)


def test_own_only_leaves_an_inherited_attribute_alone(library):
    assert apply(library, points(counting([]), "Library.inherited", own_only=True)) == []
    assert "inherited" not in vars(library.Library)


@pytest.mark.parametrize("path", ["Library.gone", "Gone.method", "gone"])
def test_a_missing_point_takes_all_others_back(library, path):
    before = raw(library, "Library.method")
    with pytest.raises(MissingPoint, match=rf"{NAME}\.{path}"):
        apply(library, points(counting([]), "Library.method", path))
    assert raw(library, "Library.method") is before


def test_an_optional_point_may_be_missing(library):
    assert apply(library, points(counting([]), "Library.gone", "Gone.gone", optional=True)) == []


def test_a_maker_that_fails_takes_all_others_back(library):
    before = raw(library, "function")

    def broken(original):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        apply(library, points(counting([]), "function") + points(broken, "Library.method"))
    assert raw(library, "function") is before


def test_a_wrapper_of_another_tool_below_ours_is_what_we_restore(library):
    calls = []
    library.Library.method = theirs = counting(calls)(library.Library.method)
    patches = apply(library, points(counting([]), "Library.method"))
    undo(patches)
    assert raw(library, "Library.method") is theirs
    assert library.Library().method(2) == 4
    assert calls == ["method"]


def test_a_wrapper_of_another_tool_above_ours_stays(library):
    ours, calls = [], []
    patches = apply(library, points(counting(ours), "Library.method"))
    library.Library.method = theirs = counting(calls)(library.Library.method)
    undo(patches)
    assert raw(library, "Library.method") is theirs
    assert library.Library().method(2) == 4
    assert (calls, ours) == (["method"], ["method"]), "ours is still below, and made inert by the guard"


def test_one_point_patched_twice_is_restored_in_the_opposite_order(library):
    before = raw(library, "function")
    patches = apply(library, points(counting([]), "function", "function"))
    undo(patches)
    assert raw(library, "function") is before


def test_a_closure_looks_like_its_original(library):
    before = library.Library.method
    apply(library, points(counting([]), "Library.method"))
    after = library.Library.method
    assert (after.__name__, after.__qualname__, after.__doc__) == ("method", "Library.method", "Doubles.")
    assert inspect.signature(after) == inspect.signature(before)
    assert after.__wrapped__ is before


def test_around_keeps_binding_signature_and_class(library):
    calls = []

    def wrapper(wrapped, instance, args, kwargs):
        calls.append((wrapped.__name__, type(instance).__name__, args))
        return wrapped(*args, **kwargs)

    before = raw(library, "Library.method")
    patches = apply(library, points(around(wrapper), "Library.method"))
    assert library.Library().method(4) == 8
    assert calls == [("method", "Library", (4,))]
    assert inspect.isfunction(library.Library.method)
    undo(patches)
    assert raw(library, "Library.method") is before


def test_loaded_imports_nothing():
    assert loaded("sys") is sys
    assert loaded("this") is None
    assert "this" not in sys.modules


@pytest.fixture
def installer():
    made = Installer(Guard(loud=True), ImportWatch())
    yield made
    made.uninstall()


def state(installer):
    (status,) = installer.statuses()
    return status.state, status.reason


def test_the_installer_waits_for_a_library_and_patches_it_when_it_comes(installer, library, monkeypatch, tmp_path):
    (tmp_path / "late_library.py").write_text("def function():\n    return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    calls = []
    point = PatchPoint("late_library", "function", counting(calls))
    installer.install([Planned.made(Instrument("late", "late", ">=1", (point,)))], ())
    assert state(installer) == ("waiting", "")
    import late_library

    monkeypatch.setitem(sys.modules, "late_library", late_library)
    assert state(installer) == ("installed", "")
    assert (late_library.function(), calls) == (1, ["function"])
    installer.uninstall()
    assert not hasattr(late_library.function, "__wrapped__")


def test_the_installer_reports_an_unsupported_version_and_patches_nothing(installer, library):
    before = raw(library, "function")
    installer.install(
        [Planned.made(Instrument("some", "some", ">=1", tuple(points(counting([]), "function", "gone"))))], ()
    )
    assert state(installer) == ("unsupported", f"this version has no {NAME}.gone")
    assert raw(library, "function") is before


def test_the_installer_leaves_a_disabled_instrument_alone(installer, library):
    before = raw(library, "function")
    installer.install(
        [Planned.made(Instrument("some", "some", ">=1", tuple(points(counting([]), "function"))))], ("some",)
    )
    assert state(installer)[0] == "disabled"
    assert raw(library, "function") is before


def test_a_failing_installation_is_contained_and_taken_back(library, capfd):
    def broken(module):
        raise ValueError("no")

    quiet = Installer(Guard(), ImportWatch())
    before = raw(library, "function")
    made = Instrument("some", "some", ">=1", tuple(points(counting([]), "function")), on_install=broken)
    quiet.install([Planned.made(made)], ())
    assert state(quiet)[0] == "failed"
    assert raw(library, "function") is before
    assert "install.some failed with ValueError" in capfd.readouterr().err
    quiet.uninstall()
