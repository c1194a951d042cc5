"""Findings and records as JSON: the published keys, nothing raw, and back again."""

import json
import re
from dataclasses import replace
from importlib.resources import files

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reporter_samples import BARE, DOUBLE, JWT, LOGGED, RECORD, REQUEST, TOKEN, TRAIL, step

from rasp.errors import RaspError
from rasp.model import (
    Action,
    ActionTaken,
    Credential,
    Finding,
    Kind,
    Location,
    Mode,
    RequestInfo,
    Severity,
    TrailStep,
)
from rasp.reporters.parse import finding_from_dict, finding_from_line
from rasp.reporters.safe import masked, plain, safe_finding
from rasp.reporters.serialise import finding_dict, finding_line, iso_time, record_dict, record_line
from rasp.reporters.traceparent import parse_traceparent

KEYS = [
    "schema",
    "rule",
    "id",
    "severity",
    "cwe",
    "message",
    "credential",
    "location",
    "trail",
    "request",
    "trace_id",
    "span_id",
    "process",
    "time",
    "mode",
    "action_taken",
    "key",
    "instance",
    "count",
]


def schema(name):
    loaded = json.loads(files("rasp.reporters").joinpath(name).read_text())
    jsonschema.Draft202012Validator.check_schema(loaded)
    return jsonschema.Draft202012Validator(loaded)


FINDING_SCHEMA = schema("finding.schema.json")
RECORD_SCHEMA = schema("record.schema.json")

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

texts = st.text(max_size=300)
locations = st.builds(Location, texts, st.integers(-1, 9999), texts)
credentials = st.builds(
    Credential, st.sampled_from(Kind), st.just("9f3c0a1b2c3d4e5f"), texts, st.none() | st.integers(16, 900)
)
steps = st.builds(
    TrailStep,
    st.sampled_from(Action),
    texts,
    st.none() | texts,
    st.none() | locations,
    st.none() | texts,
    texts,
    st.none() | st.floats(0, 1e6),
)
requests = st.builds(RequestInfo, texts, texts, st.none() | texts, st.none() | st.integers(100, 599))
findings = st.builds(
    Finding,
    rule=texts,
    id=st.just("RASP101"),
    severity=st.sampled_from(Severity),
    cwe=st.just((1341, 415)),
    message=texts,
    credential=st.none() | credentials,
    location=locations,
    trail=st.lists(steps, max_size=3).map(tuple),
    request=st.none() | requests,
    trace_id=st.none() | texts,
    span_id=st.none() | texts,
    process=st.integers(1, 99999),
    time=st.just(DOUBLE.time),
    mode=st.sampled_from(Mode),
    action_taken=st.sampled_from(ActionTaken),
    key=texts,
    instance=texts,
    count=st.integers(1, 10**9),
)


def strings(value):
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(inner)


def test_finding_line_has_exactly_the_published_bytes(golden):
    golden("finding.jsonl", b"".join(finding_line(finding) for finding in (DOUBLE, LOGGED, BARE)))


def test_record_line_has_exactly_the_published_bytes(golden):
    golden("record.jsonl", record_line(RECORD))


@pytest.mark.parametrize("finding", [DOUBLE, LOGGED, BARE], ids=lambda finding: finding.rule)
def test_keys_stand_in_the_published_order_and_satisfy_the_schema(finding):
    content = finding_dict(finding)
    assert list(content) == KEYS
    FINDING_SCHEMA.validate(content)


def test_length_is_left_out_where_it_is_not_known():
    assert "length" not in finding_dict(LOGGED)["credential"]
    assert finding_dict(DOUBLE)["credential"]["length"] == 312


def test_record_satisfies_its_schema_with_and_without_a_parent():
    RECORD_SCHEMA.validate(record_dict(RECORD))
    RECORD_SCHEMA.validate(record_dict(replace(RECORD, parent=("a" * 32, "b" * 16), events=(), credentials=())))


def test_record_names_the_active_span_before_the_callers():
    header = f"00-{'c' * 32}-{'d' * 16}-01"
    called = record_dict(replace(RECORD, traceparent=header))
    assert (called["trace_id"], called["span_id"]) == ("c" * 32, "d" * 16)
    active = record_dict(replace(RECORD, traceparent=header, parent=("a" * 32, "b" * 16)))
    assert (active["trace_id"], active["span_id"]) == ("a" * 32, "b" * 16)


@given(findings)
def test_every_line_is_ascii_satisfies_the_schema_and_is_safe(finding):
    line = finding_line(finding)
    assert line.isascii()
    assert line.count(b"\n") == 1
    content = json.loads(line)
    FINDING_SCHEMA.validate(content)
    assert not any(CONTROL.search(text) for text in strings(content))


@given(findings)
def test_what_was_written_is_read_back_and_written_the_same(finding):
    line = finding_line(finding)
    again = finding_from_line(line)
    assert finding_line(again) == line
    assert finding_from_line(finding_line(again)) == again


