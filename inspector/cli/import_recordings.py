"""`chargesentinel import`: files of other tools, and our own, into a recording; knows no format."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inspector.cli import option_types
from inspector.cli.input_options import KINDS, input_options, one_line, opened, report
from inspector.cli.redaction_options import redaction_arguments, redaction_options
from inspector.errors import UserMistake
from inspector.protocol.vocabulary import OcppVersion

if TYPE_CHECKING:
    from inspector.formats.reading import Reading
    from inspector.records import Record


@click.command(
    "import",
    epilog="""\b
Examples:
  chargesentinel import recordings/*.jsonl --db traffic.db
  chargesentinel import steve.log steve-2026-01-01.log.gz --db traffic.db
  chargesentinel import frames.txt --db traffic.db --ocpp 1.6 --charge-point CP1
""",
)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--db", "path", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The recording.")
@click.option(
    "--format", "kind", type=click.Choice(KINDS), help="What the inputs are; else each is told by its content."
)
@click.option("--ocpp", type=click.Choice([v.value for v in OcppVersion]), help="The version of inputs that tell none.")
@input_options
@click.option(
    "--rules",
    "rules_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Severities, thresholds, allowances and what to hide (TOML); else [tool.chargesentinel] of ./pyproject.toml.",
)
@redaction_options()
@option_types.file_mode()
def import_recordings(
    inputs: tuple[str, ...],
    path: Path,
    kind: str | None,
    ocpp: str | None,
    charge_point: str | None,
    perspective: str | None,
    timezone: str | None,
    rules_file: Path | None,
    redact: str,
    redact_key: Path | None,
    file_mode: int,
) -> int:
    """Judge and store what other tools have captured.

    Open OCPP Traces (JSONL), HAR files with WebSockets, mitmproxy's flow files, recordings, bare frames (one a line),
    and logs of any program with OCPP frames in them: text, JSON, CSV, tshark. They go through the same judge and the
    same writer as live traffic. `-` is standard input; gzip is unpacked.

    Exit code 1 when something in them could not be understood; it is named, and the rest is stored.
    """
    from inspector.formats.read_ahead import read_ahead
    from inspector.formats.reading import Reading
    from inspector.offline.store_records import store, writer_arguments
    from inspector.redaction.redactor import Redactor
    from inspector.rules.settings import DEFAULTS
    from inspector.rules.settings_file import load, settings_file
    from inspector.store.writer import Writer

    rules_file = settings_file(rules_file)
    settings = load(rules_file) if rules_file else DEFAULTS
    version = OcppVersion(ocpp) if ocpp else None
    redaction = redaction_arguments(redact, redact_key, rules_file)
    readings = [Reading("standard input" if name == "-" else name, strict=False) for name in inputs]

    def every() -> Generator[Record]:
        for number, (name, reading) in enumerate(zip(inputs, readings, strict=True)):
            steps = opened(name, reading, version, kind, charge_point, perspective, timezone)
            yield from _watched(read_ahead(steps, reading), number, reading)

    records = every()
    try:
        first = next(records, None)  # so that what cannot be read makes no database
        if first is None:
            report(readings)
            raise UserMistake(f"nothing to import: {_nothing(readings)}")
        arguments = writer_arguments(path, "chargesentinel import", list(inputs), redaction)
        writer = Writer(**arguments, file_mode=file_mode)
        summary = store(_again(first, records), writer, settings, Redactor(**redaction))
    finally:
        records.close()
    missed = report(readings)
    click.echo(f"imported into {path}: {summary}")
    return int(summary.lost > 0 or missed)


def _again(first: Record, rest: Iterator[Record]) -> Iterator[Record]:
    yield first
    yield from rest


def _watched(records: Iterator[Record], source: int, reading: Reading) -> Iterator[Record]:
    """The records of one of several sources, numbered apart from the others', with a bar on a terminal."""
    from inspector.cli.progress import bar

    first = next(records, None)  # whoever reads is forked off before the bar has a thread of its own
    if first is None:
        return
    with bar() as progress:
        task = progress.add_task(reading.source, total=reading.size)
        base = source << 40
        for number, record in enumerate(_again(first, records)):
            if number % 2000 == 0:
                progress.update(task, completed=reading.position())
            number_here = record.session_number
            yield record._replace(session_number=number_here and base + number_here)


def _nothing(readings: list[Reading]) -> str:
    said = []
    for reading in readings:
        passed = f" ({reading.passed_over:,} passed over)" if reading.passed_over else ""
        missed = f" ({reading.missed:,} not understood)" if reading.missed else ""
        said.append(f"{reading.source} has no OCPP frame{passed}{missed}")
    return one_line(", ".join(said))
