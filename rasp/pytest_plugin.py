"""``pytest --rasp=observe|strict``: the test whose code mishandles a credential fails.

Installed but not asked for, it patches nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

import pytest

if TYPE_CHECKING:
    from rasp.model import Finding
    from rasp.runtime import Runtime
    from rasp.testing import Capture

MODES = ("off", "observe", "strict")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options, in a group of their own."""
    group = parser.getgroup("rasp", "rasp: follow credentials through the code under test")
    group.addoption(
        "--rasp",
        choices=MODES,
        default=None,
        help="observe: report mishandled credentials; strict: fail the test; off (default): do nothing",
    )
    group.addoption("--rasp-baseline", metavar="FILE", default=None, help="findings file whose findings are known")
    group.addoption(
        "--rasp-deep",
        action="store_true",
        help="list credentials that enter C functions nobody declared; needs --rasp, and Python 3.12 or newer",
    )
    parser.addini("rasp", "off, observe or strict: what --rasp is where it is not given", default="off")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Before any conftest imports the app."""
    options = early_config.known_args_namespace
    mode = getattr(options, "rasp", None) or str(early_config.getini("rasp") or "off")
    if mode not in MODES:
        raise pytest.UsageError(f"rasp = {mode!r} is not allowed; allowed: {', '.join(MODES)}")
    if mode != "off":
        session = _install(mode, options.rasp_baseline, deep=bool(getattr(options, "rasp_deep", False)))
        early_config.pluginmanager.register(session, "rasp-session")
    elif getattr(options, "rasp_deep", False):
        raise pytest.UsageError("--rasp-deep needs --rasp=observe or --rasp=strict")


def pytest_configure(config: pytest.Config) -> None:
    """The marker is known in any case, so that suites can use it with and without ``--rasp``."""
    config.addinivalue_line("markers", "rasp_allow(*rules): rules of rasp that may find something in this test")


@pytest.fixture
def rasp_findings(request: pytest.FixtureRequest) -> Sequence[Finding]:
    """What rasp found in this test so far; always empty without ``--rasp``."""
    session = request.config.pluginmanager.get_plugin("rasp-session")
    return session.view() if isinstance(session, Session) else ()


def _allowed(item: pytest.Item) -> list[str]:
    """The names of the rules that a test's markers allow; raises RaspError for a word that is no rule's name."""
    marks = list(item.iter_markers("rasp_allow"))
    if not marks:
        return []
    from rasp.errors import RaspError
    from rasp.rules.table import find

    if not all(mark.args for mark in marks):
        raise RaspError("it names no rule")
    return [find(str(rule)).name for mark in marks for rule in mark.args]


def _install(mode: str, baseline: str | None, *, deep: bool) -> Session:
    from rasp import runtime
    from rasp.config import load
    from rasp.errors import RaspError
    from rasp.testing import Capture

    overrides: dict[str, Any] = {"mode": mode, "report": False}
    if baseline is not None:
        overrides["baseline"] = baseline
    if deep:
        overrides["deep"] = True
    capture = Capture()
    try:
        runtime.uninstall()
        installed = runtime.install(load(overrides), extra=(capture,))
    except RaspError as error:
        raise pytest.UsageError(str(error)) from None
    installed.recorder.keep = True
    return Session(installed, capture)


class View(Sequence["Finding"]):
    """The findings of the running test, growing as it goes."""

    def __init__(self, findings: list[Finding], start: int) -> None:
        self._findings = findings
        self._start = start

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Finding]: ...
    def __getitem__(self, index: int | slice) -> Finding | Sequence[Finding]:
        return self._findings[self._start :][index]

    def __len__(self) -> int:
        return max(len(self._findings) - self._start, 0)

    def __repr__(self) -> str:
        return repr(list(self))


class Session:
    """The plugin of a run with ``--rasp``: one runtime, its findings told apart by test."""

    def __init__(self, runtime: Runtime, capture: Capture) -> None:
        self._runtime = runtime
        self._capture = capture
        self._start = 0
        self._found: dict[str, tuple[Finding, dict[str, None]]] = {}
        """Each defect by its key, with the tests it was found in."""

    def view(self) -> View:
        """The findings of the running test."""
        return View(self._capture.findings, self._start)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """A marker that can allow nothing is a mistake, and said so before any test runs."""
        from rasp.errors import RaspError

        for item in items:
            try:
                _allowed(item)
            except RaspError as error:
                raise pytest.UsageError(f"{item.nodeid}: rasp_allow: {error}") from None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Each test begins with an empty ledger, on a thread whose own code is not judged."""
        pipeline = self._runtime.pipeline
        before = pipeline.config
        allowed = _allowed(item)
        if allowed:
            from rasp.model import Mode

            # By the settings and not by rasp.allow(), which other threads would not see.
            pipeline.config = replace(before, rules={**before.rules, **dict.fromkeys(allowed, Mode.OFF)})
        pipeline.test_thread = threading.get_ident()
        self._start = len(self._capture.findings)
        try:
            return (yield)
        finally:
            pipeline.config = before
            for finding in self.view():
                self._take(finding, item.nodeid)
            del self._capture.findings[:]
            self._start = 0
            pipeline.pending.clear()
            pipeline.test_thread = None
            self._runtime.recorder.forget()
            self._runtime.ledger.clear()

    def _take(self, finding: Finding, *tests: str) -> None:
        self._found.setdefault(finding.key, (finding, {}))[1].update(dict.fromkeys(tests))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, object, object]:
        """Fixtures may serve requests too."""
        result = yield
        self._raise_pending()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """What no caller has seen fails the test."""
        result = yield
        self._raise_pending()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """So do requests that end with the test's fixtures."""
        result = yield
        self._raise_pending()
        return result

    def _raise_pending(self) -> None:
        __tracebackhide__ = True
        self._runtime.ledger.scopes.end_thread()
        pending = self._runtime.pipeline.pending
        if pending:
            first = pending[0]
            pending.clear()
            raise first

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """A failing test shows what was found in it."""
        report = yield
        if report.failed and self.view():
            from rasp.reporters.text import render

            shown = {finding.key: finding for finding in self.view()}
            report.sections.append(("rasp findings", "\n".join(map(render, shown.values()))))
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A worker of xdist hands its findings to the controller."""
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            from rasp.reporters.serialise import finding_dict

            output["rasp"] = [(finding_dict(finding), list(tests)) for finding, tests in self._found.values()]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """The controller takes over what a worker found."""
        from rasp.reporters.parse import finding_from_dict

        output = getattr(node, "workeroutput", None) or {}
        for found, tests in output.get("rasp", ()):
            self._take(finding_from_dict(found), *tests)

    def pytest_report_header(self) -> list[str]:
        """Says why deep mode does not work here, if it was asked for."""
        deep = self._runtime.native.deep
        return [] if deep is None else [f"rasp: {problem}" for problem in deep.problems]

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """What was found, each defect once, the worst first; what deep mode listed."""
        self._summary_of_findings(terminalreporter)
        deep = self._runtime.native.deep
        calls = [] if deep is None else deep.listed()
        if calls:
            from rasp.reporters.native_calls import merged, render_native_calls

            title, *lines = render_native_calls(merged(calls)).splitlines()
            terminalreporter.section(title)
            for line in lines:
                terminalreporter.write_line(line)

    def _summary_of_findings(self, terminalreporter: Any) -> None:
        if not self._found:
            return
        from rasp.reporters.safe import safe_finding

        terminalreporter.section("rasp")
        for found, tests in sorted(self._found.values(), key=lambda entry: -entry[0].severity):
            finding = safe_finding(found)
            place = finding.location
            where = f"{place.file}:{place.line} in {place.function}"
            seen = next(iter(tests))
            more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
            terminalreporter.write_line(f"{finding.severity.word:7} {finding.rule} {where} ({seen}{more})")
        terminalreporter.write_line("rasp explain RULE tells what a rule means and how to fix it")

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        """Takes every wrapper back."""
        from rasp import runtime

        runtime.uninstall()
