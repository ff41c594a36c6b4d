"""What every command refuses in the same way: invalid numbers, and addresses with passwords."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from inspector.cli import COMMANDS, command_line
from inspector.cli.options.option_types import Finite
from inspector.pytest_plugin import seconds
from tests.cli.conftest import in_this_process
from tests.forked import chargesentinel
from tests.simulator.listening import ListeningCsms

FULL = Path("/dev/full")
RECORDING = Path(__file__).parents[2] / "recordings" / "charging-1.6.jsonl"
PLAYED = ("replay", RECORDING, "--as", "charge-point")


def refused(*arguments: object) -> str:
    """Run a command that must report a mistake in one line, and return the line."""
    ended = chargesentinel(*arguments)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended
    return ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("charge-point", "--url", "ws://user:pa/hush@csms"),
        ("charge-point", "--url", "ws://user:80/p@hush@csms..example"),
        ("charge-point", "--url", "http://user:hush@csms"),
        ("charge-point", "--url", "ws://user:hush@csms/?a=1"),
        ("charge-point", "--url", "ws://user:hush@127.0.0.1:1"),
        ("charge-point", "--url", "ws://user:hush@csms", "--ca", RECORDING),
        ("charge-point", "--url", "ws://csms", "--operator", "http://user:pa/hush@csms/?token=hush"),
        (*PLAYED, "--to", "ws://user:pa/hush@csms"),
        (*PLAYED, "--to", "ws://user:hush@127.0.0.1:1"),
        (*PLAYED, "--to", "ws://user:hush@csms#fragment"),
        (*PLAYED, "--to", "ws://csms", "--operator", "user:hush@csms?token=hush"),
        ("browse", "ws://user:hush@csms", "--listen", "ws://user:hush@csms:9000"),
        ("csms", "--listen", "ws://user:pa ss@hush@csms"),
    ],
)
def test_no_command_repeats_a_password(arguments: tuple[object, ...]) -> None:
    assert "hush" not in refused(*arguments)


@pytest.mark.parametrize("command", ["charge-point --url", "replay --as charge-point --to"])
def test_host_that_no_lookup_takes_is_told_in_one_line(command: str) -> None:
    name, *options = command.split()
    recording = [RECORDING] if name == "replay" else []
    assert "csms..example" in refused(name, *recording, *options, "ws://csms..example:99")


def test_every_number_of_every_command_must_be_finite() -> None:
    numbers = [
        option.type
        for name in COMMANDS
        if (command := command_line.get_command(click.Context(command_line), name)) is not None
        for option in command.params
        if isinstance(option.type, click.FloatRange | click.types.FloatParamType)
    ]
    assert len(numbers) > 8
    for number in numbers:
        assert isinstance(number, Finite)
        for text in ("nan", "inf", "-inf"):
            with pytest.raises(click.BadParameter):
                number.convert(text, None, None)


def test_pytest_option_of_seconds_takes_seconds_alone(tmp_path: Path) -> None:
    for text in ("inf", "-1", "0", "x"):
        with pytest.raises(ValueError):
            seconds(text)
    argv = [sys.executable, "-m", "pytest", "--rootdir", str(tmp_path), "--ocpp-timeout=nan", "--co", str(tmp_path)]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert ended.returncode == 4 and "--ocpp-timeout" in ended.stderr, ended


def ended_with(output: int | None, *arguments: object) -> tuple[int, str]:
    """Run a command with this descriptor (None: closed) as standard output; return its exit code and standard error."""
    argv = [sys.executable, "-m", "inspector", *map(str, arguments)]
    closing = ["sh", "-c", 'exec "$@" >&-', "sh"] if output is None else []
    ended = subprocess.run([*closing, *argv], stdout=output, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    return ended.returncode, ended.stderr


TALKING = [
    ("--help",),
    ("rules",),
    ("check", RECORDING),
    ("check", RECORDING, "--json"),
    ("diff", RECORDING, RECORDING),
]


@pytest.mark.parametrize("arguments", TALKING)
def test_output_that_cannot_be_written_is_told_in_one_line(arguments: tuple[object, ...]) -> None:
    """Standard output is on a full disk, or was closed before the command started."""
    with FULL.open("wb") as full:
        for output, why in ((full.fileno(), "no space left"), (None, "it is closed")):
            code, said = ended_with(output, *arguments)
            assert (code, said.count("\n")) == (2, 1) and f"standard output cannot be written ({why}" in said, said


async def test_charge_point_whose_lines_cannot_be_written_ends_in_one_line() -> None:
    csms = ListeningCsms()
    await csms.start()
    with FULL.open("wb") as full:
        code, said = await asyncio.to_thread(ended_with, full.fileno(), "charge-point", "--url", csms.url)
    await csms.stop()
    assert (code, said.count("\n")) == (2, 1) and "standard output cannot be written" in said, said


def test_reader_who_is_gone_is_no_mistake_of_a_report_either() -> None:
    """With output by rich the exit code would be 1, which would mean that something was found."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert ended_with(writing, "check", RECORDING) == (0, "")
    finally:
        os.close(writing)


@pytest.mark.parametrize("address", ["http://[::1", "http://csms:99999", "http://csms..example", "http://"])
@pytest.mark.parametrize("command", ["charge-point --url", "replay --as charge-point --to"])
def test_operator_that_nobody_can_ask_is_told_in_one_line(command: str, address: str) -> None:
    name, *options = command.split()
    recording = [RECORDING] if name == "replay" else []
    ended = in_this_process(name, *recording, *options, "ws://127.0.0.1:1", "--operator", address)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended
    assert "operator" in ended.stderr


BEYOND = 10**30


@pytest.mark.parametrize(
    "options",
    [
        ("show", 1, "--around", BEYOND),
        ("show", 1, "--around", 3, "--context", BEYOND),
        ("sessions", "--limit", BEYOND),
        ("search", "--limit", BEYOND),
        ("tail", "--lines", BEYOND),
    ],
)
def test_number_that_no_recording_can_hold_is_a_mistake(recording: Path, options: tuple[object, ...]) -> None:
    name, *rest = options
    ended = in_this_process(name, recording, *rest)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1), ended
    assert "too large for a recording" in ended.stderr


def test_a_session_whose_number_no_recording_can_hold_is_not_there(recording: Path) -> None:
    ended = in_this_process("show", recording, BEYOND)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1) and "no session" in ended.stderr


def test_time_beyond_all_times_is_as_far_as_any(recording: Path) -> None:
    """Such a time counts as before or after everything, instead of becoming a number too large for SQLite."""
    every = in_this_process("search", recording, "--json").stdout
    for options in (("--since", f"{BEYOND}d"), ("--since", "0001-01-01"), ("--until", "9999-12-31")):
        assert in_this_process("search", recording, "--json", *options).stdout == every
    pruned = in_this_process("prune", recording, "--older-than", f"{BEYOND}w", "--dry-run")
    assert pruned.returncode == 0 and "would delete 0 frames" in pruned.stdout, pruned
