"""Fixtures of the tests of cffi and extension modules: built once, imported afresh."""

from __future__ import annotations

import importlib
import sys

import pytest
from extension_builds import BUILDERS


class Families:
    """Builds a family's library when it is first asked for."""

    def __init__(self, folder):
        self.folder = folder
        self._built = {}

    def __call__(self, *names):
        for name in names:
            if name not in self._built:
                self._built[name] = BUILDERS[name](self.folder)
        return self._built[names[-1]]


@pytest.fixture(scope="session")
def families(tmp_path_factory):
    return Families(tmp_path_factory.mktemp("families"))


@pytest.fixture
def imported(families, monkeypatch):
    """``imported("c", "capikeys")``: the module of a family, imported once a process, for C modules allow no more."""
    monkeypatch.syspath_prepend(str(families.folder))

    def load(family, name):
        families(family)
        importlib.invalidate_caches()
        return sys.modules.get(name) or importlib.import_module(name)

    return load
