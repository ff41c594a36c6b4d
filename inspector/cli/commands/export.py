"""The command `export`: writes recorded sessions in formats of other tools."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import click

from inspector.errors import UnusableFile, UserMistake

STYLES = ("trace", "har", "csv", "raw", "pcapng")


@click.command(
    epilog="""\b
Examples:
  chargesentinel export traffic.db -o traffic.jsonl
  chargesentinel export traffic.db --format har -o traffic.har
  chargesentinel export traffic.db --session 3 --format raw | less
  chargesentinel export traffic.db --format pcapng -o traffic.pcapng
"""
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--session", "sessions", type=int, multiple=True, help="Only this session, by its id; repeatable.")
@click.option(
    "--format",
    "style",
    type=click.Choice(STYLES),
    default="trace",
    show_default=True,
    help="Open OCPP Trace v1.1 (JSONL), HAR as browsers write it, CSV, bare frames (one per line) or pcapng.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write. [default: -, standard output]",
)
def export(file: Path, sessions: tuple[int, ...], style: str, output: Path | None) -> None:
    """Write recorded sessions in a format that other tools read.

    The recording may still be growing. The output file appears when it is complete and replaces a file of that name.
    Traces and HAR files can be imported again without loss; docs/formats.md describes the formats.
    """
    from inspector.formats import exports
    from inspector.formats.atomic import replaced
    from inspector.store.files.connection import open_recording, readable

    with closing(open_recording(file)) as connection, readable(file):
        known = exports.session_ids(connection)
        for wanted in sessions:
            if wanted not in known:
                raise UserMistake(f"{file}: no session {wanted}; {_sessions(known)}")
        chosen = list(dict.fromkeys(sessions)) or None
        total = _frames(connection, chosen)
        pieces = exports.lines(connection, chosen, style)
        if output is None or str(output) == "-":
            _write(_watched(pieces, total, not sys.stdout.isatty()), sys.stdout.buffer)
            return
        if output.exists() and file.samefile(output):
            raise UnusableFile(output, "that is the recording itself", "name another output file")
        with replaced(output) as target:
            _write(_watched(pieces, total, True), target)


def _write(pieces: Iterable[bytes], target: BinaryIO) -> None:
    for piece in pieces:
        target.write(piece)
    target.flush()


def _watched(pieces: Iterator[bytes], total: int, shown: bool) -> Iterator[bytes]:
    """Yield the same pieces; on a terminal, show a progress bar for long exports."""
    from inspector.cli.output.progress import bar

    with bar(shown and total > 20_000) as progress:
        task = progress.add_task("exporting", total=total)
        for number, piece in enumerate(pieces):
            if number % 1000 == 0:
                progress.update(task, completed=min(number, total))
            yield piece


def _frames(connection: sqlite3.Connection, sessions: list[int] | None) -> int:
    where = "" if sessions is None else f"WHERE id IN ({', '.join(map(str, sessions))})"
    count: int = connection.execute(f"SELECT coalesce(sum(frame_count), 0) FROM sessions {where}").fetchone()[0]
    return count


def _sessions(known: list[int]) -> str:
    if not known:
        return "it has no sessions"
    return f"its only session is {known[0]}" if len(known) == 1 else f"its sessions are {known[0]} to {known[-1]}"
