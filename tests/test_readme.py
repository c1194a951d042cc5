"""The README shows what is: its report is of the demo's own source, its names are the program's."""

import re
from pathlib import Path

import pytest

from rasp.cli.commands import COMMANDS
from rasp.ledger.masking import mask_runs
from rasp.rules.table import RULES
from rasp.settings import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_report_shows_the_demos_own_lines():
    report = re.search(r"<!-- report -->\n```text\n(.*?)```", README, re.DOTALL).group(1)
    shown = re.findall(r"^ +(\S+):(\d+) in (\w+)\n +> (.*)$", report, re.MULTILINE)
    assert len(shown) == 3
    for file, line, function, text in shown:
        source = (ROOT / "demo" / file).read_text(encoding="utf-8").splitlines()
        assert mask_runs(source[int(line) - 1].strip()) == text
        above = [row for row in source[: int(line)] if row.lstrip().startswith("def ")]
        assert above[-1].split("(")[0].split()[-1] == function


def test_every_rule_it_names_exists_and_every_rule_is_named():
    table = README[README.index("| rule | finds |") : README.index("`rasp rules` lists")]
    assert set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", table)) == set(RULES)


@pytest.mark.parametrize("command", sorted(set(re.findall(r"\brasp ([a-z]+)\b(?= |`|\n)", README)) & set(COMMANDS)))
def test_every_command_it_names_exists(command):
    assert command in COMMANDS


def test_every_setting_it_names_exists():
    named = set(re.findall(r"`([a-z_]+) = ", README)) - {"rasp"}
    assert named <= set(SETTINGS)
    assert "block_native_double_release" in named
