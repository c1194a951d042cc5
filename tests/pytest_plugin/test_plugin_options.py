"""How the plugin is switched on and off, and what it says when told nonsense."""

from __future__ import annotations

import json

import pytest

pytest_plugins = ("pytester",)

LOGS = """
def test_logs(client):
    assert client.get("/logs", headers=HEADERS).text == "ok"
"""

UNTOUCHED = """
import logging, sys

def test_untouched():
    from flask import Flask
    assert not any(hasattr(method, "__wrapped__") for method in (Flask.__call__, Flask.wsgi_app, logging.Logger.handle))
    assert not [finder for finder in sys.meta_path if type(finder).__module__.startswith("rasp.")]
"""


NOT_IMPORTED = """
import sys

def test_not_imported():
    stages = ("rasp.runtime", "rasp.pipeline", "rasp.ledger", "rasp.instruments")
    assert [name for name in stages if name in sys.modules] == []
"""


@pytest.mark.parametrize("options", [(), ("--rasp=off",), ("-p", "rasp.pytest_plugin")])
def test_off_patches_nothing(project, options):
    project.pytester.makepyfile(test_off=UNTOUCHED)
    project.run(*options).assert_outcomes(passed=1)


def test_off_imports_nothing_of_the_runtime(project):
    project.pytester.makepyfile(test_off=NOT_IMPORTED)
    project.run("--rasp=off").assert_outcomes(passed=1)


def test_off_leaves_marker_and_fixture_usable(project):
    project.tests("""
@pytest.mark.rasp_allow("raw-token-logged")
def test_logs(client, rasp_findings):
    client.get("/logs", headers=HEADERS)
    assert list(rasp_findings) == []
""")
    project.run("--strict-markers").assert_outcomes(passed=1)


def test_observe_only_reports(project):
    project.tests(LOGS)
    result = project.run("--rasp=observe")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*= rasp =*",
            "error   raw-token-logged test_shop.py:* in logs (test_shop.py::test_logs)",
            "rasp explain RULE *",
        ]
    )
    assert result.ret == 0


def test_nothing_found_says_nothing(project):
    project.tests("""
def test_fine(client):
    client.get("/fine", headers=HEADERS)
""")
    result = project.run("--rasp=strict")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*= rasp =*")


def test_a_defect_in_many_tests_is_one_line(project):
    project.tests(LOGS + LOGS.replace("test_logs", "test_again"))
    result = project.run("--rasp=observe")
    result.stdout.fnmatch_lines(["error   raw-token-logged * (test_shop.py::test_logs and 1 more)"])
    assert result.stdout.str().count("raw-token-logged") == 1


def test_the_ini_value_holds_where_no_option_is_given(project):
    project.tests(LOGS)
    project.pytester.makeini("[pytest]\nrasp = strict\n")
    project.run().assert_outcomes(failed=1)
    project.run("--rasp=observe").assert_outcomes(passed=1)
    project.run("--rasp=off").assert_outcomes(passed=1)


def test_named_with_p_beside_the_entry_point(project):
    project.tests(LOGS)
    project.run("-p", "rasp.pytest_plugin", "--rasp=strict").assert_outcomes(failed=1)


def test_an_app_that_a_conftest_imports_is_followed(project):
    project.pytester.makeconftest(
        "import flask, logging\nHANDLE = logging.Handler.handle\nWSGI = flask.Flask.wsgi_app\n"
    )
    project.pytester.makepyfile(
        test_early="from conftest import *\n"
        "def test_patched():\n    assert hasattr(HANDLE, '__wrapped__') and hasattr(WSGI, '__wrapped__')\n"
    )
    project.run("--rasp=observe").assert_outcomes(passed=1)


def test_a_baseline_hides_what_it_knows(project):
    project.tests(LOGS)
    result = project.run("--rasp=strict")
    result.assert_outcomes(failed=1)
    known = project.pytester.path / "known.jsonl"
    project.pytester.makepyfile(
        conftest="import rasp\n"
        "from rasp.reporters.serialise import finding_line\n"
        "def pytest_runtest_teardown(item):\n"
        "    open('known.jsonl', 'wb').write(b''.join(map(finding_line, rasp.findings())))\n"
    )
    project.run("--rasp=observe")
    assert [json.loads(line)["rule"] for line in known.read_text().splitlines()] == ["raw-token-logged"]
    (project.pytester.path / "conftest.py").unlink()
    result = project.run("--rasp=strict", "--rasp-baseline", "known.jsonl")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*= rasp =*")


@pytest.mark.parametrize(
    ("ini", "options", "said"),
    [
        ("rasp = loud", (), "*'loud' is not allowed; allowed: off, observe, strict*"),
        ("", ("--rasp=loud",), "*--rasp*'loud'*"),
        ("", ("--rasp=strict", "--rasp-baseline", "absent.jsonl"), "*absent.jsonl*"),
    ],
)
def test_nonsense_is_a_usage_error(project, ini, options, said):
    project.tests(LOGS)
    project.pytester.makeini(f"[pytest]\n{ini}\n")
    result = project.run(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])
    assert "Traceback" not in result.stderr.str()


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        (
            'rasp_allow("raw-token-loged")',
            "*test_logs: rasp_allow: no rule is called 'raw-token-loged'*raw-token-logged*",
        ),
        ("rasp_allow", "*test_logs: rasp_allow: it names no rule"),
    ],
)
def test_a_marker_that_allows_nothing_is_a_usage_error(project, mark, said):
    project.tests(f"@pytest.mark.{mark}{LOGS}")
    result = project.run("--rasp=strict")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])
