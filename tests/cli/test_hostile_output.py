"""What a stranger wrote reaches no terminal as more than text, whichever command shows it."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest

from tests.browse.charging import Recording, charge_badly
from tests.browse.test_odd_frames import CALLS as ODD_CALLS
from tests.cli.conftest import ESCAPES
from tests.cli.terminal import on_a_terminal
from tests.forked import chargesentinel
from tests.processes import Program

_ACTS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_OURS = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize(
    "command",
    [
        ["sessions"],
        ["sessions", "--json"],
        ["search"],
        ["search", "31m"],
        ["search", "--severity", "info"],
        ["search", "--json"],
        ["show", "1"],
        ["show", "1", "--full"],
        ["show", "1", "--json"],
        ["check"],
        ["check", "--json"],
        ["check", "--format", "junit"],
        ["check", "--format", "sarif"],
        ["check", "--format", "github"],
    ],
)
def test_no_character_that_acts_gets_through(hostile: Path, command: list[str]) -> None:
    name, *options = command
    session = [options.pop(0)] if name == "show" else []
    text = [options.pop(0)] if options and not options[0].startswith("-") else []
    done = chargesentinel(name, hostile, *session, *text, *options)
    assert done.returncode in (0, 1), done.stderr
    assert "31m" in done.stdout and not _ACTS.search(done.stdout + done.stderr)
    if "--json" in command:
        json.loads(done.stdout)


@pytest.mark.parametrize(
    "command", [["sessions"], ["search", "--severity", "info"], ["show", "1", "--full", "--no-pager"]]
)
def test_on_a_terminal_only_our_own_colours_act(hostile: Path, command: list[str]) -> None:
    name, *options = command
    shown = on_a_terminal(name, hostile, *options, columns=120)
    assert shown.code == 0 and "\\x1b[31m" in shown.text
    assert not _ACTS.search(_OURS.sub("", shown.text))
    assert "\x1b[2J" not in shown.text


def test_tail_lets_nothing_through(hostile: Path) -> None:
    with Program("tail", hostile, "-n", 50, "--interval", 0.05) as tail:
        tail.wait_for("StatusNotification")
        tail.stop()
    assert tail.out and not _ACTS.search("".join(tail.out))


def test_a_comparison_shows_frames_with_brackets_and_escapes_as_they_are(tmp_path: Path, hostile: Path) -> None:
    other = Recording(tmp_path / "other.db")
    charge_badly(other)
    other.finish()
    done = chargesentinel("diff", hostile, tmp_path / "other.db")
    assert done.returncode == 1, done.stderr
    assert "31m" in done.stdout and not _ACTS.search(done.stdout)


@pytest.mark.parametrize("command", [["show", "1", "--full"], ["show", "1", "--json"], ["search"], ["check"]])
def test_a_frame_that_nobody_expected_is_shown(tmp_path: Path, command: list[str]) -> None:
    recording = Recording(tmp_path / "odd.db")
    link = recording.connect("CP-1")
    for raw in ODD_CALLS.values():
        link.say(True, raw)
    link.close()
    name, *options = command
    done = chargesentinel(name, recording.finish(), *options)
    assert done.returncode == (name == "check") and not done.stderr, done.stderr
    assert "DataTransfer" in done.stdout or name == "check"


def test_tail_and_a_spreadsheet_show_a_message_id_that_was_cut(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "odd.db")
    link = recording.connect("CP-1")
    for raw in ODD_CALLS.values():
        link.say(True, raw)
    recording.commit()
    with Program("tail", recording.path, "-n", 50, "--interval", 0.05) as tail:
        tail.wait_for("StatusNotification")
        tail.stop()
    done = chargesentinel("export", recording.path, "--format", "csv")
    assert done.returncode == 0 and "DataTransfer" in done.stdout, done.stderr


def test_a_mistake_quotes_what_was_typed_without_acting_on_it() -> None:
    done = chargesentinel("sessions", f"x{ESCAPES}.db")
    assert done.returncode == 2 and not _ACTS.search(done.stderr)


def test_the_proxys_log_shows_names_with_escapes_as_text(tmp_path: Path) -> None:
    """The line about an unreachable CSMS contains the charge point's id, which comes decoded from the URL."""
    with Program(
        "proxy", "--upstream", "ws://127.0.0.1:1", "--listen", "127.0.0.1:0", "--db", tmp_path / "t.db"
    ) as proxy:
        port = int(proxy.wait_for(r"listening on ws://127\.0\.0\.1:(\d+)")[1])
        with socket.create_connection(("127.0.0.1", port), timeout=10) as charge_point:
            charge_point.sendall(
                b"GET /CP%1b%5b31m%c2%9b2J%e2%80%ae HTTP/1.1\r\nHost: x\r\n"
                b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            assert charge_point.recv(100).startswith(b"HTTP/1.1 502 ")
        line = proxy.wait_for(r"CP.*cannot reach").string
        assert proxy.stop() == 0
    assert "CP\\x1b[31m\\x9b2J\\u202e" in line and not _ACTS.search("".join([*proxy.out, *proxy.err]))
