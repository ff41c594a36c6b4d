"""Writes docs/commands.md, the help of every command. `make docs` runs it."""

from __future__ import annotations

import inspect
from pathlib import Path

import click

from inspector.cli import command_line

PAGE = Path(__file__).parent.parent / "docs" / "commands.md"

HEAD = """\
# The commands

The output of `chargesentinel COMMAND --help`, written by `make docs`. Exit codes: 0: success; 1: the answer is no, for
example because `check` has found errors; 2: a mistake in the call or an unusable input, which one line explains;
130: Ctrl-C.
"""


def group_context() -> click.Context:
    """Return a context with the settings of a real call, because click keeps a command's first help option."""
    return click.Context(command_line, info_name="chargesentinel", **command_line.context_settings)


def page() -> str:
    """Return the text of docs/commands.md."""
    context = group_context()
    rows = ["| command | does |", "| --- | --- |"]
    sections = []
    for name in command_line.list_commands(context):
        command = command_line.get_command(context, name)
        assert command is not None
        help_text = command.get_help(click.Context(command, info_name=name, parent=context, terminal_width=100))
        summary = inspect.cleandoc(command.help or "").partition("\n\n")[0].replace("\n", " ")
        rows.append(f"| [{name}](#{name}) | {summary.replace('|', chr(92) + '|')} |")
        sections.append(f"## {name}\n\n```text\n{help_text.rstrip()}\n```\n")
    return "\n".join([HEAD, "\n".join(rows), "", *sections])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
