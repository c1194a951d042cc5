"""A token logged on another thread while its request is in flight: found, and owned where the context says whose."""

from __future__ import annotations

import pytest
from e2e.serving import Server, copy_apps, gunicorn, marked

KEYS = {
    "thread": "rk_4WnTb7XsQz2LvKd9HmRy5GcJpFe8",
    "pool": "rk_9RzLc3VhKw6NxMq2TdBs8YgJfPa5",
    "context": "rk_6GyHd2PmXv8QkWz4RtNc7LbJsFe3",
    "asyncio": "rk_3KqXw9TcNb5ZrVg7HsMd2YpLjFa6",
}


def drive(folder, mode):
    server = Server(folder, gunicorn("threads:app"), mode=mode)
    try:
        statuses = {way: server.get("/" + way, X_API_Key=key).status for way, key in KEYS.items()}
    finally:
        server.stop()
    return server, statuses


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    return drive(copy_apps(tmp_path_factory.mktemp("observe")), "observe")


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    return drive(copy_apps(tmp_path_factory.mktemp("strict")), "strict")


@pytest.mark.parametrize("way", KEYS)
def test_a_token_logged_by_another_thread_is_found_at_its_log_call(observed, way):
    server, statuses = observed
    assert statuses[way] == 200
    found = [f for f in server.findings() if f["location"]["line"] == marked("threads.py", way)]
    assert [finding["rule"] for finding in found] == ["raw-token-logged"]
    [step] = [step for step in found[0]["trail"] if step["action"] == "expose"]
    assert step["thread"] != "MainThread"


@pytest.mark.parametrize(("way", "owned"), [("thread", False), ("pool", False), ("context", True), ("asyncio", True)])
def test_only_a_carried_context_says_whose_it_is(observed, way, owned):
    server, _ = observed
    [found] = [f for f in server.findings() if f["location"]["line"] == marked("threads.py", way)]
    [record] = [record for record in server.records() if record["request"]["route"] == "/" + way]
    assert (found["request"] is not None and found["request"]["id"] == record["request"]["id"]) is owned
    assert found["credential"]["fingerprint"] == record["credentials"][0]["fingerprint"]


@pytest.mark.parametrize("way", ["context", "asyncio"])
def test_strict_fails_the_request_whose_thread_swallowed_the_violation(strict, way):
    server, statuses = strict
    assert statuses[way] == 500, server.output
    [found] = [f for f in server.findings() if f["location"]["line"] == marked("threads.py", way)]
    assert found["action_taken"] == "raised"
