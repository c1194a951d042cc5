"""The other subcommands, and what all of them have in common."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from rasp.cli import config as config_command
from rasp.cli.commands import COMMANDS
from rasp.cli.cost import bounds, left_out, told
from rasp.cli.main import main
from rasp.config import load
from rasp.rules.table import RULES

FINDING = {
    "schema": 1,
    "rule": "double-release",
    "id": "RASP101",
    "severity": "error",
    "cwe": [1341],
    "message": "cache key released twice in one request",
    "credential": {
        "kind": "jwt",
        "fingerprint": "9f3c0123456789ab",
        "source": "header:authorization",
        "length": 312,
    },
    "location": {"file": "app.py", "line": 41, "function": "get_data"},
    "trail": [],
    "request": {"id": "0b7e", "method": "GET", "route": "/api/data", "status": 401},
    "trace_id": None,
    "span_id": None,
    "process": 4242,
    "time": "2026-01-31T12:00:00.000Z",
    "mode": "observe",
    "action_taken": "none",
    "key": "0123456789abcdef",
    "instance": "1",
    "count": 1,
}


@pytest.fixture
def findings(tmp_path):
    path = tmp_path / "found.jsonl"
    path.write_text(json.dumps(FINDING) + "\n")
    return path


class TestReport:
    def test_shows_findings_as_text_without_colours(self, rasp, findings):
        done = rasp("report", findings)
        assert (done.returncode, done.stderr) == (0, "")
        assert "app.py:41" in done.stdout
        assert "double-release" in done.stdout
        assert "\x1b" not in done.stdout

    def test_merges_files_and_writes_json(self, rasp, findings):
        done = rasp("report", findings, findings, "--format", "json")
        assert json.loads(done.stdout)["totals"]["findings"] == 1

    def test_writes_a_private_file(self, rasp, findings):
        done = rasp("report", findings, "--format", "markdown", "--output", "report.md")
        report = rasp.folder / "report.md"
        assert (done.returncode, done.stdout) == (0, "")
        assert "double-release" in report.read_text()
        assert report.stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            (("no-such-file",), "no-such-file"),
            (("bad",), "bad:1"),
            ((".",), "'.'"),
            ((), "FILE"),
            (("found.jsonl", "--output", "no/such/folder/x"), "no/such/folder"),
            (("found.jsonl", "--format", "pdf"), "pdf"),
        ],
    )
    def test_names_bad_input(self, rasp, findings, arguments, named):
        (rasp.folder / "bad").write_text("{\n")
        done = rasp("report", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert named in done.stderr
        assert "Traceback" not in done.stderr


class TestRules:
    def test_lists_every_rule(self, rasp):
        lines = rasp("rules").stdout.splitlines()
        assert lines[0].split() == ["id", "name", "severity", "CWE", "finds"]
        assert [line.split()[:3] for line in lines[1:]] == [
            [rule.id, rule.name, rule.severity.word] for rule in RULES.values()
        ]

    def test_lists_them_as_json(self, rasp):
        rows = json.loads(rasp("rules", "--format", "json").stdout)
        assert [row["name"] for row in rows] == list(RULES)
        assert rows[0]["cwe"] == [1341, 415]


class TestExplain:
    @pytest.mark.parametrize("word", ["double-release", "RASP101", "rasp101", "101"])
    def test_prints_the_help_text(self, rasp, word):
        done = rasp("explain", word)
        rule = RULES["double-release"]
        assert done.returncode == 0
        assert done.stdout.startswith(f"{rule.id} {rule.name}\n{rule.summary}\n")
        assert rule.help.strip() in done.stdout
        assert "\x1b" not in done.stdout

    @pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
    def test_every_rule_explains_itself(self, rule, capsys):
        assert main(["explain", rule.id]) == 0
        shown = capsys.readouterr().out
        assert shown.startswith(f"{rule.id} {rule.name}\n{rule.summary}\n\n{rule.category}, CWE-{rule.cwe}")
        assert f"at most {rule.severity.word}; mode strict raises {rule.violation.__name__}\n" in shown
        assert rule.help.strip() in shown

    def test_names_the_nearest_rule(self, rasp):
        done = rasp("explain", "duoble-release")
        assert (done.returncode, done.stdout) == (2, "")
        assert "double-release" in done.stderr


class TestConfig:
    def test_shows_values_and_origins_and_hides_secrets(self, rasp):
        (rasp.folder / "rasp.toml").write_text('grace = 5\nfingerprint_key = "sixteen-bytes-or-more"\n')
        done = rasp("config", "--format", "json", RASP_MODE="strict")
        shown = {row["setting"]: (row["value"], row["origin"]) for row in json.loads(done.stdout)}
        assert shown["mode"] == ("strict", "environment RASP_MODE")
        assert shown["grace"] == ("5.0", str(rasp.folder / "rasp.toml"))
        assert shown["fingerprint_key"][0] == "(hidden)"
        assert shown["live_values"] == ("10000", "default")

    def test_prints_a_table(self, rasp):
        lines = rasp("config").stdout.splitlines()
        assert lines[0].split() == ["setting", "from", "value"]
        assert ["mode", "default", "observe"] in [line.split() for line in lines]

    def test_names_a_wrong_setting(self, rasp):
        done = rasp("config", RASP_GRACE="long")
        assert done.returncode == 2
        assert done.stderr.startswith("rasp: environment variable RASP_GRACE: 'long' is not allowed")


class TestDoctor:
    def test_shows_versions_and_instruments(self, rasp):
        done = rasp("doctor")
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert sys.executable in lines[0]
        assert lines[1].endswith(", mode observe")
        assert lines[2:4] == ["overhead: not bounded", "followed: every request"]
        assert lines[5].split() == ["instrument", "library", "version", "supported", "state", "reason"]

    @pytest.mark.parametrize(
        ("variables", "lines"),
        [
            (
                {"RASP_OVERHEAD_BUDGET": "200us", "RASP_SAMPLE": "0.25"},
                [
                    "overhead: 200 us a request; beyond it no stacks are walked, then no very large texts searched",
                    "followed: 0.25 of each route's requests; native calls in all of them",
                ],
            ),
            (
                {"RASP_OVERHEAD_BUDGET": "10%", "RASP_SAMPLE": "0.25", "RASP_MODE": "strict"},
                [
                    "overhead: 0.1 of a request's time; beyond it no stacks are walked, "
                    "then no very large texts searched",
                    "followed: every request, since mode strict does not heed sample = 0.25",
                ],
            ),
        ],
    )
    def test_says_what_rasp_may_cost(self, variables, lines):
        assert bounds(load({}, environ=variables)) == lines

    def test_says_what_the_records_miss(self, rasp):
        lines = [json.dumps({"events": [], "dropped": dropped}) for dropped in (0, 3, 2)]
        (rasp.folder / "events.jsonl").write_text("\n".join(lines) + "\n")
        shown = json.loads(rasp("doctor", "--events", "events.jsonl", "--format", "json").stdout)
        assert shown["records"] == {"requests": 3, "cut": 2, "dropped": 5}
        assert (shown["overhead_budget"], shown["sample"]) == (0.0, 1.0)
        found = left_out([str(rasp.folder / "events.jsonl")] * 2)
        assert told(found) == "records: 6, of which 4 miss something; left out: 10"
        assert told(left_out([])) == "records: none"

    @pytest.mark.parametrize(
        ("text", "named"),
        [
            (None, "'given' does not exist"),
            ("{}\n", "given:1: no record"),
            ("\nnot json\n", "given:2: no record"),
            (json.dumps(FINDING), "given:1: no record"),
            ('{"events": [], "dropped": -1}', "given:1: no record"),
        ],
    )
    def test_names_what_is_no_events_file(self, rasp, text, named):
        if text is not None:
            (rasp.folder / "given").write_text(text)
        done = rasp("doctor", "--events", "given")
        assert (done.returncode, done.stdout) == (2, "")
        assert named in done.stderr

    def test_says_the_same_as_json(self, rasp):
        shown = json.loads(rasp("doctor", "--format", "json").stdout)
        assert shown["executable"] == sys.executable
        assert shown["instruments"]
        for row in shown["instruments"]:
            assert set(row) == {
                "instrument",
                "library",
                "version",
                "supported",
                "state",
                "reason",
                "unreachable",
            }
            assert row["state"] in {"installed", "waiting", "disabled", "unsupported", "failed"}


class TestAllCommands:
    def test_help_teaches_and_lists_them(self, rasp):
        done = rasp("--help")
        assert done.returncode == 0
        assert "examples:" in done.stdout
        assert "exit status:" in done.stdout
        assert all(f"    {name} " in done.stdout for name in COMMANDS)

    @pytest.mark.parametrize("name", COMMANDS)
    def test_each_has_help(self, rasp, name):
        done = rasp(name, "--help")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"usage: rasp {name} ")

    def test_no_command_prints_help_and_fails(self, rasp):
        done = rasp()
        assert (done.returncode, done.stdout) == (2, "")
        assert "examples:" in done.stderr

    def test_an_unknown_command_is_named(self, rasp):
        done = rasp("exlpain")
        assert done.returncode == 2
        assert "exlpain" in done.stderr

    def test_version(self, rasp):
        assert rasp("--version").stdout.startswith("rasp ")

    def test_as_a_module(self, rasp):
        rasp.prefix = [sys.executable, "-m", "rasp"]
        rasp.environ["PYTHONPATH"] = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        assert rasp("--version").stdout.startswith("rasp ")

    @pytest.mark.parametrize("arguments", [("explain", "101"), ("--help",)])
    def test_a_reader_that_goes_away_is_no_error_message(self, rasp, arguments):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [*rasp.prefix, *arguments],
            cwd=rasp.folder,
            env=rasp.environ,
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
        )
        os.close(writer)
        assert (done.returncode, done.stderr) == (141, b"")

    @pytest.mark.parametrize("arguments", ["explain 101", "rules", "config", "report found.jsonl", "--version"])
    def test_a_closed_output_is_no_error_message(self, rasp, findings, arguments):
        command = f'exec "{sys.executable}" -c "$0" {arguments} >&-'
        done = subprocess.run(
            ["sh", "-c", command, rasp.prefix[-1]],
            cwd=rasp.folder,
            env=rasp.environ,
            stderr=subprocess.PIPE,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")

    def test_an_interrupt_is_130(self, monkeypatch):
        def interrupted(_args):
            raise KeyboardInterrupt

        monkeypatch.setattr(config_command, "run", interrupted)
        assert main(["config"]) == 130
