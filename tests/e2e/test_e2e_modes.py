"""Each mode through real servers: what the caller gets, what the log holds, what is written."""

from __future__ import annotations

import pytest
from e2e.serving import PYTHON, Server, copy_apps, gunicorn, marked, places

KEY = "rk_9TzWm4QcHs7XkVb2LnRy6GpJdFa8"
SERVERS = {
    "gunicorn": (gunicorn("shop:app", "--access-logfile", "-"), False),
    "flask-run": ([PYTHON, "-m", "flask", "--app", "shop", "run", "--port", "0"], True),
}
FOUND = ("raw-token-logged", "shop.py", marked("shop.py", "log"))


def drive(folder, name, mode):
    command, interrupt = SERVERS[name]
    server = Server(copy_apps(folder), command, mode=mode)
    paths = ("/clean", "/log", "/denied", "/missing", "/patched")
    try:
        replies = {path: server.get(path, X_API_Key=KEY) for path in paths}
    finally:
        server.stop(interrupt=interrupt)
    return server, replies


@pytest.fixture(scope="module", params=SERVERS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def bare(name, tmp_path_factory):
    return drive(tmp_path_factory.mktemp("bare"), name, None)


@pytest.fixture(scope="module")
def served(name, tmp_path_factory):
    """Starts each mode when it is first asked for."""
    made = {}

    def in_mode(mode):
        if mode not in made:
            made[mode] = drive(tmp_path_factory.mktemp(mode), name, mode)
        return made[mode]

    return in_mode


@pytest.mark.parametrize("mode", ["off", "observe", "protect"])
def test_the_caller_gets_the_same_bytes_as_without_rasp(bare, served, mode):
    server, replies = served(mode)
    for path in ("/clean", "/log", "/denied", "/missing"):
        assert replies[path].raw == bare[1][path].raw, server.output


def test_off_patches_nothing_and_writes_no_file(bare, served):
    server, replies = served("off")
    assert replies["/patched"].json() == bare[1]["/patched"].json()
    assert not server.findings_file.exists()
    assert not server.events_file.exists()
    assert f"caller {KEY}" in server.output


def test_observe_reports_and_leaves_the_log_line(served):
    server, _ = served("observe")
    assert places(server.findings()) == [FOUND]
    assert server.findings()[0]["action_taken"] == "none"
    assert f"shop: caller {KEY}" in server.output


def test_protect_writes_the_mask_in_place_of_the_key(served):
    server, _ = served("protect")
    [finding] = server.findings()
    assert places([finding]) == [FOUND]
    assert (finding["mode"], finding["action_taken"]) == ("protect", "replaced")
    mask = f"[credential:api_key:{finding['credential']['fingerprint']}]"
    assert f"shop: caller {mask}\n" in server.output
    assert KEY not in server.output


def test_strict_fails_the_request_and_serves_the_next(served):
    server, replies = served("strict")
    assert {path: reply.status for path, reply in replies.items()} == {
        "/clean": 200,
        "/log": 500,
        "/denied": 401,
        "/missing": 404,
        "/patched": 200,
    }
    [finding] = server.findings()
    assert places([finding]) == [FOUND]
    assert (finding["mode"], finding["action_taken"]) == ("strict", "raised")
    assert "RawTokenLogged" in server.output


@pytest.mark.parametrize("mode", ["observe", "protect", "strict"])
def test_the_files_are_private_and_hold_no_key(served, mode):
    server, _ = served(mode)
    for file in (server.findings_file, server.events_file):
        assert file.stat().st_mode & 0o777 == 0o600
        text = file.read_text()
        assert KEY[:16] not in text
        assert KEY[-16:] not in text
