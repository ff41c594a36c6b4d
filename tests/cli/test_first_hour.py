"""What a new user runs into in the first hour, with the commands as they type them."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from inspector.browse import formatting
from inspector.cli import COMMANDS, command_line
from inspector.cli.options.option_types import without_id
from inspector.errors import UserMistake
from inspector.rules.catalogue import rules
from tests.browse.charging import Recording
from tests.cli.conftest import in_this_process
from tests.cli.terminal import on_a_terminal
from tests.processes import Program

CHARGING = Path(__file__).parents[2] / "recordings" / "charging-1.6.jsonl"
CHARGING_201 = CHARGING.with_name("charging-2.0.1.jsonl")


def test_a_misspelled_command_is_answered_with_the_nearest() -> None:
    ended = in_this_process("chek", "traffic.db")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert "did you mean check?" in ended.stderr


def test_without_a_command_the_help_is_printed() -> None:
    ended = in_this_process()
    assert ended.stderr == ""
    assert ended.stdout.rstrip() == in_this_process("--help").stdout.rstrip()


@pytest.mark.parametrize("topic", ["meter", "meter.", "meter.*"])
def test_rules_lists_the_rules_of_a_topic(topic: str) -> None:
    printed = in_this_process("rules", topic).stdout
    slugs = [line.split()[0] for line in printed.splitlines() if "." in line.split(" ")[0]]
    assert slugs == [rule.slug for rule in rules() if rule.slug.startswith("meter.")]


def test_a_pipe_gets_the_title_of_every_rule_whole() -> None:
    lines = in_this_process("rules").stdout.splitlines()
    for rule in rules():
        assert any(line.strip().startswith(rule.title) for line in lines), rule.slug


def test_a_pipe_gets_every_line_of_an_explained_rule_whole() -> None:
    for rule in rules()[::10]:
        lines = in_this_process("rules", rule.slug).stdout.splitlines()
        examples = [
            line for script in (*rule.bad.values(), *rule.good.values()) for line in script.strip().splitlines()
        ]
        assert {line.rstrip() for line in lines} >= {f"  {line}".rstrip() for line in [rule.remedy, *examples]}


@pytest.mark.parametrize("arguments", [("rules",), ("rules", "meter.energy-power")])
def test_the_rules_fit_a_terminal_of_80_columns(arguments: tuple[str, ...]) -> None:
    shown = on_a_terminal(*arguments, columns=80)
    assert shown.code == 0 and shown.widest <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_has_the_whole_summary_of_each(name: str) -> None:
    listed = in_this_process("--help").stdout
    summary = (command_line.get_command(click.Context(command_line), name) or command_line).help or ""
    assert f"{name} " in listed and summary.strip().splitlines()[0].strip() in listed


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("ws://csms:9000/ocpp", "ws://csms:9000/ocpp"),
        ("ws://csms:9000/ocpp/CP-1", "ws://csms:9000/ocpp"),
        ("ws://csms:9000/CP-1/", "ws://csms:9000"),
        ("ws://csms:9000/XCP-1", "ws://csms:9000/XCP-1"),
    ],
)
def test_an_address_that_ends_with_the_id_is_not_given_the_id_again(url: str, base: str) -> None:
    assert without_id(url, "CP-1") == base


def test_an_address_that_ends_with_the_id_twice_is_refused() -> None:
    with pytest.raises(UserMistake, match="twice"):
        without_id("ws://csms:9000/CP-1/CP-1", "CP-1")


@pytest.mark.parametrize("to", ["ws://127.0.0.1:1/CHARGING-16", "ws://127.0.0.1:1"])
def test_replay_dials_the_id_once_whether_or_not_the_address_ends_with_it(to: str) -> None:
    ended = in_this_process("replay", CHARGING, "--as", "charge-point", "--to", to)
    assert ended.returncode == 2 and "ws://127.0.0.1:1/CHARGING-16: cannot be reached" in ended.stderr
    assert ("not appended again" in ended.stderr) is to.endswith("CHARGING-16")


def test_replay_refuses_an_address_that_ends_with_the_id_twice() -> None:
    to = "ws://127.0.0.1:1/CP-9/CP-9"
    ended = in_this_process("replay", CHARGING, "--as", "charge-point", "--to", to, "--id", "CP-9")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1) and "twice" in ended.stderr


def test_show_takes_a_charge_point_and_shows_its_newest_session(tmp_path: Path) -> None:
    db = tmp_path / "twice.db"
    for _ in range(2):
        assert in_this_process("import", CHARGING, "--db", db).returncode == 0
    assert in_this_process("show", db, "CHARGING-16").stdout.startswith("session 2 · CHARGING-16")
    ended = in_this_process("show", db, "NOBODY")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1) and "chargesentinel sessions" in ended.stderr


def test_show_takes_a_charge_point_whose_id_is_a_number(tmp_path: Path) -> None:
    db, trace = tmp_path / "numbers.db", tmp_path / "number.jsonl"
    trace.write_text(CHARGING.read_text().replace("CHARGING-16", "4711"))
    assert in_this_process("import", trace, "--db", db).returncode == 0
    assert in_this_process("show", db, "4711").stdout.startswith("session 1 · 4711")


def test_tail_ends_when_its_reader_has_gone_although_nothing_more_comes(recording: Path) -> None:
    line = f"{shlex.quote(sys.executable)} -m inspector tail {shlex.quote(str(recording))} | head -1"
    ended = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, timeout=20, check=False
    )
    assert (ended.returncode, ended.stdout.count("\n"), ended.stderr) == (0, 1, "")


def test_importing_a_file_a_second_time_is_said(tmp_path: Path) -> None:
    db = tmp_path / "all.db"
    assert in_this_process("import", CHARGING, "--db", db).stderr == ""
    second = in_this_process("import", CHARGING, CHARGING_201, "--db", db)
    assert second.returncode == 0
    assert second.stderr == f"1 session was in {db} before this import and is now there twice: 2 repeats 1\n"


def test_raw_files_of_the_same_length_are_not_taken_for_one_file(tmp_path: Path) -> None:
    db = tmp_path / "all.db"
    for number in ("1", "2"):
        raw = tmp_path / f"{number}.txt"
        raw.write_text(f'[2,"{number}","Heartbeat",{{}}]\n')
        ended = in_this_process("import", raw, "--db", db, "--ocpp", "1.6", "--charge-point", "CP1")
        assert (ended.returncode, ended.stderr) == (0, "")


def test_export_to_a_dash_is_standard_output_and_makes_no_file(recording: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "inspector", "export", recording, "--format", "raw"]
    named = subprocess.run([*command, "-o", "-"], capture_output=True, cwd=tmp_path, check=True)
    plain = subprocess.run(command, capture_output=True, cwd=tmp_path, check=True)
    assert named.stdout == plain.stdout != b""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("watt_hours", "shown"),
    [(5.6, "5.6 Wh"), (0.04, "0.04 Wh"), (0, "0 Wh"), (-5.6, "-5.6 Wh"), (850, "850 Wh"), (999.7, "0.9997 kWh")],
)
def test_an_energy_is_not_rounded_to_another_one(watt_hours: float, shown: str) -> None:
    assert formatting.energy(watt_hours) == shown


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (None, "■ transaction 7 ends · 5.6 Wh"),
        ("InternalError", "■ end of transaction 7 refused by the CSMS"),
        ("", "■ end of transaction 7 not answered by the CSMS"),
    ],
)
def test_a_transaction_ends_only_where_the_csms_accepts_it(tmp_path: Path, error: str | None, line: str) -> None:
    recording = Recording(tmp_path / "ends.db")
    link = recording.connect("CP-1")
    link.boot()
    started = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": link.clock}
    link.call("StartTransaction", started, {"transactionId": 7, "idTagInfo": {"status": "Accepted"}})
    stopped = {"transactionId": 7, "meterStop": 1005.6, "timestamp": link.clock}
    link.call("StopTransaction", stopped, None if error is not None else {}, error=error or None)
    lines = in_this_process("show", recording.finish(), "1").stdout.splitlines()
    begins = next(at for at, text in enumerate(lines) if "▶ transaction 7 begins" in text)
    assert "⤶ StartTransaction" in lines[begins - 1]
    assert next(text.strip() for text in lines if "■" in text).startswith(line)
    assert any("transaction 7 ends" in text for text in lines) is (error is None)


def test_json_calls_a_charge_point_the_same_everywhere_and_gives_the_monotonic_clock_no_date(recording: Path) -> None:
    bad = CHARGING.with_name("misbehaving-charge-point-1.6.jsonl")
    documents = [
        *json.loads(in_this_process("sessions", recording, "--json").stdout),
        *json.loads(in_this_process("search", recording, "--json").stdout)["frames"],
        *json.loads(in_this_process("check", recording, "--json").stdout)["findings"],
        *json.loads(in_this_process("diff", CHARGING, bad, "--json").stdout)["sessions"],
    ]
    shown = json.loads(in_this_process("show", recording, "1", "--json").stdout)
    documents += [shown["session"], *shown["transactions"], *shown["frames"]]
    for document in documents:
        assert "charge_point" in document and "charge_point_id" not in document
        assert "mono" not in document
    assert len(documents) > 50


@pytest.mark.parametrize("option", [(), ("--ca", "other")])
def test_a_csms_with_a_certificate_of_an_unknown_ca_leads_to_the_option_for_it(
    tmp_path: Path, option: tuple[str, ...]
) -> None:
    """Both commands that dial a CSMS; with the right CA both are let in."""
    assert in_this_process("certificates", tmp_path / "bench", "--host", "127.0.0.1").returncode == 0
    assert in_this_process("certificates", tmp_path / "other").returncode == 0
    bench = tmp_path / "bench"
    listen = ("--listen", "127.0.0.1:0", "--no-page", "--security-profile", "2", "--config", tmp_path / "csms.toml")
    (tmp_path / "csms.toml").write_text('[charge_points.CHARGING-16]\npassword = "0123456789abcdef"\n')
    tls = ("--tls-cert", bench / "server.pem", "--tls-key", bench / "server.key")
    with Program("csms", *listen, *tls) as csms:
        url = csms.wait_for(r"csms at (wss://\S+)")[1]
        ca = ("--ca", tmp_path / "other" / "ca.pem") if option else ()
        for command in (("charge-point", "--url"), ("replay", CHARGING, "--as", "charge-point", "--to")):
            ended = in_this_process(*command, url, *ca)
            assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended
            assert "name its CA with --ca FILE" in ended.stderr
        replayed = in_this_process(
            *("replay", CHARGING, "--as", "charge-point", "--to", url, "--password", "0123456789abcdef"),
            *("--ca", bench / "ca.pem"),
        )
    assert replayed.returncode in (0, 1), replayed
