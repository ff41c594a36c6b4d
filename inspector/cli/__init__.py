"""The command line: knows the commands' names and turns our errors into exit codes; knows nothing of frames.

Each command lives in a module of its own and is imported only when it is called, so that `--help` is quick
and a part that is not needed is not loaded.
"""

from __future__ import annotations

import importlib
import sys

import click

from inspector.errors import ChargeSentinelError

COMMANDS = {
    "demo": "inspector.cli.demo:demo",
    "proxy": "inspector.cli.proxy:proxy",
    "browse": "inspector.cli.browse:browse",
    "csms": "inspector.cli.csms:csms",
    "simulator": "inspector.cli.simulator:simulator",
    "charge-point": "inspector.cli.charge_point:charge_point",
    "certificates": "inspector.cli.certificates:certificates",
    "replay": "inspector.cli.replay:replay",
    "diff": "inspector.cli.diff:diff",
    "export": "inspector.cli.export:export",
    "import": "inspector.cli.import_recordings:import_recordings",
    "rebuild": "inspector.cli.rebuild:rebuild",
    "prune": "inspector.cli.prune:prune",
    "vacuum": "inspector.cli.vacuum:vacuum",
    "anonymize": "inspector.cli.anonymize:anonymize",
    "check": "inspector.cli.check:check",
    "rules": "inspector.cli.rules:rules",
}


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


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with `chargesentinel demo`; every command has --help with an example.",
)
@click.version_option(package_name="chargesentinel", message="%(prog)s %(version)s")
def commands() -> None:
    """Record, judge, browse and replay OCPP traffic between charge points and a CSMS."""


def one_line(error: click.ClickException) -> str:
    """A mistake in the call as one line that says what to do next."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "chargesentinel"
    said = " ".join(error.format_message().split()).rstrip(".")
    return f"{command}: {said}; see `{command} --help`"


def main() -> None:
    """Run the command line; exit codes are those of the design: 0, 1 (the answer is no), 2 (mistake), 130."""
    try:
        code = commands.main(standalone_mode=False)
    except click.ClickException as error:
        click.echo(one_line(error), err=True)
        code = 2
    except ChargeSentinelError as error:
        click.echo(f"chargesentinel: {error}", err=True)
        code = 2
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except BrokenPipeError:
        # `chargesentinel … | head` is no mistake; keep the interpreter from complaining at exit.
        sys.stderr.close()
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
