"""``--rasp=strict`` fails the test whose code mishandles a credential, however the violation comes to light."""

from __future__ import annotations

pytest_plugins = ("pytester",)

FAILING = """
def test_fine(client):
    assert client.get("/fine", headers=HEADERS).text == "ok"

def test_raised_at_the_call(client):
    client.get("/logs", headers=HEADERS)

def test_swallowed_by_the_app(client):
    client.get("/swallows", headers=HEADERS)

def test_answered_by_an_error_handler(client, monkeypatch):
    monkeypatch.setattr(app, "testing", False)
    client.get("/twice", headers=HEADERS)

def test_in_another_thread(client):
    def work():
        with pytest.raises(rasp.DoubleRelease):
            client.get("/twice", headers=HEADERS)
        client.get("/holds", headers=HEADERS)
        client.get("/fine", headers=HEADERS)

    later(work)

def test_judged_at_the_requests_end(client):
    response = client.get("/holds", headers=HEADERS)
    assert response.status_code == 200

@pytest.fixture
def warmed(client):
    client.get("/holds", headers=HEADERS)

def test_in_a_fixture(warmed):
    pass

@pytest.fixture
def cooled(client):
    yield
    client.get("/holds", headers=HEADERS)

def test_in_a_fixtures_end(cooled):
    pass

def test_the_next_one_is_not_blamed(client):
    assert client.get("/fine", headers=HEADERS).text == "ok"
"""


def test_each_mishandling_fails_its_own_test(project):
    project.tests(FAILING)
    result = project.run("--rasp=strict", "-rA")
    result.assert_outcomes(passed=3, failed=5, errors=2)
    for name in ("fine", "the_next_one_is_not_blamed", "in_a_fixtures_end"):
        result.stdout.fnmatch_lines([f"PASSED test_shop.py::test_{name}"])
    result.stdout.fnmatch_lines(["ERROR test_shop.py::test_in_a_fixture - rasp.errors.NeverReleased: *"])
    result.stdout.fnmatch_lines(["ERROR test_shop.py::test_in_a_fixtures_end - rasp.errors.NeverReleased: *"])
    for name, violation in (
        ("raised_at_the_call", "RawTokenLogged"),
        ("swallowed_by_the_app", "RawTokenLogged"),
        ("answered_by_an_error_handler", "DoubleRelease"),
        ("in_another_thread", "NeverReleased"),
        ("judged_at_the_requests_end", "NeverReleased"),
    ):
        result.stdout.fnmatch_lines([f"FAILED test_shop.py::test_{name} - rasp.errors.{violation}: *"])


def test_a_violation_in_another_thread_that_the_test_never_sees_fails_it(project):
    project.tests("""
def test_thread(client):
    def work():
        with rasp.scope("job"):
            rasp.track(KEY, kind="api_key")
            try:
                log.warning("with %s", KEY)
            except rasp.RawTokenLogged:
                pass

    later(work)
""")
    result = project.run("--rasp=strict")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*RawTokenLogged*"])


def test_a_test_that_expects_the_violation_passes(project):
    project.tests("""
def test_expected(client):
    with pytest.raises(rasp.DoubleRelease) as caught:
        client.get("/twice", headers=HEADERS)
    assert caught.value.finding.location.function == "twice"

def test_expected_though_the_app_answers_it(client, monkeypatch):
    monkeypatch.setattr(app, "testing", False)
    with pytest.raises(rasp.DoubleRelease):
        client.get("/twice", headers=HEADERS)
""")
    project.run("--rasp=strict").assert_outcomes(passed=2)


def test_a_client_that_never_closes_its_responses_is_judged(project):
    project.tests("""
def test_two_requests_in_turn_do_not_overlap(client):
    first = client.get("/fine", headers=HEADERS)
    second = client.get("/fine", headers=HEADERS)
    assert (first.status_code, second.status_code) == (200, 200)

def test_unclosed(client):
    kept = client.get("/holds", headers=HEADERS, buffered=False)
    assert kept.status_code == 200
""")
    result = project.run("--rasp=strict")
    result.assert_outcomes(passed=1, failed=1)


def test_a_failing_test_shows_the_report_and_no_credential_of_ours(project):
    project.tests("""
def test_twice(client):
    client.get("/twice", headers=HEADERS)
""")
    result = project.run("--rasp=strict", "--tb=short")
    result.stdout.fnmatch_lines(
        ["*- rasp findings -*", "*double-release*", "*= rasp =*", "error*double-release*in twice*"]
    )
    assert project.key not in result.stdout.str() + result.stderr.str()
