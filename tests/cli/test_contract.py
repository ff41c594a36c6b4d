"""Scripts rely on the command line: every option, choice and exit code in contract.json must stay.

contract.json was written once, from an earlier version. Options may be added to the commands, and lines to the file;
nothing may be removed.
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest

from inspector.cli import COMMANDS, command_line
from tests.cli.conftest import in_this_process

CONTRACT = json.loads(Path(__file__).with_name("contract.json").read_text())
RECORDINGS = Path(__file__).parents[2] / "recordings"


@pytest.mark.parametrize("name", CONTRACT["options"])
def test_no_option_and_no_choice_of_a_command_goes_away(name: str) -> None:
    context = click.Context(command_line, info_name="chargesentinel", **command_line.context_settings)
    command = command_line.get_command(context, name)
    assert command is not None
    options: dict[str, set[str]] = {}
    for option in command.get_params(click.Context(command, info_name=name, parent=context)):
        if isinstance(option, click.Option):
            choices = set(option.type.choices) if isinstance(option.type, click.Choice) else set()
            options |= dict.fromkeys([*option.opts, *option.secondary_opts], choices)
    for option_name, choices in CONTRACT["options"][name].items():
        assert option_name in options
        assert set(choices) <= options[option_name] or not options[option_name], option_name


def test_the_contract_names_every_command_of_its_version() -> None:
    assert set(CONTRACT["options"]) <= set(COMMANDS)


def test_no_exit_code_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls build on each other: the first ones make the recording that the others read."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    changed = []
    for line, code in CONTRACT["exits"]:
        arguments = [part.format(recordings=RECORDINGS, tmp=tmp_path) for part in line.split()]
        ended = in_this_process(*arguments)
        if ended.returncode != code:
            changed.append((line, code, ended.returncode, ended.stderr))
    assert changed == []
