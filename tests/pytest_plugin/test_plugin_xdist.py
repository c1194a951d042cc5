"""pytest-xdist: workers follow credentials, the controller tells of them."""

from __future__ import annotations

import pytest

pytest_plugins = ("pytester",)

TESTS = """
@pytest.mark.parametrize("number", range(4))
def test_logs(client, number):
    client.get("/logs", headers=HEADERS)

def test_fine(client):
    client.get("/fine", headers=HEADERS)
"""


@pytest.fixture
def xdist():
    pytest.importorskip("xdist")


@pytest.mark.usefixtures("xdist")
def test_the_summary_gathers_all_workers(project):
    project.tests(TESTS)
    result = project.run("--rasp=observe", "-n", "2")
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["*= rasp =*", "error   raw-token-logged * in logs (*test_logs* and 3 more)"])
    assert result.stdout.str().count("raw-token-logged") == 1


@pytest.mark.usefixtures("xdist")
def test_workers_fail_what_a_single_process_fails(project):
    project.tests(TESTS)
    project.pytester.makeini("[pytest]\nrasp = strict\n")
    project.run("-n", "2").assert_outcomes(passed=1, failed=4)


@pytest.mark.usefixtures("xdist")
def test_workers_follow_also_where_the_plugin_is_only_named(project, monkeypatch):
    project.tests(TESTS)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = project.run("-p", "rasp.pytest_plugin", "-p", "xdist", "--rasp=strict", "-n", "2")
    result.assert_outcomes(passed=1, failed=4)
