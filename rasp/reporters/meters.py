"""rasp's three metrics, kept where the app uses OpenTelemetry's metrics API."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from rasp.model import Finding

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, MeterProvider


class _Instruments(NamedTuple):
    findings: Counter
    overhead: Histogram
    dropped: Counter


class Meters:
    """Counts findings, overhead and dropped events; does nothing while the app has not imported the API."""

    def __init__(self, provider: MeterProvider | None = None) -> None:
        """Takes the global provider, also one that the app sets later, if none is given."""
        self._given = provider
        self._instruments: _Instruments | None = None

    def finding(self, finding: Finding) -> None:
        """Adds one finding to ``rasp.findings``."""
        found = self._ready()
        if found is not None:
            found.findings.add(1, {"rule": finding.rule, "severity": finding.severity.word})

    def overhead(self, seconds: float) -> None:
        """Records what rasp cost one request in ``rasp.overhead``."""
        found = self._ready()
        if found is not None:
            found.overhead.record(seconds)

    def dropped(self, count: int) -> None:
        """Adds to ``rasp.events.dropped``."""
        found = self._ready() if count else None
        if found is not None:
            found.dropped.add(count)

    def _ready(self) -> _Instruments | None:
        if self._instruments is None:
            api = sys.modules.get("opentelemetry.metrics")
            if self._given is None and not hasattr(api, "get_meter"):
                return None  # not imported, or only half
            source = api if self._given is None else self._given
            assert source is not None
            meter = source.get_meter("rasp")
            self._instruments = _Instruments(
                meter.create_counter("rasp.findings", unit="{finding}", description="Findings, repeated ones too"),
                meter.create_histogram("rasp.overhead", unit="s", description="Time rasp took in one request"),
                meter.create_counter("rasp.events.dropped", unit="{event}", description="Events left out"),
            )
        return self._instruments
