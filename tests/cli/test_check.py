"""`chargesentinel check` and `rules` as their users call them: real processes, exit codes, formats."""

from __future__ import annotations

import json
import sqlite3
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from inspector.rules.catalogue import rules
from tests.forked import chargesentinel

BAD = '[2,"1","Authorize",{}]'
GOOD = '[2,"1","Heartbeat",{}]\n[3,"1",{"currentTime":"2026-01-01T12:00:00Z"}]\n'


def test_a_frame_on_standard_input_is_judged_and_its_fault_ends_with_1() -> None:
    done = chargesentinel("check", "-", "--ocpp", "1.6", stdin=BAD)
    assert done.returncode == 1
    assert "payload.schema" in done.stdout and "idTag is missing" in done.stdout and "/3" in done.stdout
    assert "charge point" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("line", ['[,2,"1","Heartbeat",{}]', '{"a":1}', '[2,"1","Heartbeat",{}', "hello"])
def test_a_line_on_standard_input_is_a_frame_however_broken_where_the_version_is_named(line: str) -> None:
    done = chargesentinel("check", "-", "--ocpp", "1.6", stdin=f"{GOOD}{line}\n")
    assert (done.returncode, done.stderr) == (1, "")
    assert "frame 3" in done.stdout and "3 frames in 1 session: 1 error" in done.stdout


def test_frames_without_a_fault_end_with_0() -> None:
    done = chargesentinel("check", "-", "--ocpp", "1.6", stdin=GOOD)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 frames in 1 session: nothing found" in done.stdout


def test_json_has_the_shape_that_is_documented() -> None:
    done = chargesentinel("check", "-", "--ocpp", "1.6", "--format", "json", stdin=f'{BAD}\n[3,"1",{{}}]')
    document = json.loads(done.stdout)
    assert set(document) == {"frames", "sessions", "failed_attempts", "findings"}
    assert (document["frames"], document["sessions"]) == (2, 1)
    finding = next(f for f in document["findings"] if f["rule"] == "payload.schema")
    assert finding["severity"] == "error" and finding["side"] == "charge_point"
    assert (finding["frame"], finding["last_frame"], finding["count"]) == (1, 1, 1)
    assert finding["pointer"] == "/3" and finding["session"] == 1
    assert finding["frames"] == [1] and document["failed_attempts"] == 0
    assert chargesentinel("check", "-", "--ocpp", "1.6", "--json", stdin=BAD).stdout.startswith("{")


def test_junit_names_every_rule_and_fails_those_that_are_broken() -> None:
    done = chargesentinel("check", "-", "--ocpp", "1.6", "--format", "junit", stdin=BAD + "\n[2,\x01")
    suite = ET.fromstring(done.stdout).find("testsuite")
    assert suite is not None and suite.get("tests") == str(len(rules()))
    failed = {case.get("name") for case in suite if case.find("failure") is not None}
    assert {"payload.schema", "rpc.not-json"} <= failed
    assert suite.get("failures") == str(len(failed))


def test_sarif_points_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "two frames.txt"
    path.write_text("# a comment\n" + BAD)
    document = json.loads(chargesentinel("check", path, "--ocpp", "1.6", "--format", "sarif").stdout)
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    known = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    (result,) = [result for result in run["results"] if result["ruleId"] == "payload.schema"]
    assert result["ruleId"] in known and result["level"] == "error"
    place = result["locations"][0]["physicalLocation"]
    assert place["region"]["startLine"] == 2 and " " not in place["artifactLocation"]["uri"]


def test_github_annotations_name_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "frames.txt"
    path.write_text(BAD)
    done = chargesentinel("check", path, "--ocpp", "1.6", "--format", "github")
    assert f"::error file={path},line=1,title=payload.schema::idTag is missing" in done.stdout


@pytest.mark.parametrize("kind", ["recording", "har"])
def test_where_an_input_has_no_lines_the_frame_is_named_instead_of_one(kind: str, tmp_path: Path) -> None:
    """A recording has frame ids instead of lines; here the first frame was pruned, so the ids begin at 2."""
    frames, path = tmp_path / "frames.txt", tmp_path / "a.db"
    frames.write_text('[2,"1","Heartbeat",{}]\n' + BAD)
    chargesentinel("import", frames, "--ocpp", "1.6", "--db", path)
    frame = 2
    if kind == "har":
        chargesentinel("export", path, "--format", "har", "-o", tmp_path / "a.har")
        path = tmp_path / "a.har"
    else:
        with sqlite3.connect(path) as db:
            db.execute("DELETE FROM frames WHERE id = 1")
    document = json.loads(chargesentinel("check", path, "--format", "sarif").stdout)
    (result,) = [result for result in document["runs"][0]["results"] if result["ruleId"] == "payload.schema"]
    (place,) = result["locations"]
    assert "region" not in place["physicalLocation"]
    assert place["logicalLocations"] == [{"name": f"frame {frame}", "fullyQualifiedName": f"frame {frame}"}]
    assert result["message"]["text"].startswith(f"frame {frame}: idTag is missing")
    annotations = chargesentinel("check", path, "--format", "github").stdout
    assert f"::error file={path},title=payload.schema::frame {frame}: idTag is missing" in annotations
    said = chargesentinel("check", path).stdout
    assert ("id 2 in the recording · /3" in said) == (kind == "recording")


