"""The command `chargesentinel`: find the module of each subcommand, and turn errors into exit codes.

A module is imported only when its command runs, so that `chargesentinel --help` is fast.
"""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import click

from inspector.errors import ChargeSentinelError, without_userinfo_within
from inspector.escaping import visible

COMMANDS = {
    "demo": "inspector.cli.commands.demo:demo",
    "proxy": "inspector.cli.commands.proxy:proxy",
    "browse": "inspector.cli.commands.browse:browse",
    "csms": "inspector.cli.commands.csms:csms",
    "simulator": "inspector.cli.commands.simulator:simulator",
    "charge-point": "inspector.cli.commands.charge_point:charge_point",
    "replay": "inspector.cli.commands.replay:replay",
    "diff": "inspector.cli.commands.diff:diff",
    "check": "inspector.cli.commands.check:check",
    "sessions": "inspector.cli.commands.sessions:sessions",
    "tail": "inspector.cli.commands.tail:tail",
    "show": "inspector.cli.commands.show:show",
    "export": "inspector.cli.commands.export:export",
    "import": "inspector.cli.commands.import_recordings:import_recordings",
    "search": "inspector.cli.commands.search:search",
    "rebuild": "inspector.cli.commands.rebuild:rebuild",
    "anonymize": "inspector.cli.commands.anonymize:anonymize",
    "prune": "inspector.cli.commands.prune:prune",
    "vacuum": "inspector.cli.commands.vacuum:vacuum",
    "certificates": "inspector.cli.commands.certificates:certificates",
    "rules": "inspector.cli.commands.rules:rules",
    "mcp": "inspector.cli.commands.mcp:mcp",
}

_UNWRITABLE = "standard output cannot be written"
_ELSEWHERE = "write to another file or program"


class LazyGroup(click.Group):
    """A click group whose commands are `module:attribute` strings, imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; if no command has this name, suggest the most similar one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if args and (close := get_close_matches(args[0], COMMANDS, 1)):
                raise click.UsageError(f"No such command {args[0]!r}; did you mean {close[0]}?", ctx) from error
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Raises ReaderGone if no program reads standard output; click would exit with 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderGone from error
        except SystemExit as ended:
            if isinstance(ended.__context__, BrokenPipeError):  # rich turns it into an exit with 1
                raise ReaderGone from ended
            raise


class ReaderGone(Exception):
    """The program that reads standard output has ended, as in `chargesentinel … | head`."""


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `chargesentinel demo`; every command has --help with an example.",
)
@click.version_option(package_name="chargesentinel", message="%(prog)s %(version)s")
def command_line() -> None:
    """Record, judge, browse and replay OCPP traffic between charge points and a CSMS."""


def one_line(error: click.ClickException) -> str:
    """Return the message of a usage error as one line that names the help of the command."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "chargesentinel"
    said = without_userinfo_within(" ".join(error.format_message().split()).rstrip("."))
    return f"{command}: {visible(said)}{' See' if said.endswith('?') else '; see'} `{command} --help`"


def main() -> None:
    """Run the command line, and exit with 0 for success, 1 for "no", 2 for a mistake of the user, 130 for Ctrl-C."""
    try:
        code = _run()
        if sys.stdout is not None:
            sys.stdout.flush()
    except (ReaderGone, BrokenPipeError):
        _drop_output()
        code = 0  # the reader, such as `head`, has read enough
    except OSError as error:
        if not _output_fails():
            raise
        _drop_output()
        code = _mistake(f"chargesentinel: {_UNWRITABLE} ({(error.strerror or str(error)).lower()}); {_ELSEWHERE}")
    sys.exit(code)


def _run() -> int:
    if sys.stdout is None:  # standard output is closed
        return _mistake(f"chargesentinel: {_UNWRITABLE} (it is closed); {_ELSEWHERE}")
    try:
        code = command_line.main(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        return _mistake(one_line(error))
    except ChargeSentinelError as error:
        return _mistake(f"chargesentinel: {visible(str(error))}")
    except (click.Abort, KeyboardInterrupt):
        return 130
    return code if isinstance(code, int) else 0


def _mistake(line: str) -> int:
    with suppress(OSError):  # stderr may be closed too
        click.echo(line, err=True)
    return 2


def _output_fails() -> bool:
    """Return whether writing to standard output fails; if not, the error came from another file."""
    try:
        click.echo()
    except OSError:
        return True
    return False


def _drop_output() -> None:
    """Discard the rest of the output, so that the interpreter does not try to write it when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
