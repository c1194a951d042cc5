"""Wrong settings and files: a clear error that names the key, the value and what is allowed, before anything starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from e2e.serving import PATIENCE, clean_environ


@pytest.fixture
def run(tmp_path):
    """``run(*options, **variables)``: ``rasp run [options] -- python -c "print('started')"``."""

    def start(*options: str, command: tuple[str, ...] | None = None, **variables: str) -> subprocess.CompletedProcess:
        command = command or (sys.executable, "-c", "print('started')")
        return subprocess.run(
            [sys.executable, "-m", "rasp", "run", *options, "--", *command],
            cwd=tmp_path,
            env=clean_environ(**variables),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    return start


def refused(done: subprocess.CompletedProcess, *named: str) -> None:
    """It said what is wrong in a line, and did not start the command."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for word in named:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ("mdoe = 'observe'", ("rasp.toml", "mdoe", "'mode'")),
        ("mode = 'loud'", ("rasp.toml", "mode", "'loud'", "observe")),
        ("mode = 3", ("rasp.toml", "mode", "3", "observe")),
        ("grace = 'long'", ("grace", "'long'", "86400")),
        ("grace = -1", ("grace", "-1", "86400")),
        ("report = 'yes'", ("report", "'yes'", "true")),
        ("headers = 'X-Key'", ("headers", "'X-Key'", "list")),
        ("live_values = 1.5", ("live_values", "1.5", "whole number")),
        ("rules = {no-such-rule = 'off'}", ("rules", "no-such-rule")),
        ("[[credential]]\nsource = 'cellar:key'", ("credential", "cellar:key", "header")),
        ("[[credential]]\nsource = 'query:ticket'\nkind = 'gold'", ("credential", "gold", "single_use")),
        ("[[credential]]\nsuorce = 'query:ticket'", ("credential", "suorce", "source")),
        ("[[native]]\nlibrary = 'libx'", ("native", "libx", "acquire")),
        ("[[native]]\nlibrary = 'libx'\nuse = ['f']\nrelease = ['f']", ("native", "libx", "two roles")),
        ("mode = 'observe'\nmode = 'strict'", ("rasp.toml", "not valid TOML")),
        ("mode = ", ("rasp.toml", "not valid TOML")),
    ],
)
def test_a_wrong_setting_in_the_file_is_named(run, tmp_path, toml, named):
    (tmp_path / "rasp.toml").write_text(toml)
    refused(run(), *named)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"RASP_MDOE": "strict"}, ("RASP_MDOE", "RASP_MODE")),
        ({"RASP_MODE": "loud"}, ("RASP_MODE", "loud", "observe")),
        ({"RASP_GRACE": "long"}, ("RASP_GRACE", "long", "86400")),
        ({"RASP_REPORT": "perhaps"}, ("RASP_REPORT", "perhaps", "true")),
        ({"RASP_CREDENTIAL": "query:ticket"}, ("RASP_CREDENTIAL",)),
    ],
)
def test_a_wrong_variable_is_named(run, variables, named):
    refused(run(**variables), *named)


@pytest.mark.parametrize("options", [("--mode", "loud"), ("--mdoe", "strict"), ("--fail-on", "panic"), ("--findings",)])
def test_a_wrong_option_is_named(run, options):
    refused(run(*options), options[0])


def test_a_key_that_is_too_short_is_refused_without_being_printed(run):
    done = run(RASP_FINGERPRINT_KEY="short-secret")
    refused(done, "RASP_FINGERPRINT_KEY", "16 bytes")
    assert "short-secret" not in done.stderr


def test_a_file_that_is_no_text_is_named(run, tmp_path):
    (tmp_path / "rasp.toml").write_bytes(b"mode = '\xff\xfe'")
    refused(run(), "rasp.toml")


def test_a_configuration_that_is_a_folder_is_named(run, tmp_path):
    (tmp_path / "rasp.toml").mkdir()
    refused(run(), "rasp.toml", "cannot be read")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(run, tmp_path):
    (tmp_path / "rasp.toml").write_text("mode = 'observe'")
    (tmp_path / "rasp.toml").chmod(0)
    refused(run(), "rasp.toml", "cannot be read")


