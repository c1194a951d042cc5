"""The demo app, its expectations and `rasp demo`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rasp.cli import demo

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "demo"


def rasp_demo(*options: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.run(
        [sys.executable, "-m", "rasp", "demo", *options],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def comments() -> set[tuple[str, int, str]]:
    """(file, line, rule) of every `# expect:` comment in the demo."""
    return {
        (source.name, number, rule.strip())
        for source in FOLDER.glob("*.py")
        for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), 1)
        if (match := re.search(r"\S.*# expect: ([a-z-]+(?:, [a-z-]+)*)$", line))
        for rule in match[1].split(",")
    }


needs_tools = pytest.mark.skipif(not (shutil.which("cc") or shutil.which("gcc")), reason="the demo needs a C compiler")


class TestExpectations:
    def test_every_comment_has_an_entry_and_every_entry_a_comment(self) -> None:
        must, may = demo.expected(FOLDER)
        assert {(found.file, found.line, found.rule) for found in must | may} == comments()

    def test_every_entry_names_one_line(self) -> None:
        entries = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
        lines = [demo.marked(FOLDER / entry["file"], entry["rule"], entry["function"]) for entry in entries]
        assert [len(found) for found in lines] == [1] * len(entries)

    def test_nothing_is_expected_of_the_right_forms(self) -> None:
        assert {file for file, _, _ in comments()} == {"wrong.py"}

    def test_the_app_and_its_driver_know_nothing_of_rasp(self) -> None:
        imports = re.compile(r"^\s*(?:import|from)\s+rasp\b", re.MULTILINE)
        assert not [file.name for file in FOLDER.glob("*.py") if imports.search(file.read_text(encoding="utf-8"))]


class TestDifferences:
    FOUND = demo.Found("wrong.py", 7, "double-release", "warning", "clear_key")
    LOWER = demo.Found("wrong.py", 8, "double-release", "warning", "clear_key")

    def test_the_expected_findings_are_no_difference(self) -> None:
        assert demo.differences(({self.FOUND}, set()), {self.FOUND}) == []

    def test_a_finding_at_another_line_is_missing_and_unexpected(self) -> None:
        assert demo.differences(({self.FOUND}, set()), {self.LOWER}) == [
            "missing: wrong.py:7 double-release (warning) in clear_key",
            "unexpected: wrong.py:8 double-release (warning) in clear_key",
        ]

    def test_a_finding_that_may_be_is_neither(self) -> None:
        assert demo.differences((set(), {self.FOUND}), {self.FOUND}) == []
        assert demo.differences((set(), {self.FOUND}), set()) == []


class TestRequirements:
    def test_a_missing_library_is_named_with_the_command_that_brings_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(demo, "LIBRARIES", {"no_such_library_here": "no-such-library"})
        with pytest.raises(demo.DemoError, match=r"no-such-library .*pip install 'rasp\[demo\]'"):
            demo.check_requirements()

    def test_a_missing_folder_is_said_with_the_places_looked_in(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(demo, "PACKAGE", tmp_path / "rasp")
        with pytest.raises(demo.DemoError, match=re.escape(str(tmp_path / "rasp" / "demo"))):
            demo.folder()

    def test_settings_from_outside_do_not_reach_the_server(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("RASP_MODE", "strict")
        monkeypatch.setenv("GUNICORN_CMD_ARGS", "--workers 9")
        kept = demo.environment(tmp_path)
        assert not {name for name in kept if name.startswith(("RASP_", "GUNICORN_"))}
        assert kept["TMPDIR"] == str(tmp_path)


@needs_tools
class TestCommand:
    @pytest.fixture(autouse=True)
    def libraries(self) -> None:
        for module in demo.LIBRARIES:
            pytest.importorskip(module)

    def test_under_rasp_the_expected_findings_come_and_the_worker_lives(self) -> None:
        done = rasp_demo()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "no more and no less" in done.stdout
        assert re.search(r"/wrong/export +200\n", done.stdout)
        assert "died" not in done.stdout

    def test_no_made_up_credential_is_printed(self) -> None:
        namespace: dict[str, object] = {}
        exec((FOLDER / "made_up.py").read_text(encoding="utf-8"), namespace)
        secrets = [*namespace["API_KEYS"], namespace["SIGNING_KEY"], namespace["FORGERS_KEY"]]  # type: ignore[misc]
        done = rasp_demo()
        assert done.returncode == 0, done.stdout + done.stderr
        printed = done.stdout + done.stderr
        assert not [secret for secret in secrets if secret[:16] in printed or secret[-16:] in printed]
        assert not re.search(r"eyJ[A-Za-z0-9_-]{16}", printed)

    @pytest.mark.skipif(
        demo.importlib.metadata.version("flask") not in {"3.1.2", "3.1.3"},
        reason="only Flask 3.1.2 and 3.1.3 tear a streamed request down twice",
    )
    def test_without_rasp_the_worker_dies(self) -> None:
        done = rasp_demo("--bare")
        assert done.returncode == 0, done.stdout + done.stderr
        assert re.search(r"Worker \d+ died of SIG(SEGV|ABRT|BUS)", done.stdout)
