"""Wires the stages: the only place that knows them all, and the only one that keeps state for the process."""

from __future__ import annotations

import atexit
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from rasp.config import RUN_FOLDER, RUN_KEY, Config, load
from rasp.instruments.kit import Kit
from rasp.instruments.rebinding import together
from rasp.instruments.registry import planned
from rasp.ledger.budget import Budget
from rasp.ledger.fingerprints import fingerprinter
from rasp.ledger.ledger import Ledger
from rasp.model import Finding, Mode, RequestRecord
from rasp.patching.guard import Guard
from rasp.patching.installer import Installer
from rasp.patching.status import InstrumentStatus
from rasp.patching.watch import ImportWatch
from rasp.pipeline import Pipeline
from rasp.recorder import Recorder
from rasp.reporters.base import Reporter
from rasp.reporters.counting import Counting
from rasp.reporters.jsonl import EventsFile, FindingsFile
from rasp.reporters.opentelemetry_reporter import OpenTelemetryReporter
from rasp.reporters.run_folder import RunFolderReporter
from rasp.reporters.structlog_reporter import StructlogReporter
from rasp.reporters.text import TextReport
from rasp.responses.assembly import Assembly
from rasp.sources.extract import Extractor
from rasp.sources.names import Names
from rasp.sources.wsgi import Door


class Runtime:
    """One installed rasp: ledger, pipeline, instruments, reporters.

    Attributes:
        config: what is in force.
        guard: the fail-open boundary, with its counts.
        ledger, pipeline, door: the stages that the public functions use.
    """

    def __init__(self, config: Config, *, loud: bool = False, extra: tuple[Reporter, ...] = ()) -> None:
        self.config = config
        self.guard = Guard(loud=loud)
        self.otel = OpenTelemetryReporter() if config.otel else None
        self.events_file = EventsFile(config.events) if config.events else None
        self.counting = Counting([*self._reporters(), *extra])
        key = _fingerprint_key(config)
        self.ledger = Ledger(config, fingerprinter(key))
        self.assembly = Assembly(self.ledger.places, self.counting.instance)
        self.recorder = Recorder(self.assembly, self.guard, self._recorded, self._wants_records, self._keeping)
        self.pipeline = Pipeline(
            config, self.ledger, self.assembly, self._report, self.recorder.ended, known=_known(config)
        )
        extractor = Extractor(self.ledger, Names.of(config))
        self.budget = self._budget(config)
        self.door = Door(self.pipeline, self.guard, extractor)
        self._watch = ImportWatch()
        self._installer = Installer(self.guard, self._watch)
        kit = Kit(self.pipeline, self.ledger, self.guard, self.door, extractor, config)
        self.planned, self.native = planned(kit)
        self._exiting = self.guard.protect("exit", self._ending)
        self._otel_exit = False
        self._closed = False

    def _budget(self, config: Config) -> Budget | None:
        """What a request may cost: where that is bounded, the time in hooks is measured."""
        limit = config.overhead_budget
        if not limit:
            return None
        busy = self.guard.busy
        budget = Budget(limit if limit >= 1 else None, limit, lambda: busy.spent, self.ledger.scopes.here)
        self.ledger.places.shed, self.ledger.values.needles.shed = budget.stacks, budget.scans
        self.guard.measure()
        return budget

    def _reporters(self) -> list[Reporter]:
        config = self.config
        found: list[Reporter] = []
        if config.findings:
            found.append(FindingsFile(config.findings))
        if self.events_file is not None:
            found.append(self.events_file)
        if os.environ.get(RUN_FOLDER):
            found.append(RunFolderReporter(Path(os.environ[RUN_FOLDER])))
        if config.report:
            found.append(TextReport())
        if config.structlog:
            found.append(StructlogReporter())
        if self.otel is not None:
            found.append(self.otel)
        return found

    def start(self) -> None:
        """Patches what is imported, and the rest when it is. In mode ``off`` nothing."""
        if self.config.mode is Mode.OFF:
            return
        self.ledger.desk.recording = self.events_file is not None
        self.ledger.own_environment(os.environ)
        with together():
            self._installer.install(self.planned, self.config.disabled)
        if self.otel is not None:
            self._watch.when_imported("opentelemetry.sdk.metrics", self._measure)
            self._watch.when_imported("opentelemetry.sdk.trace", self._trace)
        atexit.register(self._exit)

    def _trace(self, module: ModuleType) -> None:
        """The app may have spans: from now on events tell which one was recording, and requests are recorded."""
        self.ledger.desk.span = self._span
        self.ledger.desk.recording = True

    def _keeping(self, kept: bool) -> None:
        """Somebody wants the records of requests from now on, or no more."""
        desk = self.ledger.desk
        desk.recording = kept or self.events_file is not None or desk.span is not None or self.guard.measured

    def _measure(self, module: ModuleType) -> None:
        """The app exports metrics: rasp's own time is one."""
        self.guard.measure()
        self.ledger.desk.recording = True

    def stop(self) -> None:
        """Takes everything back and closes the reports."""
        with together():
            self._installer.uninstall()
        self.close()
        self.guard.stop()
        atexit.unregister(self._exit)
        atexit.unregister(self.recorder.drain)

    def _exit(self) -> None:
        """The process ends: what is still held is told, then everything is written."""
        self._exiting()
        self.close()

    def _ending(self) -> None:
        self.ledger.scopes.end_all()
        self.pipeline.respond((*self.ledger.exiting(), *self.ledger.native.exiting()))
        self.native.flush()

    def close(self) -> None:
        """Writes what is left."""
        if self._closed:
            return
        self._closed = True
        with self.guard.aside():
            self.recorder.drain()
            self.counting.close()

    def statuses(self) -> list[InstrumentStatus]:
        """What is instrumented, and what cannot be reached."""
        return [
            replace(status, unreachable=(*status.unreachable, *self.native.problems_of(status.instrument)))
            for status in self._installer.statuses()
        ]

    def _report(self, finding: Finding) -> None:
        with self.guard.aside():
            self.counting.finding(finding)

    def _recorded(self, record: RequestRecord, findings: tuple[Finding, ...], overhead: float) -> None:
        with self.guard.aside():
            self.counting.record(record, findings)
            if self.otel is not None and overhead:
                self.otel.overhead(overhead)

    def _wants_records(self) -> bool:
        return self.events_file is not None or self.guard.measured or self._otel_ready()

    def _otel_ready(self) -> bool:
        """Whether the app exports spans; from then on what waits is written before its exporter shuts down."""
        if self.otel is None or "opentelemetry.sdk.trace" not in sys.modules or not self.otel.ready():
            return False
        if not self._otel_exit:
            self._otel_exit = True
            atexit.register(self.recorder.drain)
        return True

    def _span(self) -> tuple[str, str] | None:
        """The ids of the span that is recording now."""
        from opentelemetry import trace

        span = trace.get_current_span()
        if not span.is_recording():
            return None
        context = span.get_span_context()
        scope = self.ledger.scopes.here()
        ids = (trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id))
        if scope is not None and scope.parent_span is None:
            scope.parent_span = ids
        return ids

    def after_fork(self) -> None:
        """In a forked child: another instance, no threads, no locks held."""
        self.counting.after_fork()
        self.assembly.instance = self.counting.instance
        self.guard.after_fork()
        self.ledger.after_fork()
        self.recorder.after_fork()


