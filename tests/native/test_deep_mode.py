"""Deep mode: calls of C functions that nobody declared, and releases that go past their wrapper."""

from __future__ import annotations

import functools
import hashlib
import sys

import pytest
from extension_fixtures import families, imported  # noqa: F401 - fixtures
from extension_scripts import KEY
from flask import Flask, request
from support.web import call

import rasp
from rasp import runtime as process
from rasp.errors import DoubleRelease, RaspError
from rasp.reporters import aggregate

CAPSULES = {"library": "capikeys", "acquire": ["open"], "use": ["verify"], "release": ["free"]}
needs_monitoring = pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="deep mode needs Python 3.12")


@pytest.fixture
def capikeys(imported):  # noqa: F811
    return imported("c", "capikeys")


@pytest.fixture
def deep(install_rasp):
    """``deep(**settings)``: (installed, ask), where ``ask(function)`` gives it the key inside a request."""

    def make(**settings):
        installed = install_rasp(deep=True, record=True, **settings)
        app = Flask("deep_app")
        app.config.update(PROPAGATE_EXCEPTIONS=True)
        asked = {}

        @app.get("/")
        def view():
            asked["function"](request.headers["X-API-Key"])
            return "done"

        def ask(function):
            asked["function"] = function
            return call(
                lambda environ, start: installed.runtime.door.serve(app.wsgi_app, environ, start),
                "/",
                {"X-API-Key": KEY},
            )

        return installed, ask

    return make


def listed(installed):
    return [(found.function, found.location.function, found.count) for found in installed.runtime.native.deep.listed()]


@needs_monitoring
class TestListing:
    def test_a_credential_in_a_c_function_is_listed_where_it_was_called(self, deep, capikeys):
        installed, ask = deep()

        def measure(key):
            for _ in range(3):
                capikeys.length(key)
            hashlib.sha256(key.encode())

        ask(measure)
        assert sorted(listed(installed)) == [
            ("_hashlib.openssl_sha256", "measure", 1),
            ("capikeys.length", "measure", 3),
        ]
        assert installed.guard.failures == {}

    def test_what_is_pythons_own_declared_or_in_python_is_not(self, deep, capikeys):
        installed, ask = deep(native=[CAPSULES])

        def handle(key):
            assert isinstance(key, str)
            assert len(key.encode().decode()) == len(key)
            str(key)
            print(end="")
            key.startswith("rk_")
            functools.partial(str)(key)
            capikeys.free(capikeys.open(key))

        ask(handle)
        assert listed(installed) == []
        assert installed.findings == []

    def test_other_texts_are_not(self, deep, capikeys):
        installed, ask = deep()
        ask(lambda key: capikeys.length("nothing that anybody presented"))
        assert listed(installed) == []

    def test_the_report_shows_them(self, deep, capikeys, tmp_path):
        installed, ask = deep()

        def measure(key):
            capikeys.length(key)

        ask(measure)
        installed.runtime.ledger.scopes.end_thread()
        process.uninstall()
        files = [str(tmp_path / "events.jsonl")]
        calls = aggregate.native_calls(files)
        assert [(entry.function, entry.count) for entry in calls] == [("capikeys.length", 1)]
        findings = aggregate.load(files)
        assert findings == []
        text = aggregate.render(findings, "text", calls=calls)
        assert text.startswith("No findings.\n\nnative calls that received a credential\n  capikeys.length  ")
        assert "capikeys.length" in aggregate.render(findings, "markdown", calls=calls)
        assert '"native_calls"' in aggregate.render(findings, "json", calls=calls)
        assert KEY[3:] not in text


