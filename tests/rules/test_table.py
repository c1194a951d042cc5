"""The table of rules says what was promised, and every help text has all that a developer needs."""

import re
from pathlib import Path

import pytest

from rasp import errors
from rasp.errors import RaspError, RaspViolation
from rasp.model import Severity
from rasp.rules.document import document
from rasp.rules.spec import Rule
from rasp.rules.table import BY_ID, RULES, find

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"
EVERY_RULE = pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
SECTIONS = ["What happened", "How it is graded", "The defect", "The fix", "When it is fine", "Links"]

PROMISED = {
    "RASP101": ("double-release", 1341, 415, Severity.ERROR),
    "RASP102": ("use-after-release", 672, 416, Severity.ERROR),
    "RASP103": ("release-without-acquire", 763, None, Severity.WARNING),
    "RASP104": ("never-released", 772, None, Severity.WARNING),
    "RASP105": ("inconsistent-release", 459, None, Severity.WARNING),
    "RASP201": ("raw-token-logged", 532, None, Severity.ERROR),
    "RASP202": ("raw-token-as-key", 922, None, Severity.WARNING),
    "RASP203": ("raw-token-in-telemetry", 532, None, Severity.ERROR),
    "RASP204": ("raw-token-in-url", 598, None, Severity.ERROR),
    "RASP205": ("raw-token-in-response", 209, None, Severity.ERROR),
    "RASP206": ("raw-token-sent-elsewhere", 201, None, Severity.WARNING),
    "RASP207": ("raw-token-stored", 312, None, Severity.WARNING),
    "RASP208": ("raw-token-in-process-args", 214, None, Severity.ERROR),
    "RASP301": ("concurrent-reuse", 362, None, Severity.ERROR),
    "RASP302": ("cross-request-leak", 488, None, Severity.ERROR),
    "RASP303": ("single-use-replay", 294, None, Severity.ERROR),
    "RASP401": ("unverified-token", 347, None, Severity.ERROR),
    "RASP402": ("unvalidated-credential", 287, None, Severity.NOTE),
    "RASP404": ("long-lived-token", 613, None, Severity.NOTE),
    "RASP405": ("unauthenticated-llm-endpoint", 306, None, Severity.WARNING),
    "RASP406": ("plaintext-credential", 319, None, Severity.ERROR),
    "RASP407": ("weak-credential", 1391, None, Severity.NOTE),
}


def sections(rule: Rule) -> dict[str, str]:
    """{heading: text} of a help text; comments in code are no headings."""
    parts = re.split(r"^### (.+)$", rule.help, flags=re.MULTILINE)
    assert parts[0] == "", "a help text begins with a heading"
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def code(text: str, language: str = "python") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


class TestTable:
    def test_it_has_exactly_the_promised_ids_names_cwes_and_severities(self):
        rows = {rule.id: (rule.name, rule.cwe, rule.native_cwe, rule.severity) for rule in RULES.values()}
        assert rows == PROMISED
        assert list(rows) == sorted(rows)

    def test_both_lookups_hold_the_same_rules_under_their_own_words(self):
        assert {rule.name: rule for rule in BY_ID.values()} == dict(RULES)
        assert all(name == rule.name for name, rule in RULES.items())
        assert all(word == rule.id for word, rule in BY_ID.items())

    def test_every_violation_class_belongs_to_exactly_one_rule(self):
        raised = sorted(rule.violation.__name__ for rule in RULES.values())
        assert raised == sorted(cls.__name__ for cls in RaspViolation.__subclasses__())

    @EVERY_RULE
    def test_the_violation_is_named_after_the_rule(self, rule):
        assert rule.violation.__name__ == rule.name.title().replace("-", "")
        assert rule.violation is getattr(errors, rule.violation.__name__)

    @EVERY_RULE
    def test_the_violation_says_the_same_id_and_cwe_as_the_rule(self, rule):
        native = f" (native: CWE-{rule.native_cwe})" if rule.native_cwe else ""
        assert rule.violation.__doc__ == f"{rule.id}, CWE-{rule.cwe}{native}."

    @EVERY_RULE
    def test_the_category_follows_from_the_id(self, rule):
        families = {"1": "release", "2": "exposure", "3": "concurrency", "4": "verification"}
        assert rule.category == families[rule.id[4]]

    def test_nobody_can_change_it(self):
        with pytest.raises(TypeError):
            RULES["mine"] = RULES["double-release"]
        with pytest.raises(TypeError):
            BY_ID["RASP999"] = RULES["double-release"]