def _fingerprint_key(config: Config) -> bytes:
    """The configured key, else the one of this ``rasp run``, else a random one."""
    if config.fingerprint_key is not None:
        return config.fingerprint_key.encode("utf-8")
    shared = os.environ.get(RUN_KEY, "")
    try:
        return bytes.fromhex(shared) or os.urandom(32)
    except ValueError:
        return os.urandom(32)


def _known(config: Config) -> frozenset[str]:
    """The keys of a baseline's findings."""
    if not config.baseline:
        return frozenset()
    from rasp.reporters.aggregate import load as load_findings

    return frozenset(finding.key for finding in load_findings([config.baseline]))


class _Process:
    """The runtime of this process, if one is installed."""

    def __init__(self) -> None:
        self.runtime: Runtime | None = None
        self.forks = False

    def after_fork(self) -> None:
        if self.runtime is not None:
            self.runtime.after_fork()


_PROCESS = _Process()


def _start_waiting() -> None:
    """Lets a start that was put off happen now: see ``rasp.bootstrap``."""
    for finder in tuple(sys.meta_path):
        pending = getattr(finder, "rasp_pending", None)
        if pending is not None:
            pending()


def install(config: Config | None = None, *, loud: bool = False, extra: tuple[Reporter, ...] = ()) -> Runtime:
    """Installs rasp in this process; a second call changes nothing and returns the runtime that is there.

    Args:
        config: what is in force; by default what variables and files say.
        loud: raise what breaks inside rasp, for its own tests.
        extra: further reporters.

    Raises:
        ConfigError: the configuration is wrong, or a file it names cannot be opened. Nothing is patched then.
    """
    if _PROCESS.runtime is not None:
        return _PROCESS.runtime
    sys.meta_path[:] = [finder for finder in sys.meta_path if not hasattr(finder, "rasp_pending")]
    runtime = Runtime(load() if config is None else config, loud=loud, extra=extra)
    _PROCESS.runtime = runtime
    if not _PROCESS.forks and hasattr(os, "register_at_fork"):
        _PROCESS.forks = True
        os.register_at_fork(after_in_child=_PROCESS.after_fork)
    runtime.start()
    return runtime


def uninstall() -> None:
    """Restores every attribute exactly, and closes the reports; without an installation it does nothing."""
    runtime, _PROCESS.runtime = _PROCESS.runtime, None
    if runtime is not None:
        runtime.stop()


def active() -> Runtime | None:
    """The runtime that is installed, unless its mode is ``off``."""
    if _PROCESS.runtime is None:
        _start_waiting()
    runtime = _PROCESS.runtime
    return runtime if runtime is not None and runtime.config.mode is not Mode.OFF else None
