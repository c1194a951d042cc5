"""Sentry: what is handed to the transport, located where it was put in; scrubbed and dropped things are no exposure."""

from __future__ import annotations

import sys
import threading

import pytest
import sentry_sdk
from contract import KEY, InstrumentContract, Subject, flask_app
from flask import request
from sentry_sdk.transport import Transport
from support.made_up import api_key
from support.web import call

import rasp

DSN = "https://public@sentry.invalid/1"
OTHER = api_key("other")


class Kept(Transport):
    """Sends nothing; keeps every item as it would be sent."""

    def __init__(self, error=None):
        super().__init__({"dsn": DSN})
        self.sent = []
        self.error = error

    def capture_envelope(self, envelope):
        if self.error is not None:
            raise self.error
        self.sent += [(item.headers["type"], item.payload.json, item.get_bytes().decode()) for item in envelope.items]

    def items(self, kind="event"):
        return [document for type, document, _ in self.sent if type == kind]


def started(transport, **options):
    """Sentry without the integrations that would change this whole process."""
    sentry_sdk.init(DSN, transport=transport, default_integrations=False, auto_enabling_integrations=False, **options)
    return transport


def ended():
    """Nobody's client any more."""
    sentry_sdk.get_client().close(timeout=0)
    sentry_sdk.Scope.get_global_scope().set_client(None)
    sentry_sdk.Scope.get_isolation_scope().clear()
    sentry_sdk.Scope.get_current_scope().clear()


@pytest.fixture
def kept():
    """``kept(**options)``: what a client with these options sends."""
    yield lambda **options: started(Kept(), **options)
    ended()


def reported(view, path="/", headers=None):
    """One request to a view, whose scope in Sentry is its own, as Sentry's WSGI middleware has it."""
    app = flask_app()
    app.add_url_rule("/", "view", view)
    with sentry_sdk.isolation_scope():
        return call(app, path, headers or {"X-API-Key": KEY})


class TestSentry(InstrumentContract):
    name = "sentry"
    hooks = ("sentry.envelope", "sentry.put")
    holder = "sentry"
    clean = ()
    defective = ("expose",)
    finding = ("raw-token-in-telemetry", "error", "defect")
    masks = True

    def subject(self, folder):
        app = flask_app()
        transport = started(Kept())

        @app.get("/clean")
        def clean():
            sentry_sdk.set_tag("key", request.headers["X-API-Key"][:6])
            sentry_sdk.add_breadcrumb(message="looked", data={"found": "yes"})
            sentry_sdk.capture_message("seen")
            return {"ok": True}

        @app.get("/defect")
        def defect():
            sentry_sdk.set_tag("key", request.headers["X-API-Key"])
            sentry_sdk.capture_message("seen")
            return {"ok": True}

        def written():
            return [(event["message"], event.get("tags")) for event in transport.items()]

        return Subject(app, written, ended)

    def raises(self, subject):
        error = OSError("the collector is gone")
        started(Kept(error))
        with pytest.raises(OSError) as caught:
            sentry_sdk.get_client().capture_event({"message": "lost"})
        return error, caught.value


def in_message():
    sentry_sdk.capture_message(f"refused {request.headers['X-API-Key']}")
    return "ok"


def in_tag():
    sentry_sdk.set_tag("who", request.headers["X-API-Key"])
    return report()


def in_extra():
    sentry_sdk.set_extra("seen", {"headers": [f"Bearer {request.headers['X-API-Key']}"]})
    return report()


def in_context():
    sentry_sdk.set_context("caller", {"who": request.headers["X-API-Key"]})
    return report()


def in_user():
    sentry_sdk.set_user({"id": request.headers["X-API-Key"]})
    return report()


def in_breadcrumb():
    sentry_sdk.add_breadcrumb(category="auth", message=f"came with {request.headers['X-API-Key']}")
    return report()


def in_exception():
    try:
        raise ValueError(f"bad key {request.headers['X-API-Key']}")
    except ValueError:
        return report()


