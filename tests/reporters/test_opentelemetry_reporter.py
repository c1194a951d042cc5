"""Spans and metrics: whole spans compared, with parent, link, attributes and times."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry import context, metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from reporter_samples import BARE, DOUBLE, LOGGED, RECORD, STARTED, TRAIL

from rasp.model import Action, RecordedEvent, Severity
from rasp.reporters.base import EveryOccurrence
from rasp.reporters.opentelemetry_reporter import OpenTelemetryReporter
from rasp.reporters.serialise import trail_json

ROOT = Path(__file__).parent.parent.parent
TRACE, SPAN, OTHER = "1" * 32, "2" * 16, "3" * 16
ACTIVE = replace(RECORD, parent=(TRACE, SPAN))

FINDING_ATTRIBUTES = {
    "security_rule.name": "double-release",
    "security_rule.category": "release",
    "security_rule.ruleset.name": "rasp",
    "rasp.severity": "error",
    "rasp.credential.fingerprint": "9f3c0a1b2c3d4e5f",
    "rasp.credential.kind": "jwt",
    "rasp.holder": "cachelib.simple",
    "rasp.slot": "[credential:jwt:9f3c0a1b2c3d4e5f]",
    "code.file.path": "app.py",
    "code.line.number": 41,
    "code.function.name": "get_data",
    "rasp.trail": trail_json(DOUBLE),
}
RELEASE_ATTRIBUTES = {
    "rasp.holder": "cachelib.simple",
    "rasp.slot": "[credential:jwt:9f3c0a1b2c3d4e5f]",
    "code.file.path": "app.py",
    "code.function.name": "get_data",
}


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter):
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(SimpleSpanProcessor(exporter))
    return made


@pytest.fixture
def reader():
    return InMemoryMetricReader()


@pytest.fixture
def reporter(provider, reader):
    return OpenTelemetryReporter(provider, MeterProvider([reader], shutdown_on_exit=False))


@pytest.fixture
def spans(exporter):
    return lambda: [whole(span) for span in exporter.get_finished_spans()]


def ids(span_context):
    return span_context and (f"{span_context.trace_id:032x}", f"{span_context.span_id:016x}")


def whole(span):
    return {
        "name": span.name,
        "kind": span.kind.name,
        "scope": span.instrumentation_scope.name,
        "parent": ids(span.parent),
        "remote": span.parent is not None and span.parent.is_remote,
        "attributes": dict(span.attributes),
        "events": [(event.name, dict(event.attributes), event.timestamp - STARTED) for event in span.events],
        "links": [ids(link.context) for link in span.links],
        "status": (span.status.status_code, span.status.description),
        "times": (span.start_time - STARTED, span.end_time - STARTED),
        "own": ids(span.context),
    }


def test_request_and_its_findings_are_these_spans(reporter, spans):
    trail = (TRAIL[0], replace(TRAIL[1], span=(TRACE, OTHER)), TRAIL[2])
    finding = replace(DOUBLE, trace_id=TRACE, span_id=SPAN, trail=trail)
    reporter.record(ACTIVE, (finding,))
    request, found = spans()
    assert request == {
        "name": "rasp.request",
        "kind": "INTERNAL",
        "scope": "rasp",
        "parent": (TRACE, SPAN),
        "remote": False,
        "attributes": {
            "rasp.request.id": "0b7e5d11",
            "http.request.method": "GET",
            "http.route": "/api/data",
            "http.response.status_code": 401,
        },
        "events": [
            (
                "rasp.release",
                {
                    **RELEASE_ATTRIBUTES,
                    "code.line.number": 38,
                    "rasp.credential.fingerprint": "9f3c0a1b2c3d4e5f",
                    "rasp.credential.kind": "jwt",
                },
                870_000,
            ),
            ("rasp.release", {**RELEASE_ATTRIBUTES, "code.line.number": 41}, 930_000),
        ],
        "links": [],
        "status": (StatusCode.UNSET, None),
        "times": (0, 5_000_000),
        "own": request["own"],
    }
    assert found == {
        "name": "rasp double-release",
        "kind": "INTERNAL",
        "scope": "rasp",
        "parent": (TRACE, SPAN),
        "remote": False,
        "attributes": FINDING_ATTRIBUTES,
        "events": [],
        "links": [(TRACE, OTHER)],
        "status": (StatusCode.ERROR, "cache key released twice in one request"),
        "times": (1_000_000, 1_000_000),
        "own": found["own"],
    }


def test_without_an_active_span_the_callers_is_the_parent_and_findings_hang_below_the_request(reporter, spans):
    called = replace(RECORD, traceparent=f"00-{TRACE}-{SPAN}-01")
    # A finding made while no span was active may name the caller's.
    reporter.record(called, (DOUBLE, replace(DOUBLE, trace_id=TRACE, span_id=SPAN)))
    request, *found = spans()
    assert (request["parent"], request["remote"]) == ((TRACE, SPAN), True)
    assert [each["parent"] for each in found] == [request["own"]] * 2
    assert [each["links"] for each in found] == [[request["own"]]] * 2


@pytest.mark.parametrize("header", [None, "", "nonsense", f"00-{'0' * 32}-{SPAN}-01"])
def test_without_a_valid_caller_the_request_is_a_root_whatever_is_current(reporter, spans, provider, header):
    with provider.get_tracer("app").start_as_current_span("current"):
        reporter.record(replace(RECORD, traceparent=header), (replace(DOUBLE, trace_id="zz", span_id="zz"),))
    request, found, _current = spans()
    assert request["parent"] is None
    assert found["parent"] == request["own"]


def test_callers_decision_not_to_sample_is_kept(reporter, spans):
    reporter.record(replace(RECORD, traceparent=f"00-{TRACE}-{SPAN}-00"), (DOUBLE,))
    assert spans() == []


def test_only_errors_set_the_status(reporter, spans):
    reporter.record(RECORD, (replace(DOUBLE, severity=Severity.WARNING),))
    assert spans()[1]["status"] == (StatusCode.UNSET, None)


def test_times_of_findings_lie_within_their_request(reporter, spans):
    late, early = (
        replace(DOUBLE, time="2026-01-31T12:00:09.000Z"),
        replace(DOUBLE, time="2026-01-31T11:59:59.999Z"),
    )
    reporter.record(RECORD, (late, early))
    assert [span["times"] for span in spans()[1:]] == [(5_000_000, 5_000_000), (0, 0)]


def test_finding_without_credential_trail_and_route_leaves_their_attributes_out(reporter, spans):
    reporter.record(replace(RECORD, request=BARE.request, events=()), (BARE,))
    request, found = spans()
    assert request["attributes"] == {"rasp.request.id": "0b7e5d11", "http.request.method": "GET"}
    assert request["events"] == []
    assert found["attributes"] == {
        "security_rule.name": "weak-credential",
        "security_rule.category": "verification",
        "security_rule.ruleset.name": "rasp",
        "rasp.severity": "note",
        "code.file.path": "app.py",
        "code.line.number": 12,
        "code.function.name": "login|`<b>",
        "rasp.trail": "[]",
    }
    assert found["links"] == []


def test_a_request_in_which_there_was_nothing_to_follow_makes_no_span(reporter, spans):
    reporter.record(replace(RECORD, credentials=(), events=()), ())
    assert spans() == []


def test_unknown_release_time_and_place_do_not_matter(reporter, spans):
    lost = RecordedEvent(replace(TRAIL[1], t_ms=None, location=None, slot=None), None)
    reporter.record(replace(RECORD, events=(lost,)), ())
    assert spans()[0]["events"] == [("rasp.release", {"rasp.holder": "cachelib.simple"}, 0)]


def test_finding_outside_a_request_is_emitted_at_once_as_a_root(reporter, spans):
    reporter.occurrence(LOGGED)
    (found,) = spans()
    assert (found["name"], found["parent"], found["links"]) == ("rasp raw-token-logged", None, [])
    assert found["times"] == (1_000_000, 1_000_000)


def test_finding_outside_a_request_hangs_below_the_span_that_was_current(reporter, spans):
    reporter.occurrence(replace(LOGGED, trace_id=TRACE, span_id=SPAN))
    assert spans()[0]["parent"] == (TRACE, SPAN)


def test_finding_of_a_request_waits_for_its_record_and_a_later_one_does_not(reporter, spans):
    reporter.occurrence(DOUBLE)
    assert spans() == []
    reporter.record(RECORD, (DOUBLE,))
    reporter.occurrence(DOUBLE)
    request, first, later = spans()
    assert first["parent"] == later["parent"] == request["own"]


def test_release_in_an_earlier_request_is_linked_to_that_requests_span(reporter, spans):
    reporter.record(RECORD, ())
    other = replace(RECORD, request=replace(RECORD.request, id="other"))
    reporter.record(other, (replace(DOUBLE, request=other.request),))
    earlier, _own, found = spans()
    assert found["links"] == [earlier["own"]]


def test_release_whose_span_is_not_known_has_no_link(reporter, spans):
    unknown = tuple(replace(step, request=None) for step in TRAIL)
    reporter.record(RECORD, (replace(DOUBLE, trail=unknown), replace(DOUBLE, trail=TRAIL[:1])))
    assert [span["links"] for span in spans()[1:]] == [[], []]


def test_repeated_reports_and_counts_make_no_span(reporter, spans):
    reporter.finding(DOUBLE)
    reporter.recount(DOUBLE)
    reporter.close()
    assert spans() == []


def test_instrumentations_are_suppressed_while_spans_are_emitted_and_not_after(reporter, provider):
    seen = []

    class Looks(SpanProcessor):
        def on_end(self, span):
            seen.append(context.get_value("suppress_instrumentation"))

    provider.add_span_processor(Looks())
    reporter.record(RECORD, (DOUBLE,))
    assert seen == [True, True]
    assert context.get_value("suppress_instrumentation") is None


def test_metrics_count_every_occurrence_overhead_and_dropped_events(reporter, reader):
    reporter.occurrence(DOUBLE)
    reporter.occurrence(DOUBLE)
    reporter.occurrence(LOGGED)
    reporter.record(RECORD, (DOUBLE,))
    reporter.overhead(0.25)
    (scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
    found = {metric.name: (metric.unit, metric.data.data_points) for metric in scope.metrics}
    assert scope.scope.name == "rasp"
    assert {name: unit for name, (unit, _points) in found.items()} == {
        "rasp.findings": "{finding}",
        "rasp.overhead": "s",
        "rasp.events.dropped": "{event}",
    }
    assert [(dict(point.attributes), point.value) for point in found["rasp.findings"][1]] == [
        ({"rule": "double-release", "severity": "error"}, 2),
        ({"rule": "raw-token-logged", "severity": "error"}, 1),
    ]
    assert [(point.count, point.sum) for point in found["rasp.overhead"][1]] == [(1, 0.25)]
    assert [point.value for point in found["rasp.events.dropped"][1]] == [2]


def test_global_provider_is_used_only_if_it_is_an_sdks(monkeypatch, provider, exporter):
    reporter = OpenTelemetryReporter()
    monkeypatch.setattr(trace, "get_tracer_provider", trace.ProxyTracerProvider)
    assert not reporter.ready()
    reporter.record(RECORD, (DOUBLE,))
    reporter.occurrence(LOGGED)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    assert reporter.ready()
    reporter.record(RECORD, (DOUBLE,))
    assert len(exporter.get_finished_spans()) == 2


def test_global_meters_are_used_where_none_is_given(monkeypatch, reader):
    meters = MeterProvider([reader], shutdown_on_exit=False)
    monkeypatch.setattr(metrics, "get_meter", meters.get_meter)
    OpenTelemetryReporter().overhead(1.0)
    assert reader.get_metrics_data() is not None


def test_reporter_asks_for_every_occurrence(reporter):
    assert isinstance(reporter, EveryOccurrence)


def test_release_is_the_only_action_with_an_event(reporter, spans):
    events = tuple(RecordedEvent(replace(TRAIL[0], action=action), None) for action in Action)
    reporter.record(replace(RECORD, events=events), ())
    assert len(spans()[0]["events"]) == 1


def test_nothing_is_imported_for_an_app_that_does_not_use_the_library():
    code = (
        "import sys; sys.path[:0] = ['tests/reporters']\n"
        "from reporter_samples import DOUBLE, LOGGED, RECORD\n"
        "from rasp.reporters import aggregate, counting, jsonl\n"
        "from rasp.reporters.opentelemetry_reporter import OpenTelemetryReporter\n"
        "from rasp.reporters.structlog_reporter import StructlogReporter\n"
        "reporter = OpenTelemetryReporter()\n"
        "assert not reporter.ready()\n"
        "reporter.occurrence(LOGGED); reporter.record(RECORD, (DOUBLE,)); reporter.overhead(1.0)\n"
        "StructlogReporter().finding(DOUBLE)\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('opentelemetry', 'structlog')])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