class TestFind:
    @pytest.mark.parametrize("word", ["double-release", "Double-Release", "RASP101", "rasp101", "101", " 101\n"])
    def test_a_rule_is_found_by_name_id_and_number_in_any_case(self, word):
        assert find(word) is RULES["double-release"]

    @EVERY_RULE
    def test_every_rule_is_found_by_each_of_its_words(self, rule):
        assert find(rule.name) is find(rule.id) is find(rule.id[4:]) is rule

    @pytest.mark.parametrize(
        ("word", "nearest"),
        [
            ("double-relase", "double-release (RASP101)"),
            ("Raw-Token-Loged", "raw-token-logged (RASP201)"),
            ("RASP1011", "double-release (RASP101)"),
        ],
    )
    def test_an_unknown_word_is_named_with_the_nearest_rule(self, word, nearest):
        with pytest.raises(RaspError) as caught:
            find(word)
        assert str(caught.value) == f"no rule is called {word!r}; the nearest is {nearest}"

    @pytest.mark.parametrize("word", ["", "?", "x" * 10_000])
    def test_a_senseless_word_gives_a_short_error_too(self, word):
        with pytest.raises(RaspError, match="no rule is called") as caught:
            find(word)
        assert len(str(caught.value)) < 200


class TestHelp:
    @EVERY_RULE
    def test_the_summary_is_one_sentence(self, rule):
        assert re.fullmatch(r"[A-Z][^\n.]*\.", rule.summary)

    @EVERY_RULE
    def test_it_has_all_sections_in_order_and_none_is_empty(self, rule):
        found = sections(rule)
        assert list(found) == SECTIONS
        assert all(text.strip() for text in found.values())

    @EVERY_RULE
    def test_it_tells_the_danger_in_a_paragraph_of_its_own(self, rule):
        happened, danger = sections(rule)["What happened"].split("\n\n**Danger:** ")
        assert len(happened.split()) > 10
        assert len(danger.split()) > 20
        assert "\n\n" not in danger.strip()

    @EVERY_RULE
    @pytest.mark.parametrize("heading", ["The defect", "The fix"])
    def test_the_code_compiles_with_the_defect_and_with_the_fix(self, rule, heading):
        (source,) = code(sections(rule)[heading])
        compile(source, f"<{rule.name}: {heading}>", "exec")

    @EVERY_RULE
    def test_the_fix_is_other_code_than_the_defect(self, rule):
        found = sections(rule)
        assert code(found["The defect"]) != code(found["The fix"])

    @EVERY_RULE
    def test_the_highest_grade_it_tells_is_the_default_severity(self, rule):
        told = re.findall(r"^- \*\*(error|warning|note)\*\*", sections(rule)["How it is graded"], re.MULTILINE)
        assert max(map(Severity.parse, told)) is rule.severity

    @EVERY_RULE
    def test_it_shows_how_to_say_that_the_finding_is_fine(self, rule):
        fine = sections(rule)["When it is fine"]
        block = code(fine)[0] if len(code(fine)) == 2 else None
        for source in code(fine):
            compile(source, f"<{rule.name}: fine>", "exec")
        assert block is None or f'rasp.allow("{rule.name}", reason="' in block
        assert (block is None) == ("in one of these two ways" in " ".join(fine.split()))
        assert f'@pytest.mark.rasp_allow("{rule.name}")' in code(fine)[-1]
        assert code(fine, "toml")[0].startswith(f'[rules]\n{rule.name} = "observe"')

    @EVERY_RULE
    def test_it_links_each_of_its_cwes(self, rule):
        links = sections(rule)["Links"]
        for cwe in filter(None, (rule.cwe, rule.native_cwe)):
            assert f"CWE-{cwe}: https://cwe.mitre.org/data/definitions/{cwe}.html" in links

    @EVERY_RULE
    def test_rules_it_names_exist_and_lines_fit(self, rule):
        for word in re.findall(
            r"`((?:raw-token|double|use|release|never|inconsistent|concurrent|cross|un\w+|long|plaintext|weak)-[a-z-]+)`",
            rule.help,
        ):
            assert word in RULES
        assert max(map(len, rule.help.splitlines())) <= 110


class TestPage:
    def test_the_page_in_the_repository_is_the_generated_one(self):
        assert PAGE.read_text(encoding="utf-8") == document(), "run python -m rasp.rules.document > docs/rules.md"

    def test_it_has_every_rule_in_the_table_and_in_full(self):
        page = document()
        for rule in RULES.values():
            assert f"| {rule.id} | [`{rule.name}`](#{rule.id.lower()}-{rule.name}) |" in page
            assert f"\n## {rule.id} {rule.name}\n" in page
            assert rule.help in page
