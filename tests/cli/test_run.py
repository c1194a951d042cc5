"""``rasp run``: its options, its checks before the start, and its exit status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from rasp import config
from rasp.cli import environment, run, run_folder
from rasp.model import Mode, Severity

ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"
REPORT = "import os; open(os.environ['_RASP_RUN_FOLDER'] + '/findings', 'a').write({!r})"


@pytest.mark.parametrize("status", [0, 1, 3, 255])
def test_returns_the_status_of_the_command(rasp, status):
    assert rasp.python(f"raise SystemExit({status})").returncode == status


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_returns_128_and_the_signal_that_ended_the_command(rasp, number):
    no_core = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))"
    assert rasp.python(f"{no_core}; import os; os.kill(os.getpid(), {number:d})").returncode == 128 + number


def test_hands_arguments_output_and_a_second_mark_through(rasp):
    done = rasp("run", "--", sys.executable, "-c", "import sys; print(sys.argv[1:])", "--mode", "--", "x y", "")
    assert done.stdout == "['--mode', '--', 'x y', '']\n"
    assert done.stderr == ""


def test_hands_standard_input_and_open_descriptors_on(rasp):
    reader, writer = os.pipe()
    os.write(writer, b"from the pipe")
    os.close(writer)
    done = subprocess.run(
        [
            *rasp.prefix,
            "run",
            "--",
            sys.executable,
            "-c",
            f"import os; print(input(), os.read({reader}, 99))",
        ],
        cwd=rasp.folder,
        env=rasp.environ,
        input="from the input\n",
        capture_output=True,
        text=True,
        pass_fds=[reader],
        check=False,
    )
    os.close(reader)
    assert done.stdout == "from the input b'from the pipe'\n"


@pytest.mark.parametrize("arguments", [(), ("--",), ("python", "x.py")])
def test_asks_for_the_command(rasp, arguments):
    done = rasp("run", *arguments)
    assert done.returncode == 2
    assert "--" in done.stderr


class TestCannotStart:
    def test_says_that_a_command_was_not_found(self, rasp):
        done = rasp("run", "--fail-on", "note", "--", "no-such-command", "x")
        assert done.returncode == 127
        assert done.stderr == "rasp run: no-such-command: command not found\n"

    def test_points_at_the_command_beside_its_own_python(self, rasp):
        name = os.path.basename(sys.executable)
        done = rasp("run", "--", name, PATH=str(rasp.folder))
        assert done.returncode == 127
        assert f"did you mean {sys.executable}?" in done.stderr

    def test_says_that_a_file_is_not_executable(self, rasp):
        (rasp.folder / "script").write_text("#!/bin/sh\n")
        done = rasp("run", "--", "./script")
        assert done.returncode == 126
        assert done.stderr == "rasp run: ./script: Permission denied\n"

    def test_says_that_a_scripts_interpreter_is_missing(self, rasp):
        script = rasp.folder / "script"
        script.write_text("#!/no/such/interpreter\n")
        script.chmod(0o755)
        done = rasp("run", "--", "./script")
        assert done.returncode == 126
        assert "interpreter" in done.stderr


class TestOptions:
    def test_become_variables_with_absolute_paths(self, rasp):
        (rasp.folder / "known.jsonl").touch()
        given = ("--mode", "strict", "--findings", "f", "--events", "e", "--baseline", "known.jsonl")
        environ = rasp.answer(ENVIRONMENT, *given)
        assert {name: value for name, value in environ.items() if name.startswith("RASP_")} == {
            "RASP_MODE": "strict",
            "RASP_FINDINGS": str(rasp.folder / "f"),
            "RASP_EVENTS": str(rasp.folder / "e"),
            "RASP_BASELINE": str(rasp.folder / "known.jsonl"),
        }

    def test_win_over_variables_and_are_shown_as_coming_from_the_command_line(self, rasp):
        inner = [*rasp.prefix, "config", "--format", "json"]
        done = rasp("run", "--mode", "protect", "--", *inner, RASP_MODE="strict", RASP_GRACE="5")
        shown = {row["setting"]: (row["value"], row["origin"]) for row in json.loads(done.stdout)}
        assert shown["mode"] == ("protect", "command line")
        assert shown["grace"] == ("5.0", "environment RASP_GRACE")

    @pytest.mark.parametrize(
        ("arguments", "variables", "named"),
        [
            (("--mode", "loud"), {}, "loud"),
            ((), {"RASP_MODE": "loud"}, "RASP_MODE"),
            ((), {"RASP_NO_SUCH": "1"}, "RASP_NO_SUCH"),
            (("--findings", "no/such/folder/file"), {}, "no/such/folder"),
            (("--findings", "."), {}, "is a folder"),
            (("--findings", ""), {}, "--findings"),
            (("--events", "link"), {}, "symbolic link"),
            (("--baseline", "no-such-file"), {}, "no such file"),
            (("--baseline", "text"), {}, "text:1"),
            (("--mode", "off", "--fail-on", "error"), {}, "mode off"),
        ],
    )
    def test_that_are_wrong_are_named_before_the_command_starts(self, rasp, arguments, variables, named):
        (rasp.folder / "link").symlink_to("elsewhere")
        (rasp.folder / "text").write_text("no finding\n")
        done = rasp.python("print('started')", *arguments, **variables)
        assert done.returncode == 2
        assert named in done.stderr
        assert done.stdout == ""

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_folder_that_is_not_writable_is_named(self, rasp):
        rasp.folder.chmod(0o500)
        done = rasp.python("print('started')", "--findings", "file")
        rasp.folder.chmod(0o700)
        assert done.returncode == 2
        assert "not writable" in done.stderr


class TestWhatTheProcessesShare:
    def test_a_private_folder_that_is_removed(self, rasp):
        code = (
            "import json, logging, os; folder = os.environ['_RASP_RUN_FOLDER'];"
            "print(json.dumps([folder, os.stat(folder).st_mode & 0o777, os.listdir(folder), os.getpid()]))"
        )
        folder, rights, content, process = rasp.answer(code, TMPDIR=str(rasp.folder))
        assert rights == 0o700
        assert sorted(content) == ["findings", f"started-{process}"]
        assert not os.path.exists(folder)
        assert os.listdir(rasp.folder) == []

    def test_a_random_key_that_differs_between_runs(self, rasp):
        keys = {rasp.answer(ENVIRONMENT)["_RASP_RUN_KEY"] for _ in range(2)}
        assert len(keys) == 2
        assert {len(bytes.fromhex(key)) for key in keys} == {32}

    def test_a_run_inside_a_run_keeps_the_key_and_the_outer_options(self, rasp):
        code = "import os, subprocess, sys; print(os.environ['_RASP_RUN_KEY'], flush=True); subprocess.run({!r})"
        show = "import os; print(os.environ['_RASP_RUN_KEY'], os.environ['_RASP_FROM_COMMAND_LINE'])"
        inner = [*rasp.prefix, "run", "--findings", "f", "--", sys.executable, "-c", show]
        done = rasp.python(code.format(inner), "--mode", "protect")
        outer_key, inner_key, marked = done.stdout.split()
        assert outer_key == inner_key
        assert marked == "RASP_MODE,RASP_FINDINGS"

    def test_a_run_inside_a_run_hands_its_findings_on(self, rasp):
        inner = [*rasp.prefix, "run", "--", sys.executable, "-c", REPORT.format("warning\n")]
        assert rasp("run", "--fail-on", "error", "--", *inner).returncode == 0
        assert rasp("run", "--fail-on", "warning", "--", *inner).returncode == 1


class TestFailOn:
    @pytest.mark.parametrize(
        ("limit", "lines", "status"),
        [
            ("error", "error\n", 1),
            ("error", "warning\nnote\n", 0),
            ("warning", "note\nwarning\n", 1),
            ("warning", "note\n", 0),
            ("note", "note\n", 1),
            ("note", "", 0),
            ("note", "no\x00such word\n", 0),
        ],
    )
    def test_is_1_when_a_finding_reaches_the_severity(self, rasp, limit, lines, status):
        assert rasp.python(REPORT.format(lines), "--fail-on", limit).returncode == status

    def test_says_what_reached_it(self, rasp):
        done = rasp.python(REPORT.format("error\nnote\nwarning\nerror\n"), "--fail-on", "warning")
        assert done.stderr == "rasp run: findings at or above --fail-on warning: 2 error, 1 warning\n"

    def test_is_silent_without_the_option(self, rasp):
        done = rasp.python(REPORT.format("error\n"))
        assert (done.returncode, done.stderr) == (0, "")

    def test_the_commands_own_failure_wins(self, rasp):
        code = REPORT.format("error\n") + "; raise SystemExit(7)"
        assert rasp.python(code, "--fail-on", "error").returncode == 7


def test_names_are_those_of_the_model_and_the_settings():
    """They are written twice, for what is imported counts against the start-up time of every command."""
    assert list(run.MODES) == list(Mode)
    assert list(run_folder.SEVERITIES) == [severity.word for severity in Severity]
    for name in ("COMMAND_LINE_MARK", "RUN_KEY", "RUN_FOLDER"):
        assert getattr(environment, name) == getattr(config, name)


class TestConfigurationOfTheProject:
    @pytest.mark.parametrize(
        ("name", "text"), [("rasp.toml", 'mode = "loud"'), ("pyproject.toml", '[tool.rasp]\nmode = "loud"')]
    )
    def test_is_checked_wherever_it_stands_above(self, rasp, name, text):
        (rasp.folder / name).write_text(text)
        rasp.folder = rasp.folder / "src" / "app"
        rasp.folder.mkdir(parents=True)
        done = rasp.python("print('started')")
        assert (done.returncode, done.stdout) == (2, "")
        assert name in done.stderr

    def test_can_switch_rasp_off(self, rasp):
        (rasp.folder / "rasp.toml").write_text('mode = "off"')
        assert "PYTHONPATH" not in rasp.answer(ENVIRONMENT)
        assert "PYTHONPATH" in rasp.answer(ENVIRONMENT, "--mode", "observe")


class TestNothingWatched:
    @pytest.mark.parametrize("option", ["-I", "-E", "-S"])
    def test_says_so_when_python_ignores_the_path(self, rasp, option):
        done = rasp("run", "--", sys.executable, option, "-c", "print('ran')")
        assert (done.returncode, done.stdout) == (0, "ran\n")
        assert "no process reported" in done.stderr
        assert "python -I" in done.stderr

    @pytest.mark.parametrize(("own", "status"), [(0, 1), (5, 5)])
    def test_fails_with_fail_on_unless_the_command_failed(self, rasp, own, status):
        assert rasp("run", "--fail-on", "error", "--", "sh", "-c", f"exit {own}").returncode == status

    def test_mode_off_changes_nothing_for_the_command_but_its_own_option(self, rasp):
        environ = rasp.answer(ENVIRONMENT, "--mode", "off")
        assert "PYTHONPATH" not in environ
        assert "_RASP_RUN_KEY" not in environ
        assert rasp.python("raise SystemExit(4)", "--mode", "off").returncode == 4
        assert rasp("run", "--mode", "off", "--", "no-such-command").returncode == 127
