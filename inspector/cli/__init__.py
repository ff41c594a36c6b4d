"""The command `chargesentinel`: find the module of each subcommand, and turn errors into exit codes.

A module is imported only when its command runs, and the first line of its help is repeated here, so that
`chargesentinel --help` is fast.
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
    # name: (module and attribute in inspector.cli.commands, first line of its help)
    "demo": ("demo:demo", "Record three charging sessions and show them."),
    "proxy": ("proxy:proxy", "Relay charge points to a CSMS and record every frame."),
    "control": ("control:control", "Steer a running proxy: rules, held frames, sessions, CALLs."),
    "browse": ("browse:browse", "Show a recording in the web browser, also while it grows."),
    "csms": ("csms:csms", "Run the reference CSMS: OCPP 1.6, 2.0.1 and 2.1 on one port."),
    "simulator": ("simulator:simulator", "Serve a page that turns a browser into a charge point."),
    "charge-point": ("charge_point:charge_point", "Run one simulated charge point, or a fleet of them."),
    "conform": ("conform:conform", "Test a charge point against the specification, case by case."),
    "replay": ("replay:replay", "Play one side of recorded sessions against a live peer."),
    "diff": ("diff:diff", "Compare two recordings; ids and times may differ."),
    "shadow": ("shadow:shadow", "Compare the answers of a second CSMS with those of the first."),
    "check": ("check:check", "Judge recordings, traces, logs or bare frames."),
    "sessions": ("sessions:sessions", "List the sessions of a recording, newest first."),
    "tail": ("tail:tail", "Print frames and findings live, as they are recorded."),
    "show": ("show:show", "Print a session as a ladder of frames."),
    "export": ("export:export", "Write recorded sessions in a format that other tools read."),
    "import": ("import_recordings:import_recordings", "Store and judge captures and logs of other tools."),
    "search": ("search:search", "Find frames by text, action, time, finding and more."),
    "rebuild": ("rebuild:rebuild", "Derive transactions, samples and charge points again."),
    "anonymize": ("anonymize:anonymize", "Copy a recording without secrets and personal values."),
    "prune": ("prune:prune", "Delete frames from FILE, by age or by charge point."),
    "vacuum": ("vacuum:vacuum", "Shrink FILE by the space of deleted rows."),
    "certificates": ("certificates:certificates", "Make a CA and certificates for a test bench."),
    "rules": ("rules:rules", "List the rules, or explain one of them."),
    "alerts": ("alerts:alerts", "Send alerts about a recording to webhooks and commands."),
    "otel": ("otel:otel", "Send a recording as spans to OpenTelemetry."),
    "mcp": ("mcp:mcp", "Let an agent read a recording (Model Context Protocol)."),
}

_UNWRITABLE = "standard output cannot be written"
_ELSEWHERE = "write to another file or program"


class LazyGroup(click.Group):
    """A click group whose commands are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(f"inspector.cli.commands.{module}"), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

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
