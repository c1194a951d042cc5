"""Whatever breaks inside rasp, the app goes on as without it: every hook is made to fail, one after the other."""

from __future__ import annotations

import pytest
from itsdangerous import TimestampSigner
from support import installed as support
from support.busy_app import KEY, NATIVE, SECRETS, Busy, requests
from support.made_up import api_key
from support.web import environ, serve, through_server

import rasp
from rasp import runtime as process
from rasp.config import load
from rasp.runtime import Runtime

USED = (
    "wsgi.", "record", "servers.app", "flask.routed", "flask.g.create", "flask.g.set", "flask.g.remove",
    "logging.format", "logging.handle", "structlog.", "loguru.", "opentelemetry.",
    "sentry.envelope", "sentry.put", "warnings.", "traceback.", "logging.error", "streams.",
    "werkzeug.debug", "cachelib.", "flask_caching.",
    "pyjwt.", "api.", "install.flask.", "install.logging.", "install.structlog.", "install.loguru.",
    "install.opentelemetry", "install.pyjwt", "install.cachelib", "install.wsgiref",
)  # fmt: skip
"""The hooks of what the app uses: each must be reached. All others are made to fail too, reached or not."""


@pytest.fixture(autouse=True)
def steady_clock(monkeypatch):
    """Session cookies bear the second they were made in."""
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self: 1_700_000_000)


def run(folder):
    """What callers and the app's own outputs show of all requests."""
    busy = Busy(folder)
    try:
        return busy.drive(), busy.written()
    finally:
        busy.close()


def start(folder, sabotage, mode="observe", native=NATIVE):
    """A runtime in which these hooks fail from the first moment."""
    config = load({**support.QUIET, "mode": mode, "native": native, "events": str(folder / "events.jsonl")}, environ={})
    runtime = Runtime(config, extra=(support.Memory(),))
    runtime.guard.sabotage(*sabotage)
    process._PROCESS.runtime = runtime
    runtime.start()
    return runtime


def differences(under, bare):
    """Which requests and outputs are not as without rasp."""
    for made, one, other in zip(requests(), under[0], bare[0], strict=True):
        if one != other:
            yield f"{made['PATH_INFO'].partition('/rk_')[0]} answers {one[:400]}"
    for one, other in zip(under[1], bare[1], strict=True):
        if one != other:
            yield "it writes something else"


@pytest.fixture
def bare(tmp_path):
    answers, written = run(tmp_path / "bare")
    assert [answer[9:12] for answer in answers].count(b"200") == 16, "the app works"
    return answers, written


def test_with_nothing_broken_the_app_is_as_without(install_rasp, tmp_path, bare):
    runtime = start(tmp_path, ())
    assert run(tmp_path / "under") == bare
    assert runtime.guard.failures == {}
    assert runtime.counting.failures == 0


def complaints(name, runtime, under, bare, told):
    """What is not as it has to be while one hook fails."""
    yield from (f"{name}: {difference}" for difference in differences(under, bare))
    failures = dict(runtime.guard.failures)
    if set(failures) - {name} or (not failures and f"{name}.".startswith(USED)):
        yield f"{name}: counted {failures}"
    if [line.partition(" failed with ")[0] for line in told] != [f"rasp: {name}"] * bool(failures):
        yield f"{name}: told {told}"
    yield from (f"{name}: shows a value" for secret in SECRETS if secret[-16:] in "".join(told))


def test_every_hook_may_fail(install_rasp, tmp_path, bare, capfd):
    runtime = start(tmp_path, ())
    run(tmp_path / "names")
    names = [name for name in runtime.guard.names if not name.startswith("install.")]
    assert len(names) > 40
    wrong = []
    for number, name in enumerate(names):
        capfd.readouterr()
        runtime.guard.failures.clear()
        runtime.guard.sabotage(name)
        under = run(tmp_path / str(number))
        runtime.recorder.drain()
        runtime.guard.sabotage()
        wrong += complaints(name, runtime, under, bare, capfd.readouterr().err.splitlines())
    assert not wrong, "\n".join(wrong)


def test_every_installation_may_fail(install_rasp, tmp_path, bare, capfd):
    runtime = start(tmp_path, ())
    names = [name for name in runtime.guard.names if name.startswith("install.")]
    process.uninstall()
    assert len(names) > 10
    wrong = []
    for name in names:
        capfd.readouterr()
        runtime = start(tmp_path, [name], native=[])
        under = run(tmp_path / name)
        process.uninstall()
        wrong += complaints(name, runtime, under, bare, capfd.readouterr().err.splitlines())
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("mode", ["observe", "protect", "strict"])
def test_all_hooks_may_fail_at_once(install_rasp, tmp_path, bare, capfd, mode):
    runtime = start(tmp_path, ())
    run(tmp_path / "names")
    names = [name for name in runtime.guard.names if not name.startswith("install.")]
    process.uninstall()
    capfd.readouterr()
    runtime = start(tmp_path, names, mode)
    assert run(tmp_path / "under") == bare
    assert set(runtime.guard.failures) <= set(names)
    assert set(runtime.guard.failures.values()) != {0}
    process.uninstall()
    told = capfd.readouterr().err
    assert not any(secret[-16:] in told for secret in SECRETS)


def test_a_broken_installation_leaves_the_library_as_it_was(install_rasp, tmp_path):
    import logging

    before = logging.Handler.format
    runtime = start(tmp_path, ["install.logging"])
    states = {status.instrument: status.state for status in runtime.statuses()}
    assert states["logging"] == "failed"
    assert states["flask"] == "installed"
    assert logging.Handler.format is before


# What is no Exception is the app's, and passes.


def raising(error, where):
    """A WSGI app that raises in a certain place."""

    def rows():
        yield b"first"
        raise error

    class Closing(list):
        def close(self):
            raise error

    def app(environ, start_response):
        if where == "call":
            raise error
        start_response("200 OK", [("Content-Type", "text/plain")])
        return {"next": rows(), "close": Closing([b"all"])}.get(where, [b"all"])

    return app


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit(), ValueError("an ordinary one")])
@pytest.mark.parametrize("where", ["call", "next", "close"])
@pytest.mark.parametrize("mode", ["observe", "strict"])
def test_what_a_wsgi_app_raises_comes_out_as_it_is(install_rasp, error, where, mode):
    installed = install_rasp(mode=mode)
    app = rasp.Middleware(raising(error, where))
    with pytest.raises(type(error)) as caught:
        serve(app, environ("/", {"X-API-Key": KEY}))
    assert caught.value is error
    assert installed.guard.failures == {}
    assert (
        serve(rasp.Middleware(raising(error, "never")), environ("/")).status == "200 OK" if where != "close" else True
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()])
def test_what_a_view_raises_comes_out_as_it_is(install_rasp, tmp_path, error):
    installed = install_rasp()
    busy = Busy(tmp_path / "app")

    def stop():
        raise error

    busy.app.add_url_rule("/stop", "stop", stop)
    with pytest.raises(type(error)) as caught:
        through_server(busy.app, environ("/stop", {"X-API-Key": api_key("stops")}))
    busy.close()
    assert caught.value is error
    assert installed.guard.failures == {}