@needs_monitoring
class TestAliases:
    ALIASES = ("tuple", "partial", "default")

    @pytest.mark.parametrize("alias", ALIASES)
    @pytest.mark.parametrize("mode", ["observe", "strict"])
    def test_a_second_release_through_one_never_reaches_c(self, deep, capikeys, alias, mode):
        kept = (capikeys.free,)
        partial = functools.partial(capikeys.free)
        default = (lambda key, free=capikeys.free: free(key),)
        free = {"tuple": kept[0], "partial": partial, "default": default[0]}[alias]
        _, ask = deep(mode=mode, native=[CAPSULES])

        def handle(key):
            made = capikeys.open(key)
            free(made)
            free(made)

        with pytest.raises(RaspError, match=r"double-release|released twice") as caught:
            ask(handle)
        assert isinstance(caught.value, DoubleRelease) is (mode == "strict")
        assert [found.rule for found in rasp.findings() if found.severity > 1] == ["double-release"]

    def test_a_release_that_raised_is_none(self, deep, capikeys):
        kept = (capikeys.free,)
        installed, ask = deep(native=[CAPSULES])

        def handle(key):
            made = capikeys.open(key)
            with pytest.raises(TypeError):
                kept[0](made, made)
            capikeys.free(made)

        ask(handle)
        assert installed.judged() == []


@needs_monitoring
def test_uninstall_gives_the_tool_id_back_and_leaves_no_event(deep, capikeys):
    monitoring = sys.monitoring
    tools = [monitoring.get_tool(tool) for tool in range(6)]
    _, ask = deep()

    def measure(key):
        capikeys.length(key)

    ask(measure)
    ours = next(tool for tool in range(6) if monitoring.get_tool(tool) == "rasp")
    process.uninstall()
    assert [monitoring.get_tool(tool) for tool in range(6)] == tools
    monitoring.use_tool_id(ours, "a test")
    try:
        assert monitoring.get_events(ours) == 0
        assert monitoring.get_local_events(ours, measure.__code__) == 0
        for event in (monitoring.events.PY_START, monitoring.events.CALL):
            assert monitoring.register_callback(ours, event, None) is None
    finally:
        monitoring.free_tool_id(ours)


@needs_monitoring
def test_without_a_free_tool_id_it_says_so(install_rasp):
    for tool in (3, 4):
        sys.monitoring.use_tool_id(tool, f"tool {tool}")
    try:
        installed = install_rasp(deep=True)
        assert any("tool 3" in problem for problem in installed.runtime.native.deep.problems)
    finally:
        for tool in (3, 4):
            sys.monitoring.free_tool_id(tool)


@pytest.mark.skipif(hasattr(sys, "monitoring"), reason="a Python that lacks it")
def test_what_is_missing_is_said(install_rasp, capfd):
    installed = install_rasp(deep=True)
    assert "deep mode needs sys.monitoring" in capfd.readouterr().err
    state, reason = installed.state("deep_mode")
    assert (state, reason) == ("unsupported", "this version has no sys.monitoring")


def test_off_it_is_not_there(install_rasp):
    installed = install_rasp()
    assert "deep_mode" not in [status.instrument for status in installed.runtime.statuses()]
    if hasattr(sys, "monitoring"):
        assert "rasp" not in [sys.monitoring.get_tool(tool) for tool in range(6)]


def test_the_plugin_lists_them(scripts, families):  # noqa: F811
    families("c")
    (scripts.folder / "test_app.py").write_text(f"""
import sys
sys.path.insert(0, {str(families.folder)!r})
import capikeys
from flask import Flask, request
app = Flask(__name__)

@app.get("/")
def view():
    return str(capikeys.length(request.headers["X-API-Key"]))

def test_view():
    assert app.test_client().get("/", headers={{"X-API-Key": {KEY!r}}}).text == "31"
""")
    source = "import sys, pytest; sys.exit(pytest.main(['-p', 'no:cacheprovider', 'test_app.py', *sys.argv[1:]]))"
    scripts._write(source)
    done = scripts._run([sys.executable, "app.py", "--rasp=observe", "--rasp-deep"], {})
    assert done.returncode == 0, done.stdout + done.stderr
    if hasattr(sys, "monitoring"):
        assert "native calls that received a credential" in done.stdout
        assert "capikeys.length  test_app.py:10 in view, once" in done.stdout
    else:
        assert "rasp: deep mode needs sys.monitoring" in done.stdout
    alone = scripts._run([sys.executable, "app.py", "--rasp-deep"], {})
    assert alone.returncode == 4
    assert "--rasp-deep needs --rasp=observe or --rasp=strict" in alone.stdout + alone.stderr
