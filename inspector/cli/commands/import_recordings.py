"""The command `import`: stores recordings, traces, logs and captures in a recording."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inspector.cli.options import option_types
from inspector.cli.options.input_options import KINDS, METER_KEYS, input_options, one_line, opened, report
from inspector.cli.options.redaction_options import redaction_arguments, redaction_options
from inspector.errors import UserMistake
from inspector.protocol.vocabulary import OcppVersion
from inspector.units import quantity

_REPEATS_NAMED = 5

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
@click.option(
    "--db",
    "path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Recording to write; an existing one is continued.",
)
@click.option(
    "--format", "kind", type=click.Choice(KINDS), help="Format of the inputs. [default: recognized by content]"
)
@click.option(
    "--ocpp",
    type=click.Choice([v.value for v in OcppVersion]),
    help="OCPP version of inputs that do not show it.",
)
@input_options
@click.option(
    "--rules",
    "rules_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file with severities, thresholds, allowances and values to hide. "
    "[default: [tool.chargesentinel] in ./pyproject.toml]",
)
@METER_KEYS
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
    keys_file: Path | None,
    redact: str,
    redact_key: Path | None,
    file_mode: int,
) -> int:
    """Store and judge captures and logs of other tools.

    Reads Open OCPP Traces (JSONL), HAR files with WebSockets, flow files of mitmproxy, packets (pcap, pcapng),
    recordings, bare frames (one per line), and logs of any program with OCPP frames in them: text, JSON, CSV, tshark.
    Gzip is unpacked; - is standard input. Frames are judged and stored as live traffic is.

    Exit code 1: parts of an input could not be understood; they are named, and the rest is stored.
    """
    from inspector.formats.read_ahead import read_ahead
    from inspector.formats.reading import Reading
    from inspector.offline.store_records import store, writer_arguments
    from inspector.redaction.redactor import Redactor
    from inspector.rules.settings_file import judging, settings_file
    from inspector.store.writing.writer import Writer

    rules_file = settings_file(rules_file)
    settings = judging(rules_file, keys_file)
    version = OcppVersion(ocpp) if ocpp else None
    redaction = redaction_arguments(redact, redact_key, rules_file)
    readings = [Reading("standard input" if name == "-" else name, strict=False) for name in inputs]

    def every() -> Generator[Record]:
        for number, (name, reading) in enumerate(zip(inputs, readings, strict=True)):
            steps = opened(name, reading, version, kind, charge_point, perspective, timezone)
            yield from _watched(read_ahead(steps, reading), number, reading)

    records = every()
    try:
        first = next(records, None)  # an unreadable input fails here, before the database is made
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
    _name_repeats(path, writer.recording_id)
    return int(summary.lost > 0 or missed)


def _name_repeats(path: Path, recording_id: int) -> None:
    """Print on stderr the imported sessions that the recording already had."""
    from inspector.store.files.connection import open_recording
    from inspector.store.reading.repeats import repeated_sessions

    with closing(open_recording(path)) as db:
        repeated = repeated_sessions(db, recording_id)
    if not repeated:
        return
    pairs = ", ".join(f"{new} repeats {old}" for new, old in list(repeated.items())[:_REPEATS_NAMED])
    more = ", …" if len(repeated) > _REPEATS_NAMED else ""
    count = quantity(len(repeated), "session was", "sessions were")
    click.echo(
        f"{count} in {path} before this import and {'is' if len(repeated) == 1 else 'are'} now there twice:"
        f" {pairs}{more}",
        err=True,
    )


def _again(first: Record, rest: Iterator[Record]) -> Iterator[Record]:
    yield first
    yield from rest


def _watched(records: Iterator[Record], source: int, reading: Reading) -> Iterator[Record]:
    """Yield the records of one input, with session numbers that no other input has; show a bar on a terminal."""
    from inspector.cli.output.reading_progress import followed

    base = source << 40
    for record in followed(records, reading):
        number_here = record.session_number
        yield record._replace(session_number=number_here and base + number_here)


def _nothing(readings: list[Reading]) -> str:
    said = []
    for reading in readings:
        passed = f" ({reading.passed_over:,} passed over)" if reading.passed_over else ""
        missed = f" ({reading.missed:,} not understood)" if reading.missed else ""
        said.append(f"{reading.source} has no OCPP frame{passed}{missed}")
    return one_line(", ".join(said))
