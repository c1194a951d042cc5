"""Each grading of the contract, from the fact to every output: rule, severity, CWE, exception, JSON, span, report."""

import json
from importlib.resources import files

import jsonschema
import pytest
from graded import GRADED, KEY

import rasp
from rasp.ledger.facts import Fact, Leak, Replay, SentElsewhere
from rasp.ledger.places import Places
from rasp.ledger.scopes import RequestScope
from rasp.model import ActionTaken, Kind, Mode, Severity, Verdict
from rasp.reporters import aggregate
from rasp.reporters.parse import finding_from_dict
from rasp.reporters.serialise import finding_dict
from rasp.reporters.span_parts import finding_attributes
from rasp.reporters.text import render
from rasp.responses.assembly import Assembly
from rasp.rules.judge import _JUDGES, judge
from rasp.rules.table import RULES

EVERY = pytest.mark.parametrize("graded", GRADED, ids=lambda graded: f"{graded.rule}-{graded.name}")
SCHEMA = json.loads(files("rasp.reporters").joinpath("finding.schema.json").read_text())


def view():
    """Where everything happens."""


PATH = ((view.__code__, 0),)


@pytest.fixture
def scope():
    made = RequestScope("POST", None, view)
    made.route = "/api/<name>"
    made.status = 200
    return made


@pytest.fixture
def finding(graded, scope, tmp_path):
    assembly = Assembly(Places(tmp_path, ()), "0011223344556677")
    return assembly.finding(judge(graded.fact(scope, PATH)), Mode.OBSERVE, ActionTaken.NONE)


def subclasses(kind):
    return {kind, *(below for each in kind.__subclasses__() for below in subclasses(each))}


def test_every_fact_has_a_judge_and_every_rule_and_judge_a_grading_here():
    assert set(_JUDGES) == subclasses(Fact) - {Fact}
    assert {graded.kind for graded in GRADED} == set(_JUDGES)
    assert {graded.rule for graded in GRADED} == set(RULES)


def test_the_highest_grading_of_a_rule_is_its_default_severity():
    for name, rule in RULES.items():
        assert max(Severity.parse(graded.severity) for graded in GRADED if graded.rule == name) is rule.severity


@EVERY
def test_it_is_graded_as_the_contract_says(graded):
    draft = judge(graded.fact())
    assert (draft.rule, draft.severity.word) == (graded.rule, graded.severity)


@EVERY
def test_its_message_is_a_sentence_part_without_a_value(graded):
    message = judge(graded.fact()).message
    assert message[0].islower()
    assert not message.endswith(".")
    assert KEY not in message


@pytest.mark.parametrize("kind", [Leak, Replay, SentElsewhere])
def test_the_apps_own_credential_is_never_leaked_replayed_or_sent_to_the_wrong_host(kind):
    graded = next(graded for graded in GRADED if graded.kind is kind)
    fact = graded.fact()
    fact.live.kind = Kind.SERVICE
    assert judge(fact) is None


@EVERY
def test_the_finding_has_rule_id_cwe_and_a_place(graded, finding):
    rule = RULES[graded.rule]
    assert (finding.rule, finding.id, finding.cwe) == (rule.name, rule.id, (graded.cwe,))
    assert graded.cwe in (rule.cwe, rule.native_cwe)
    assert finding.location.function == "view"
    assert finding.request.route == "/api/<name>"
    assert len(finding.trail) == len(graded.actions.split())


@EVERY
def test_as_json_it_fits_the_schema_and_comes_back(graded, finding):
    written = finding_dict(finding)
    jsonschema.validate(written, SCHEMA, jsonschema.Draft202012Validator)
    assert KEY not in json.dumps(written)
    assert finding_dict(finding_from_dict(written)) == written


@EVERY
def test_its_span_bears_the_family_and_where(graded, finding):
    attributes = finding_attributes(finding)
    assert attributes["security_rule.name"] == graded.rule
    assert attributes["security_rule.category"] == RULES[graded.rule].category
    assert attributes["security_rule.ruleset.name"] == "rasp"
    assert attributes["rasp.severity"] == graded.severity
    assert attributes["code.function.name"] == "view"
    assert all(isinstance(value, (str, int)) for value in attributes.values())
    assert KEY not in str(attributes)


@EVERY
@pytest.mark.parametrize("format", aggregate.FORMATS)
def test_every_report_tells_of_it_and_how_to_go_on(graded, finding, format):
    shown = aggregate.render([finding], format)
    assert KEY not in shown
    plain = shown.replace("\\", "")
    assert graded.rule in plain
    assert RULES[graded.rule].id in plain
    assert format == "json" or f"rasp explain {graded.rule}" in plain


def test_each_rule_severity_and_holder_has_a_key_of_its_own(scope, tmp_path):
    assembly = Assembly(Places(tmp_path, ()), "0011223344556677")

    def key(graded, mode):
        return assembly.finding(judge(graded.fact(scope, PATH)), mode, ActionTaken.NONE).key

    keys = {}
    for graded in GRADED:
        assert key(graded, Mode.OBSERVE) == key(graded, Mode.STRICT)
        last = graded.fact(scope).trail[-1:]
        keys[graded.rule, graded.severity, last[0].holder if last else ""] = key(graded, Mode.OBSERVE)
    assert len(set(keys.values())) == len(keys)


def test_strict_raises_the_rules_own_exception_unless_it_is_a_note(install_rasp):
    installed = install_rasp(mode="strict", rules={})
    for graded in GRADED:
        verdict = installed.runtime.pipeline.respond([graded.fact(None, PATH)])
        if graded.severity == "note":
            assert verdict is None, graded
        else:
            assert type(verdict.exception) is RULES[graded.rule].violation
            assert KEY not in f"{verdict.exception!r}"
    told = {(found.rule, found.severity.word) for found in installed.findings}
    assert told == {(graded.rule, graded.severity) for graded in GRADED}


def test_what_cannot_be_raised_at_its_call_waits_for_the_requests_end(install_rasp, scope):
    installed = install_rasp(mode="strict")
    for graded in GRADED:
        fact = graded.fact(scope, PATH)
        fact.raisable = False
        verdict = installed.runtime.pipeline.respond([fact])
        assert verdict is None or verdict.exception is None
        waiting = [type(violation) for violation in scope.violations]
        assert waiting == ([] if graded.severity == "note" else [RULES[graded.rule].violation]), graded
        scope.violations.clear()
    installed.runtime.pipeline.pending.clear()


def test_a_mode_of_its_own_switches_each_rule_off_and_no_second_native_release_is_passed_on(install_rasp):
    installed = install_rasp(mode="strict", rules=dict.fromkeys(RULES, "off"))
    for graded in GRADED:
        verdict = installed.runtime.pipeline.respond([graded.fact(None, PATH)])
        twice_native = graded.rule == "double-release" and graded.options.get("native", False)
        assert verdict == (Verdict(skip=True) if twice_native else None), graded
    assert installed.findings == []


def test_a_permission_switches_each_rule_off(install_rasp):
    installed = install_rasp(mode="observe")
    for graded in GRADED:
        with rasp.allow(graded.rule, reason="as this test says"):
            verdict = installed.runtime.pipeline.respond([graded.fact(None, PATH)])
        assert verdict is None or verdict.exception is None
    assert installed.findings == []


@EVERY
def test_the_text_report_has_a_step_for_each_event(graded, finding):
    shown = render(finding)
    assert shown.count("\n  #") == len(finding.trail)
    assert f"({finding.id}, CWE-{graded.cwe})" in shown