def in_local():
    given = request.headers["X-API-Key"]
    try:
        return {"n": len(given) // 0}
    except ZeroDivisionError:
        return report()


def in_attachment():
    sentry_sdk.get_isolation_scope().add_attachment(bytes=f"key={request.headers['X-API-Key']}".encode(), filename="a")
    return report()


def in_name_of_member():
    sentry_sdk.set_extra("seen", {request.headers["X-API-Key"]: 1})
    return report()


def report():
    """Sends what is there; no place of this function is to blame."""
    if sys.exc_info()[0] is not None:
        sentry_sdk.capture_exception()
    else:
        sentry_sdk.capture_message("seen")
    return "ok"


PUT_IN = [in_message, in_tag, in_extra, in_context, in_user, in_breadcrumb, in_exception, in_local, in_name_of_member]


@pytest.mark.parametrize("view", PUT_IN)
def test_wherever_it_stands_it_is_found_where_it_was_put_in(install_rasp, kept, view):
    installed = install_rasp()
    transport = kept()
    reported(view)
    assert KEY in str(transport.sent)
    assert installed.judged() == [("raw-token-in-telemetry", "error", view.__name__)]


def test_an_attachment_is_judged_where_it_is_sent(install_rasp, kept):
    installed = install_rasp()
    kept()
    reported(in_attachment)
    assert installed.judged() == [("raw-token-in-telemetry", "error", "report")]


@pytest.mark.parametrize("view", [*PUT_IN, in_attachment])
def test_protect_sends_the_mask(install_rasp, kept, view):
    install_rasp(mode="protect")
    transport = kept()
    reported(view)
    assert KEY[3:] not in str(transport.sent)
    assert "[credential:api_key:" in str(transport.sent)


def test_observe_sends_the_same_as_without(install_rasp, kept):
    transport = kept()
    reported(in_extra)
    install_rasp()
    reported(in_extra)
    first, second = transport.items()
    assert (first["extra"], first.keys()) == (second["extra"], second.keys())


def test_each_place_that_put_it_in_is_told_and_one_event_of_one_place_once(install_rasp, kept):
    installed = install_rasp()
    kept()

    def view():
        key = request.headers["X-API-Key"]
        sentry_sdk.set_tag("a", key)
        sentry_sdk.set_tag("b", "fine")
        for _ in range(3):
            sentry_sdk.add_breadcrumb(message=key)
        raise_it(key)

    def raise_it(key):
        try:
            raise LookupError(key)
        except LookupError:
            sentry_sdk.capture_exception()

    with pytest.raises(TypeError):  # the view returned nothing
        reported(view)
    where = sorted((found.location.function, found.location.line) for found in installed.findings)
    lines = view.__code__.co_firstlineno
    assert where == [("raise_it", raise_it.__code__.co_firstlineno + 2), ("view", lines + 2), ("view", lines + 5)]


def scrubbed_by_name():
    sentry_sdk.set_extra("api_key", request.headers["X-API-Key"])
    return report()


def overwritten():
    sentry_sdk.set_tag("who", request.headers["X-API-Key"])
    sentry_sdk.set_tag("who", "somebody")
    return report()


def never_sent():
    sentry_sdk.add_breadcrumb(message=request.headers["X-API-Key"])
    return "ok"


@pytest.mark.parametrize("view", [scrubbed_by_name, overwritten, never_sent])
def test_what_was_scrubbed_overwritten_or_never_sent_is_no_exposure(install_rasp, kept, view):
    installed = install_rasp()
    transport = kept()
    reported(view)
    assert KEY not in str(transport.sent)
    assert installed.findings == []


def redact(event, hint):
    event["extra"] = {"seen": "***"}
    return event


@pytest.mark.parametrize(
    "options",
    [
        {"before_send": redact},
        {"before_send": lambda event, hint: None},
        {"sample_rate": 0.0},
        {"event_scrubber": sentry_sdk.scrubber.EventScrubber(denylist=["headers"], recursive=True)},
    ],
    ids=["redacted", "dropped", "not sampled", "scrubbed"],
)
def test_what_the_apps_own_settings_take_out_is_no_exposure(install_rasp, kept, options):
    installed = install_rasp()
    transport = kept(**options)
    reported(in_extra)
    assert KEY not in str(transport.sent)
    assert installed.findings == []


def test_a_stale_place_of_another_request_is_not_blamed(install_rasp, kept):
    installed = install_rasp()
    kept()

    def first():
        sentry_sdk.set_extra("seen", request.headers["X-API-Key"])
        return "ok"

    def second():
        sentry_sdk.capture_event({"message": "x", "extra": {"seen": request.headers["X-API-Key"]}})
        return "ok"

    reported(first)
    reported(second)
    assert installed.judged() == [("raw-token-in-telemetry", "error", "second")]


@pytest.mark.parametrize("mode", ["observe", "protect"])
def test_spans_of_a_transaction_that_ends_after_its_request(install_rasp, kept, mode):
    installed = install_rasp(mode=mode)
    transport = kept(traces_sample_rate=1.0)

    def view():
        with sentry_sdk.start_span(op="db", name="look up") as span:
            span.set_data("statement", f"where k = '{request.headers['X-API-Key']}'")
        return "ok"

    with sentry_sdk.start_transaction(name="request"):
        reported(view)
    assert (KEY in str(transport.items("transaction"))) is (mode == "observe")
    assert installed.judged() == [("raw-token-in-telemetry", "error", "view")]
    assert installed.findings[0].request is not None


def test_a_transaction_that_is_not_sampled_exposes_nothing(install_rasp, kept):
    installed = install_rasp()
    kept(traces_sample_rate=0.0)

    def view():
        with sentry_sdk.start_span(op="db", name="look up") as span:
            span.set_data("statement", request.headers["X-API-Key"])
        return "ok"

    with sentry_sdk.start_transaction(name="request"):
        reported(view)
    assert installed.findings == []


def test_a_log_is_judged_when_it_enters_its_batch(install_rasp, kept):
    logger = pytest.importorskip("sentry_sdk.logger")  # as of 2.24
    installed = install_rasp(mode="protect")
    transport = kept(enable_logs=True)

    def view():
        logger.warning("came with {key}", key=request.headers["X-API-Key"])
        return "ok"

    reported(view)
    sentry_sdk.flush()
    assert "came with" in str(transport.sent)
    assert KEY[3:] not in str(transport.sent)
    assert installed.judged() == [("raw-token-in-telemetry", "error", "view")]


def test_strict_raises_at_the_requests_end_and_the_event_was_sent(install_rasp, kept):
    installed = install_rasp(mode="strict")
    transport = kept()
    with pytest.raises(rasp.RawTokenInTelemetry) as caught:
        reported(in_extra)
    assert KEY[3:] not in str(caught.value)
    assert len(transport.items()) == 1
    assert installed.runtime.pipeline.pending == []


def test_what_is_allowed_where_it_is_put_in_is_allowed_when_it_is_sent(install_rasp, kept):
    installed = install_rasp()
    kept()

    def view():
        with rasp.allow("raw-token-in-telemetry", reason="a test key"):
            sentry_sdk.set_extra("seen", request.headers["X-API-Key"])
        return report()

    reported(view)
    assert installed.findings == []


def test_a_transport_that_hands_on_to_another_is_one_exposure(install_rasp, kept):
    installed = install_rasp(record=True)

    class Outer(Kept):
        def capture_envelope(self, envelope):
            super().capture_envelope(envelope)

    started(Outer())
    reported(in_extra)
    ended()
    assert installed.seen("sentry") == [("expose", "sentry")]


def test_clients_and_transports_made_before_are_judged_and_left_as_they_were(install_rasp, kept):
    before = Kept.__dict__["capture_envelope"]
    transport = kept()
    installed = install_rasp()
    reported(in_extra)
    assert [found.rule for found in installed.findings] == ["raw-token-in-telemetry"]
    assert KEY in str(transport.sent)
    rasp.uninstall()
    assert Kept.__dict__["capture_envelope"] is before
    assert Transport.__dict__["capture_event"].__module__ == "sentry_sdk.transport"


def test_reports_from_a_thread_are_told_by_the_value(install_rasp, kept):
    installed = install_rasp()
    kept()

    def view():
        key = request.headers["X-API-Key"]
        sending = threading.Thread(target=lambda: sentry_sdk.capture_message(f"refused {key}"))
        sending.start()
        sending.join()
        return "ok"

    reported(view)
    assert [(found.rule, found.location.function) for found in installed.findings] == [
        ("raw-token-in-telemetry", "<lambda>")
    ]


def test_two_values_in_one_event_are_two_exposures_and_both_masked(install_rasp, kept):
    installed = install_rasp(mode="protect", record=True)
    transport = kept()

    def view():
        sentry_sdk.capture_message(" and ".join(request.headers[name] for name in ("X-API-Key", "X-Auth-Token")))
        return "ok"

    reported(view, headers={"X-API-Key": KEY, "X-Auth-Token": OTHER})
    assert len(installed.seen("sentry")) == 2
    (event,) = transport.items()
    assert event["message"].count("[credential:api_key:") == 2


def test_odd_documents_are_sent_as_they_are(install_rasp, kept):
    install_rasp()
    transport = kept()
    deep = []
    for _ in range(100):
        deep = [deep]
    sentry_sdk.set_extra("deep", deep)
    sentry_sdk.set_extra("many", {str(n): "\ud800x" for n in range(1000)})
    sentry_sdk.set_extra("bytes", b"\x00\xff")
    sentry_sdk.set_extra(5, {None: (), (1, 2): set()})

    def view():
        sentry_sdk.add_breadcrumb({"message": None, "data": {"x": object()}})
        sentry_sdk.set_tags({})
        return report()

    reported(view)
    assert len(transport.items()) == 1


def test_a_request_that_its_transaction_holds_is_located_at_the_view(install_rasp, kept):
    installed = install_rasp()
    transport = kept(traces_sample_rate=1.0)

    def view():
        return "ok"

    def hold(event, hint):
        return event | {"request": {"query_string": f"api_key={KEY}"}}

    with sentry_sdk.start_transaction(name="request"):
        sentry_sdk.get_isolation_scope().add_event_processor(hold)
        reported(view, f"/?api_key={KEY}")
    assert KEY in str(transport.items("transaction"))
    assert [found.location.line for found in installed.findings] == [view.__code__.co_firstlineno]
    assert installed.findings[0].request.route == "/"


def test_many_threads_report_and_each_event_is_its_own(install_rasp, kept):
    installed = install_rasp(mode="protect", record=True)
    transport = kept()
    keys = [api_key(f"thread {number}") for number in range(8)]
    app = flask_app()

    @app.get("/")
    def view():
        key = request.headers["X-API-Key"]
        with sentry_sdk.isolation_scope() as scope:
            scope.set_tag("who", key)
            sentry_sdk.add_breadcrumb(message=f"came with {key}")
            sentry_sdk.capture_message("seen")
        return "ok"

    def work(key):
        for _ in range(10):
            call(app, "/", {"X-API-Key": key})

    threads = [threading.Thread(target=work, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(transport.items()) == 80
    assert not any(key[3:] in str(transport.sent) for key in keys)
    for event in transport.items():
        assert event["breadcrumbs"]["values"][0]["message"] == f"came with {event['tags']['who']}"
    assert {found.location.function for found in installed.findings} == {"view"}
    assert len(installed.seen("sentry")) == 160, "the tag and the breadcrumb of each event, put in at two lines"
