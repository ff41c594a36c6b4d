"""What every command refuses alike: numbers that are none, and passwords in addresses, which no line repeats."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from inspector.cli import COMMANDS
from inspector.cli.options import Finite

RECORDING = Path(__file__).parents[2] / "recordings" / "charging-1.6.jsonl"
PLAYED = ("replay", RECORDING, "--as", "charge-point")


def refused(*arguments: object) -> str:
    """Run a command, expect a mistake told in one line, and return the line."""
    argv = [sys.executable, "-m", "inspector", *map(str, arguments)]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
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
        for target in COMMANDS.values()
        for option in getattr(import_module(target.partition(":")[0]), target.partition(":")[2]).params
        if isinstance(option.type, click.FloatRange | click.types.FloatParamType)
    ]
    assert len(numbers) > 8
    for number in numbers:
        assert isinstance(number, Finite)
        for text in ("nan", "inf", "-inf"):
            with pytest.raises(click.BadParameter):
                number.convert(text, None, None)


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "0", "x"])
def test_pytest_option_of_seconds_takes_seconds_alone(tmp_path: Path, text: str) -> None:
    argv = [sys.executable, "-m", "pytest", "--rootdir", str(tmp_path), f"--ocpp-timeout={text}", "--co", str(tmp_path)]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert ended.returncode == 4 and "--ocpp-timeout" in ended.stderr, ended
