"""The command `alerts`: follows a recording and sends alerts to webhooks and commands."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inspector.cli.following import ending, say
from inspector.cli.options.option_types import Finite
from inspector.errors import UnusableFile, UserMistake
from inspector.units import quantity

if TYPE_CHECKING:
    from inspector.watch.alerts_file import Target

PATH = click.Path(path_type=Path, dir_okay=False)


@click.command(
    epilog="""\b
Examples:
  chargesentinel alerts alerts.toml --db traffic.db
  chargesentinel alerts alerts.toml --test

\b
Each alert is sent once, and once more when it is over. A restart continues
where the last run ended. docs/alerts.md describes the file. Runs until Ctrl-C."""
)
@click.argument("file", type=PATH)
@click.option(
    "--db",
    "recording",
    type=PATH,
    default=Path("traffic.db"),
    show_default=True,
    help="The recording to follow; it may not exist yet.",
)
@click.option("--state", type=PATH, help="File that keeps what was sent. [default: RECORDING.alerts.json]")
@click.option(
    "--interval", type=Finite(0.05), default=1.0, show_default=True, help="Seconds between two looks at the recording."
)
@click.option("--test", "only_test", is_flag=True, help="Send one test message to each target, and end.")
@click.option("--with-parent", is_flag=True, hidden=True, help="End when standard input ends.")
def alerts(
    file: Path, recording: Path, state: Path | None, interval: float, only_test: bool, with_parent: bool
) -> int | None:
    """Send alerts about a recording to webhooks and commands.

    FILE is a TOML file with the alerts and the targets. The recording may still be growing.
    """
    from inspector.watch.alert_run import AlertRun
    from inspector.watch.alerts_file import load

    settings = load(file)
    if only_test:
        return _test(settings.targets)
    state = state or recording.with_name(f"{recording.name}.alerts.json")
    run = AlertRun(recording, settings, state, say)
    stopping = ending(with_parent)
    say(f"following {recording} for {quantity(len(settings.alerts), 'alert')}")
    waits = False
    while True:
        last = stopping.is_set()
        try:
            run.step(time.time_ns())
            waits = False
        except UnusableFile as error:
            if error.path != recording:
                raise
            if not waits:
                say(f"{error}; waiting for it")
                waits = True
        if last:
            return None
        stopping.wait(interval)


def _test(targets: dict[str, Target]) -> int:
    from inspector.watch.delivery import send_test

    failed = 0
    for target in targets.values():
        why = send_test(target, time.time_ns())
        failed += why is not None
        say(f"{target.name}: {'sent' if why is None else why}")
    if not targets:
        raise UserMistake("the file has no [[target]]")
    return int(failed > 0)
