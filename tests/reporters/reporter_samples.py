"""Findings, records and reporters that the tests of this folder share."""

from dataclasses import replace

from rasp.model import (
    Action,
    ActionTaken,
    Credential,
    Finding,
    Kind,
    Location,
    Mode,
    RecordedEvent,
    RequestInfo,
    RequestRecord,
    Severity,
    TrailStep,
)

TOKEN = "sk_live_9a8B7c6D5e4F3g2H1i0J"
STARTED = 1_769_860_800_000_000_000
"""2026-01-31T12:00:00Z"""

JWT = Credential(Kind.JWT, "9f3c0a1b2c3d4e5f", "header:authorization", 312)
SHORT = Credential(Kind.BASIC, "00112233445566aa", "header:authorization")
REQUEST = RequestInfo("0b7e5d11", "GET", "/api/data", 401)

SOURCE = {
    30: "    cache.set(key, claims)",
    38: "        cache.delete(key)",
    41: f'        cache.delete("{TOKEN}")',
}


def place(line, function="get_data"):
    return Location("app.py", line, function)


def step(action, line, t_ms, **changes):
    made = TrailStep(
        action,
        "cachelib.simple",
        JWT.mask,
        place(line),
        REQUEST.id,
        "MainThread",
        t_ms,
        span=changes.pop("span", None),
    )
    return replace(made, **changes)


TRAIL = (
    step(Action.ACQUIRE, 30, 0.41),
    step(Action.RELEASE, 38, 0.87),
    step(Action.RELEASE, 41, 0.93),
)

DOUBLE = Finding(
    rule="double-release",
    id="RASP101",
    severity=Severity.ERROR,
    cwe=(1341,),
    message="cache key released twice in one request",
    credential=JWT,
    location=place(41),
    trail=TRAIL,
    request=REQUEST,
    trace_id=None,
    span_id=None,
    process=4242,
    time="2026-01-31T12:00:00.001Z",
    mode=Mode.OBSERVE,
    action_taken=ActionTaken.NONE,
    key="6c1f9be2a7d04412",
    instance="a1b2c3d4e5f60718",
)

LOGGED = replace(
    DOUBLE,
    rule="raw-token-logged",
    id="RASP201",
    cwe=(532,),
    message="raw token in a log record",
    credential=SHORT,
    location=place(12, "login|`<b>"),
    trail=(step(Action.EXPOSE, 12, None, holder="logging", slot=None, location=None, request=None, thread="worker"),),
    request=None,
    mode=Mode.PROTECT,
    action_taken=ActionTaken.REPLACED,
    key="17d2aa0b9c8e4f31",
    count=3,
)

BARE = replace(
    LOGGED,
    rule="weak-credential",
    id="RASP407",
    severity=Severity.NOTE,
    cwe=(1391,),
    message="credential shorter than 16 characters",
    credential=None,
    trail=(),
    request=replace(REQUEST, route=None, status=None),
    action_taken=ActionTaken.NONE,
    key="aa",
    count=1,
)

RECORD = RequestRecord(
    request=REQUEST,
    started=STARTED,
    ended=STARTED + 5_000_000,
    thread="MainThread",
    process=4242,
    credentials=(JWT, SHORT),
    events=(
        RecordedEvent(TRAIL[0], JWT),
        RecordedEvent(TRAIL[1], JWT, "deleted"),
        RecordedEvent(TRAIL[2], None),
    ),
    dropped=2,
)


class Memory:
    """A reporter that keeps what it is given."""

    def __init__(self):
        self.calls = []

    def finding(self, finding):
        self.calls.append(("finding", finding.key, finding.count))

    def recount(self, finding):
        self.calls.append(("recount", finding.key, finding.count))

    def record(self, record, findings):
        self.calls.append(("record", record.request.id, len(findings)))

    def close(self):
        self.calls.append(("close",))