@pytest.mark.parametrize("option", ["--findings", "--events"])
@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("missing/file.jsonl", "there is no folder"),
        ("folder", "is a folder"),
        ("link", "symbolic link"),
        ("dangling", "symbolic link"),
        ("file/below.jsonl", "file"),
    ],
)
def test_a_file_that_cannot_be_written_is_named_with_the_reason(run, tmp_path, option, name, named):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept\n")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nowhere")
    refused(run(option, name), option[2:], named)
    assert (tmp_path / "file").read_text() == "kept\n"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("option", ["--findings", "--events"])
def test_a_pipe_is_refused_with_the_reason_and_the_program_runs(run, tmp_path, option):
    os.mkfifo(tmp_path / "pipe")
    done = run(option, "pipe")
    assert (done.returncode, done.stdout) == (0, "started\n")
    assert "not a regular file" in done.stderr
    assert option[2:] in done.stderr
    assert "nothing was watched" in done.stderr
    assert run(option, "pipe", "--fail-on", "error").returncode == 1


def test_an_existing_file_is_appended_to(run, tmp_path):
    (tmp_path / "found.jsonl").write_text("kept\n")
    assert run("--findings", "found.jsonl").stdout == "started\n"
    assert (tmp_path / "found.jsonl").read_text() == "kept\n"


def test_a_command_that_does_not_exist_is_named(run):
    done = run(command=("no-such-command-here",))
    assert (done.returncode, done.stdout) == (127, "")
    assert "no-such-command-here: command not found" in done.stderr


def test_in_code_a_wrong_setting_raises_and_patches_nothing(tmp_path):
    code = (
        "import logging, rasp\n"
        "before = logging.Handler.format\n"
        "for wrong in ({'mdoe': 'strict'}, {'mode': 'loud'}, {'findings': 'no/such/folder'}):\n"
        "    try:\n"
        "        rasp.install(wrong)\n"
        "    except Exception as error:\n"
        "        print(type(error).__name__, logging.Handler.format is before)\n"
        "rasp.install({'mode': 'observe'})\n"
        "print(logging.Handler.format is before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=clean_environ(), capture_output=True, text=True, check=False
    )
    assert done.stdout == "ConfigError True\n" * 3 + "False\n", done.stderr


def test_a_configuration_that_breaks_after_the_start_leaves_the_program_alone(run, tmp_path):
    """The check is made by `rasp run`; a child that then finds the file broken runs as without rasp, and says so."""
    child = f"open({str(tmp_path / 'rasp.toml')!r}, 'w').write('mode = ')\n"
    code = f"import subprocess, sys\n{child}subprocess.run([sys.executable, '-c', 'print(6 * 7)'], check=True)"
    done = run(command=(sys.executable, "-c", code))
    assert (done.returncode, done.stdout) == (0, "42\n")
    assert "not watching" in done.stderr
    assert "rasp.toml" in done.stderr


@pytest.mark.parametrize(
    "library",
    [
        "jwt",
        "cachelib",
    ],
)
def test_a_library_of_an_unknown_layout_is_reported_and_works_as_it_is(run, tmp_path, library):
    """A stub stands first on the path in place of the library, as an old or a rewritten release would."""
    stubs = {"cachelib": "cachelib/simple.py", "jwt": "jwt/api_jwt.py"}
    place = Path(tmp_path, "old", stubs[library])
    place.parent.mkdir(parents=True)
    (place.parent / "__init__.py").write_text(f"from . import {place.stem}\n")
    place.write_text("def hello():\n    return 'old'\n")
    module = stubs[library].removesuffix(".py").replace("/", ".")
    old = {"PYTHONPATH": str(tmp_path / "old")}
    done = run(command=(sys.executable, "-c", f"import {module} as m; print(m.hello())"), **old)
    assert (done.returncode, done.stdout) == (0, "old\n"), done.stderr
    assert done.stderr == ""
    shown = subprocess.run(
        [sys.executable, "-m", "rasp", "doctor"],
        cwd=tmp_path,
        env=clean_environ(**old),
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    name = {"cachelib": "cachelib", "jwt": "pyjwt"}[library]
    [line] = [row for row in shown.stdout.splitlines() if row.startswith(f"{name} ")]
    assert "unsupported" in line
