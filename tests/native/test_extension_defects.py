"""A double release in each family of native libraries: it kills the process, and under rasp it does not."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from extension_fixtures import families  # noqa: F401 - a fixture
from extension_scripts import DEFECTS, HEAD, KEY

CRASHED = (-signal.SIGABRT, -signal.SIGSEGV)
BUILDS = ("shared", "c", "cython", "pybind11", "cffi", "cffi_abi")


def _source(defect, folder):
    return (HEAD + defect.source).format(folder=str(folder), helpers=str(Path(__file__).parent))


def _declare(scripts, defect):
    if defect.library:
        lines = [f"{role} = {names!r}" for role, names in defect.roles.items()]
        text = "\n".join(["[[native]]", f'library = "{defect.library}"', *lines])
        (scripts.folder / "rasp.toml").write_text(text.replace("'", '"') + "\n")


@pytest.mark.parametrize("name", DEFECTS)
class TestDoubleRelease:
    @pytest.fixture
    def source(self, name, families, scripts):  # noqa: F811
        families(*BUILDS)
        _declare(scripts, DEFECTS[name])
        return _source(DEFECTS[name], families.folder)

    def test_kills_the_process_without_rasp(self, source, scripts):
        done = scripts.plain(source)
        assert done.returncode in CRASHED, done.stderr
        assert "survived" not in done.stdout

    @pytest.mark.parametrize("mode", ["observe", "protect"])
    def test_is_withheld_and_found_at_its_line(self, source, scripts, mode):
        ran = scripts.under_rasp(source, "--mode", mode)
        assert (ran.returncode, ran.stdout) == (0, "survived\n"), ran.stderr
        last = source.rstrip().count("\n")  # the line before the last
        (found,) = [finding for finding in ran.findings if finding["severity"] == "error"]
        assert (found["rule"], found["location"]["line"], found["cwe"]) == ("double-release", last, [415])
        assert found["action_taken"] == "call skipped"
        assert [step["action"] for step in found["trail"]] == ["acquire", "release", "release"]
        assert all(step["location"]["file"] == "app.py" for step in found["trail"])
        assert KEY[3:] not in str(ran)

    def test_strict_raises_it(self, source, scripts, name):
        ran = scripts.under_rasp(source, "--mode", "strict")
        assert [finding["rule"] for finding in ran.findings if finding["severity"] == "error"] == ["double-release"]
        if name == "cffi destructor":  # nothing can be raised out of one
            assert ran.stdout == "survived\n"
        else:
            assert "DoubleRelease" in ran.stderr
            assert "survived" not in ran.stdout