@given(st.text(max_size=300), st.text(max_size=300))
def test_a_token_never_survives_masking(before, after):
    shown = masked(f"{before}{TOKEN}{after}")
    assert TOKEN not in shown
    assert masked(shown) == shown


@given(st.text(max_size=400))
def test_plain_text_is_short_has_no_control_character_and_stays(text):
    shown = plain(text)
    assert len(shown) <= 200
    assert plain(shown) == shown


def test_own_masks_stay_in_slots_and_messages():
    finding = replace(DOUBLE, message=f"{JWT.mask} and {TOKEN}", trail=(step(Action.USE, 1, 0.0, slot=f"k:{TOKEN}"),))
    shown = safe_finding(finding)
    assert shown.message == f"{JWT.mask} and [masked]"
    assert shown.trail[0].slot == "k:[masked]"
    assert safe_finding(DOUBLE) == DOUBLE


def test_a_token_is_masked_in_thread_names_but_standard_names_stay():
    names = [
        "ThreadPoolExecutor-0_12",
        "Thread-7 (process_request_thread)",
        f"job-{TOKEN}",
        f"Thread-1 ({TOKEN}-x)",
    ]
    shown = safe_finding(replace(DOUBLE, trail=tuple(step(Action.USE, 1, 0.0, thread=name) for name in names)))
    assert [each.thread for each in shown.trail] == [*names[:2], "[masked]", "Thread-1 ([masked])"]


def test_long_names_of_code_and_routes_are_not_masked():
    named = Location("package/authentication_helpers.py", 3, "load_current_user_session")
    finding = replace(DOUBLE, location=named, request=replace(REQUEST, route="/organisations/<organisation_id>"))
    content = finding_dict(finding)
    assert content["location"]["function"] == "load_current_user_session"
    assert content["request"]["route"] == "/organisations/<organisation_id>"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"severity": "fatal"}, "field 'severity' must be one of note, warning, error"),
        ({"schema": 2}, "field 'schema' must be 1; a newer rasp may have written this file"),
        ({"schema": True}, "field 'schema' must be a whole number"),
        ({"count": 0}, "field 'count' must be 1 or more"),
        ({"cwe": ["532"]}, "field 'cwe' must be a whole number"),
        ({"location": None}, "field 'location' must be a JSON object"),
        (
            {"location": {"file": "a", "line": "1", "function": "f"}},
            "field 'location.line' must be a whole number",
        ),
        (
            {"trail": [{"action": TOKEN}]},
            "field 'trail[0].action' must be one of acquire, use, release, expose, verify",
        ),
        ({"credential": {}}, "field 'credential.kind' is missing"),
        ({"rule": 5}, "field 'rule' must be a string"),
        (
            {"request": {"id": "1", "method": "GET", "route": None, "status": "x"}},
            "field 'request.status' must be",
        ),
    ],
)
def test_a_malformed_field_is_named_and_its_value_is_not_quoted(change, text):
    content = {**finding_dict(DOUBLE), **change}
    with pytest.raises(RaspError) as caught:
        finding_from_dict(content)
    assert str(caught.value).startswith(text)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        (b"\xff\xfe{}\n", "not valid JSON"),
        ('{"schema": NaN}', "not valid JSON"),
        ("[]", "must be a JSON object"),
        ("{}", "field 'schema' is missing"),
        (record_line(RECORD), "a request's record of --events, not a finding"),
    ],
)
def test_a_line_that_is_no_finding_says_why(line, text):
    with pytest.raises(RaspError) as caught:
        finding_from_line(line)
    assert str(caught.value) == text


def test_a_span_is_no_part_of_the_line():
    spanned = replace(DOUBLE, trail=(replace(TRAIL[0], span=("a" * 32, "b" * 16)),))
    assert b"aaaaaaaa" not in finding_line(spanned)


def test_times_are_utc_with_milliseconds():
    assert iso_time(1_769_860_800_123_999_999) == "2026-01-31T12:00:00.123Z"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (f"00-{'c' * 32}-{'d' * 16}-01", ("c" * 32, "d" * 16, 1)),
        (f" 01-{'c' * 32}-{'d' * 16}-00-more ", ("c" * 32, "d" * 16, 0)),
        (f"00-{'c' * 32}-{'d' * 16}-01-more", None),
        (f"ff-{'c' * 32}-{'d' * 16}-01", None),
        (f"00-{'0' * 32}-{'d' * 16}-01", None),
        (f"00-{'c' * 32}-{'0' * 16}-01", None),
        (f"00-{'C' * 32}-{'d' * 16}-01", None),
        (f"00-{'c' * 32}-{'d' * 16}-01\n", None),
        ("00-" + "c" * 600, None),
        ("", None),
        (None, None),
    ],
)
def test_traceparent_is_read_as_the_standard_says(header, expected):
    assert parse_traceparent(header) == expected