def test_what_fails_is_the_users_choice() -> None:
    warned = '> [2,"1","Heartbeat",null]'
    assert chargesentinel("check", "-", "--ocpp", "1.6", stdin=warned).returncode == 0
    assert chargesentinel("check", "-", "--ocpp", "1.6", "--fail-on", "warning", stdin=warned).returncode == 1
    assert chargesentinel("check", "-", "--ocpp", "1.6", "--fail-on", "never", stdin=BAD).returncode == 0


def test_a_rules_file_changes_severities_thresholds_and_allowances(tmp_path: Path) -> None:
    settings = tmp_path / "rules.toml"
    settings.write_text(
        '[tool.chargesentinel.severity]\n"payload.schema" = "info"\n'
        '[tool.chargesentinel.allow.values]\n"StatusNotification/errorCode" = ["Error"]\n'
        '[tool.chargesentinel.allow.lengths]\n"Authorize/idTag" = 30\n'
    )
    frames = (
        '> [2,"1","StatusNotification",{"connectorId":1,"errorCode":"Error","status":"Available"}]\n'
        '> [2,"2","Authorize",{"idTag":"123456789012345678901234567890"}]\n'
        '> [2,"3","Heartbeat",{"x":1}]\n'
    )
    document = json.loads(
        chargesentinel("check", "-", "--ocpp", "1.6", "--json", "--rules", settings, stdin=frames).stdout
    )
    found = [f for f in document["findings"] if f["rule"] == "payload.schema"]
    assert [(f["frame"], f["severity"]) for f in found] == [(3, "info")]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[severity]\n"rpc.shap" = "off"', "did you mean rpc.shape?"),
        ('[severity]\n"rpc.shape" = "loud"', "expected error, warning, info or off"),
        ("[thresholds]\nanswer_timeout = 3", "did you mean answer_timeout_s?"),
        ("[thresholds]\nanswer_timeout_s = -3", "must be a number from 0"),
        ("[thresholds]\nanswer_timeout_s = nan", "must be a number from 0"),
        ('[severity]\n"rpc.shape" = ["off"]', "expected error, warning, info or off"),
        ('[severity]\n"nothing.like-it" = "off"', "`chargesentinel rules` lists the rules"),
        ('[allow.values]\n"StatusNotification/errorCode" = 3', "expected a list of strings"),
        ('[allow.values]\n"StatusNotifcation/errorCode" = ["Error"]', "did you mean StatusNotification?"),
        ('[allow.values]\n"StatusNotification/errorCod" = ["Error"]', "did you mean errorCode?"),
        (
            '[allow.lengths]\n"StatusNotification/connectorId" = 5',
            "no member 'connectorId' that is limited to a length",
        ),
        ("[tool]\nchargesentinel = 3", "expected a table"),
        ("tool = 3", "unknown name"),
        ("severity = 3", "expected a table"),
        ("[[", "not TOML"),
    ],
)
def test_a_rules_file_that_cannot_be_meant_is_refused_in_one_line(tmp_path: Path, content: str, said: str) -> None:
    settings = tmp_path / "rules.toml"
    settings.write_text(content)
    done = chargesentinel("check", "-", "--rules", settings, stdin=GOOD)
    assert done.returncode == 2
    assert said in done.stderr and str(settings) in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_settings_of_a_project_are_those_in_its_pyproject_toml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This applies if no settings file is named; a pyproject.toml that is invalid or lacks the table is ignored."""
    monkeypatch.chdir(tmp_path)
    project = tmp_path / "pyproject.toml"
    for content, found in (
        ('[tool.chargesentinel.severity]\n"payload.schema" = "off"\n', set()),
        ('[project]\nname = "x"\n', {"payload.schema"}),
        ("no TOML", {"payload.schema"}),
    ):
        project.write_text(content)
        done = chargesentinel("check", "-", "--ocpp", "1.6", "--json", stdin=BAD)
        assert {finding["rule"] for finding in json.loads(done.stdout)["findings"]} == found
    project.write_text("[project]\nname = 'x'\n")
    done = chargesentinel("check", "-", "--rules", project, stdin=GOOD)
    assert (done.returncode, done.stderr) == (2, f"chargesentinel: {project}: has no table [tool.chargesentinel]\n")


@pytest.mark.parametrize("name", ["nothing-there.jsonl", "."])
def test_an_input_that_cannot_be_used_is_one_line_and_2(name: str) -> None:
    done = chargesentinel("check", name)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_input_without_a_frame_is_not_one_without_a_fault(content: str, tmp_path: Path) -> None:
    """An empty capture must fail in a pipeline."""
    (tmp_path / "empty.txt").write_text(content)
    for done in (chargesentinel("check", tmp_path / "empty.txt"), chargesentinel("check", "-", stdin=content)):
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
        assert "no OCPP frame found" in done.stderr


def test_frames_of_no_known_version_are_judged_by_their_envelope_and_that_is_said() -> None:
    done = chargesentinel("check", "-", stdin='[2,"1","Heartbeat",{"x":1}]')
    assert done.returncode == 0
    assert "name it with --ocpp" in done.stdout


def test_the_rules_are_listed_and_each_is_explained() -> None:
    listed = json.loads(chargesentinel("rules", "--json").stdout)
    assert [rule["rule"] for rule in listed] == [rule.slug for rule in rules()]
    one = chargesentinel("rules", "rpc.orphan-answer")
    for part in ("bad", "good", "what to do", "error in 1.6"):
        assert part in one.stdout


def test_a_rule_that_is_not_there_is_answered_with_the_nearest() -> None:
    done = chargesentinel("rules", "rpc.orphan-anser")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "did you mean rpc.orphan-answer?" in done.stderr
