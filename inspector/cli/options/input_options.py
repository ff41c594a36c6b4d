"""The options about inputs that `check` and `import` share, and the report about lines that were not understood."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from inspector.formats.inputs import Steps
    from inspector.formats.reading import Reading
    from inspector.protocol.vocabulary import OcppVersion

METER_KEYS = click.option(
    "--meter-keys",
    "keys_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Public keys of meters that sign their values: TOML with a key by charge point, or one key for all.",
)
KINDS = ("recording", "trace", "har", "mitmproxy", "pcap", "log", "raw")


def input_options[F: Callable[..., Any]](command: F) -> F:
    """Add the options for facts that an input may lack: the writer of the log, the time zone, the charge point."""
    for option in (
        click.option(
            "--timezone",
            metavar="ZONE",
            help="Time zone of times without an offset in a log: Europe/Berlin, +02:00. "
            "[default: found in the CSMS's answers]",
        ),
        click.option(
            "--perspective",
            type=click.Choice(("charge-point", "csms")),
            help="Side that wrote the log. [default: found in what it sent and received]",
        ),
        click.option("--charge-point", metavar="ID", help="Charge point of inputs that do not name one."),
    ):
        command = option(command)
    return command


def opened(
    name: str,
    reading: Reading,
    version: OcppVersion | None,
    kind: str | None,
    charge_point: str | None,
    perspective: str | None,
    timezone: str | None,
) -> Callable[[], Steps]:
    """Return a function that opens an input with these options.

    Raises:
        UserMistake: the time zone does not exist.
    """
    from inspector.formats.inputs import open_input

    zone = None
    if timezone:
        from inspector.formats import logs

        zone = logs.zone(timezone)
    return partial(
        open_input,
        name,
        version,
        kind=kind,
        charge_point=charge_point,
        perspective=perspective,
        zone=zone,
        reading=reading,
    )


def report(readings: Iterable[Reading]) -> bool:
    """Print on stderr how inputs were read and which lines were not understood; return whether there were any."""
    missed = False
    for reading in readings:
        for remark in reading.remarks:
            click.echo(one_line(f"{reading.source}: {remark}"), err=True)
        for one in reading.first:
            click.echo(one_line(str(one)), err=True)
        if reading.missed:
            missed = True
            more = reading.missed - len(reading.first)
            rest = f"; {more:,} more like these" if more else ""
            click.echo(one_line(f"{reading.source}: {reading.missed:,} not understood{rest}"), err=True)
    return missed


def one_line(text: str) -> str:
    """Return a text without control characters: names and reasons may quote a peer."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "?", text)
