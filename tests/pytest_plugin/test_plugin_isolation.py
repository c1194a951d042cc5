"""What belongs to one test: its findings, its marker, the ledger while it runs, and not its own code."""

from __future__ import annotations

pytest_plugins = ("pytester",)


def test_a_marked_test_may_do_what_its_marker_says_on_every_thread(project):
    project.tests("""
@pytest.mark.rasp_allow("raw-token-logged", reason="made up")
def test_allowed(client):
    client.get("/logs", headers=HEADERS)
    later(lambda: client.get("/logs", headers=HEADERS))

@pytest.mark.rasp_allow("RASP201")
def test_something_else_is_not_allowed(client):
    client.get("/twice", headers=HEADERS)

def test_not_marked(client):
    client.get("/logs", headers=HEADERS)
""")
    result = project.run("--rasp=strict", "-rA")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["PASSED test_shop.py::test_allowed"])


def test_the_fixture_shows_this_tests_findings_as_they_come(project):
    project.tests(
        """
def test_first(client, rasp_findings):
    assert list(rasp_findings) == []
    client.get("/logs", headers=HEADERS)
    assert [found.rule for found in rasp_findings] == ["raw-token-logged"]
    client.get("/twice", headers=HEADERS)
    assert [found.rule for found in rasp_findings] == ["raw-token-logged", "double-release"]
    assert rasp_findings[-1].location.function == "twice"
    assert KEY not in repr(rasp_findings)

def test_second(client, rasp_findings):
    assert len(rasp_findings) == 0
    client.get("/fine", headers=HEADERS)
    assert not rasp_findings
""".replace(
            'client.get("/twice", headers=HEADERS)',
            'pytest.raises(AttributeError, client.get, "/twice", headers=HEADERS)',
        )
    )
    project.run("--rasp=observe").assert_outcomes(passed=2)


def test_the_ledger_is_empty_when_a_test_begins(project):
    project.tests("""
from rasp import runtime

@app.get("/names")
def names():
    log.warning("the other one has %s", KEY)
    return "ok"

def test_presents(client):
    client.get("/fine", headers=HEADERS)
    rasp.hold(KEY, "pool")

def test_knows_nothing_of_it(client):
    assert runtime.active().ledger.values.get(KEY) is None
    client.get("/names")
    rasp.hold(KEY, "pool")
    rasp.release(KEY, "pool")

def test_a_release_of_another_tests_hold_is_no_second_one(rasp_findings):
    rasp.hold(KEY, "pool")
    rasp.release(KEY, "pool")
    assert not rasp_findings
""")
    project.run("--rasp=strict").assert_outcomes(passed=3)


def test_a_tests_own_code_is_judged_for_explicit_holds_only(project):
    project.tests("""
from cachelib import SimpleCache

def test_own_code(client):
    client.get("/fine", headers=HEADERS)
    log.warning("the test asked with %s", KEY)
    cache = SimpleCache()
    cache.set(KEY, 1)
    cache.delete(KEY)
    cache.delete(KEY)
    with app.app_context():
        g.key = KEY
        del g.key
        with pytest.raises(AttributeError):
            del g.key

def test_holds():
    rasp.hold(KEY, "pool")
    rasp.release(KEY, "pool")
    with pytest.raises(rasp.DoubleRelease):
        rasp.release(KEY, "pool")
""")
    project.run("--rasp=strict").assert_outcomes(passed=2)


def test_an_app_context_that_a_fixture_holds_open_is_no_leak(project):
    project.tests("""
@pytest.fixture(autouse=True)
def context():
    with app.app_context():
        yield

def other():
    return {"X-API-Key": KEY[::-1]}

def test_two_callers_in_turn(client, rasp_findings):
    client.get("/fine", headers=HEADERS)
    client.get("/fine", headers=other())
    assert not rasp_findings

@app.get("/keeps")
def keeps():
    g.kept = request.headers["X-API-Key"]
    return "ok"

@app.teardown_request
def clear(error):
    g.pop("kept", None)

def test_cleared_in_turn(client, rasp_findings):
    client.get("/keeps", headers=HEADERS)
    client.get("/keeps", headers=other())
    client.get("/fine", headers=HEADERS)
    assert [found.rule for found in rasp_findings if found.severity.word != "note"] == []
""")
    project.run("--rasp=strict").assert_outcomes(passed=2)


def test_what_success_and_error_paths_do_is_compared_within_one_test(project):
    project.tests("""
@app.get("/half")
def half():
    rasp.hold(KEY, "half")
    if "bad" in request.args:
        return "bad", 400
    rasp.release(KEY, "half")
    return "ok"

@pytest.mark.rasp_allow("never-released")
def test_error_last(client):
    client.get("/half", headers=HEADERS)
    client.get("/half?bad=1", headers=HEADERS)

@pytest.mark.rasp_allow("never-released")
def test_error_first(client):
    client.get("/half?bad=1", headers=HEADERS)
    client.get("/half", headers=HEADERS)

def test_success_alone(client):
    client.get("/half", headers=HEADERS)

@pytest.mark.rasp_allow("never-released")
def test_error_alone(client):
    client.get("/half?bad=1", headers=HEADERS)

@pytest.mark.rasp_allow("never-released", "inconsistent-release")
def test_allowed(client):
    client.get("/half?bad=1", headers=HEADERS)
    client.get("/half", headers=HEADERS)
""")
    result = project.run("--rasp=strict", "-rA")
    lines = [f"{word} test_shop.py::{name}*" for word, name in (
        ("PASSED", "test_success_alone"), ("PASSED", "test_error_alone"), ("PASSED", "test_allowed"),
    )]  # fmt: skip
    result.stdout.fnmatch_lines(lines)
    for name in ("test_error_last", "test_error_first"):
        assert f"{name}" in "".join(line for line in result.outlines if line.startswith(("FAILED", "ERROR")))
    result.stdout.fnmatch_lines(["*InconsistentRelease*"])
