"""The command `anonymize`: copies a recording without secrets and personal values."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inspector.cli.options.redaction_options import FILE, redaction_arguments, redaction_options
from inspector.errors import UnusableFile, UserMistake
from inspector.units import quantity

if TYPE_CHECKING:
    from inspector.records import Record

HOLDER = "chargesentinel anonymize"


@click.command(
    epilog="""\b
Examples:
  chargesentinel anonymize traffic.db shared.db
  chargesentinel anonymize traffic.db shared.jsonl --redact-key project.key
  chargesentinel anonymize capture.jsonl shared.jsonl --redact secrets
"""
)
@click.argument("source", metavar="IN", type=FILE)
@click.argument("target", metavar="OUT", type=FILE)
@redaction_options("personal", ("secrets", "personal"))
@click.option("--rules", type=FILE, help="TOML file whose [redact] section names more values to hide.")
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
def anonymize(
    source: Path, target: Path, redact: str, redact_key: Path | None, rules: Path | None, force: bool
) -> None:
    """Copy a recording without secrets and personal values.

    Hides passwords, id tokens, and the ids of vehicles and SIM cards. Equal values get equal pseudonyms, in every file
    made with the same key. Findings, ids, times and meter values stay as they are. IN is a recording or any file that
    `chargesentinel import` reads. OUT is a new recording, or an Open OCPP Trace if its name ends with .jsonl; it holds
    no trace of the hidden values.
    """
    if not source.is_file():
        raise UnusableFile(source, "no such file" if not source.exists() else "not a file")
    if target.exists():
        if not target.is_file():
            raise UnusableFile(target, "not a file", "name another OUT")
        if target.samefile(source):
            raise UserMistake(f"{target}: IN and OUT are the same file; name another OUT")
        if not force:
            raise UnusableFile(target, "the file exists", "name another file, or replace it with --force")
    records = _readable(source)  # check the input before making a key file
    _replaceable(target)
    arguments = redaction_arguments(redact, redact_key, rules)
    place = target.resolve()  # so that a link is not replaced by a file
    if target.suffix == ".jsonl":
        part = place.with_name(f".{place.name}.db")
        try:
            said = _recording(source, records, part, arguments)
            _trace(part, place)
        finally:
            part.unlink(missing_ok=True)
    else:
        said = _recording(source, records, place, arguments)
    click.echo(f"wrote {target}: {said}")


def _readable(source: Path) -> Iterator[Record] | None:
    """Return the records of an input that is not a recording, or None for a recording.

    Raises:
        ChargeSentinelError: the input cannot be read.
    """
    from inspector.formats.inputs import open_input
    from inspector.store.files.connection import is_recording, open_recording

    if is_recording(source):
        open_recording(source).close()
        return None
    records = (record for record, _ in open_input(str(source)))
    first = next(records, None)
    if first is None:
        raise UnusableFile(source, "no OCPP frame found")
    return chain([first], records)


def _replaceable(target: Path) -> None:
    """Raise UnusableFile if the target is a recording that is being written, or a database of another program."""
    from inspector.store.files.connection import is_database, is_recording
    from inspector.store.files.lock import WriterLock

    for name in {
        target.absolute(),
        target.resolve(),
    }:  # a rotated recording has a lock beside the link and one beside the file
        WriterLock(name, HOLDER).release()
    if is_database(target) and not is_recording(target):
        raise UnusableFile(target, "a database, but not a recording of ChargeSentinel", "name another file")


def _recording(source: Path, records: Iterator[Record] | None, target: Path, arguments: dict[str, Any]) -> str:
    if records is not None:
        return _imported(source, records, target, arguments)
    from inspector.cli.output.progress import bar
    from inspector.offline.anonymize import anonymize as write
    from inspector.store.files.connection import readable

    with readable(source), bar() as progress:
        task = progress.add_task(source.name, total=None)
        hidden = write(
            source, target, arguments, lambda done, total: progress.update(task, completed=done, total=total)
        )
    return f"hidden values in {quantity(hidden, 'frame')}"


def _imported(source: Path, records: Iterator[Record], target: Path, arguments: dict[str, Any]) -> str:
    from inspector.offline.store_records import store, writer_arguments
    from inspector.redaction.redactor import Redactor
    from inspector.store.files.lock import WriterLock
    from inspector.store.writing.copying import put_in_place
    from inspector.store.writing.writer import Writer

    part = target.with_name(f".{target.name}.part")
    with WriterLock(target, HOLDER):
        part.unlink(missing_ok=True)
        try:
            writer = Writer(**writer_arguments(part, HOLDER, [source.name], arguments))
            summary = store(records, writer, redaction=Redactor(**arguments))
            put_in_place(part, target)
        except OSError as error:
            raise UnusableFile(target, f"cannot be written ({(error.strerror or str(error)).lower()})") from error
        finally:
            part.unlink(missing_ok=True)
    return str(summary)


def _trace(recording: Path, target: Path) -> None:
    from contextlib import closing

    from inspector.formats import exports
    from inspector.formats.atomic import replaced
    from inspector.store.files.connection import open_recording

    with closing(open_recording(recording)) as connection, replaced(target) as file:
        file.writelines(exports.lines(connection, exports.session_ids(connection), "trace"))
