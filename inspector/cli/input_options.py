"""What `check` and `import` share: what a user says of their inputs, and what is said of how they were read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from inspector.formats.inputs import Steps
    from inspector.formats.reading import Reading
    from inspector.protocol.vocabulary import OcppVersion

KINDS = ("recording", "trace", "har", "mitmproxy", "log", "raw")


def input_options[F: Callable[..., Any]](command: F) -> F:
    """The options that say what an input does not: whose log it is, the zone of its times, whose frames they are."""
    for option in (
        click.option(
            "--timezone",
            metavar="ZONE",
            help="The time zone of a log's times without an offset: Europe/Berlin, +02:00. "
            "Default: what the CSMS's answers show.",
        ),
        click.option(
            "--perspective",
            type=click.Choice(("charge-point", "csms")),
            help="Whose log an input is. Default: what it sent and received shows.",
        ),
        click.option("--charge-point", metavar="ID", help="The charge point of inputs that name none."),
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
    """What opens an input with these options.

    Raises:
        UserMistake: there is no such time zone.
    """
    from inspector.formats.inputs import open_input
    from inspector.formats.logs import zone

    return partial(
        open_input,
        name,
        version,
        kind=kind,
        charge_point=charge_point,
        perspective=perspective,
        zone=zone(timezone) if timezone else None,
        reading=reading,
    )


def report(readings: Iterable[Reading]) -> bool:
    """Say to standard error how inputs were read and what was not understood; returns whether something was not."""
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
    """A text without control characters: names and reasons may hold what a stranger wrote."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "?", text)
