"""`chargesentinel export`: recorded sessions as files for other tools; knows options, no format."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from inspector.errors import UnusableFile, UserMistake

FORMATS = ("trace", "raw")


@click.command(
    epilog="""\b
Examples:
  chargesentinel export traffic.db -o traffic.jsonl
  chargesentinel export traffic.db --session 3 --format raw
"""
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--session", "sessions", type=int, multiple=True, help="Only this session (by its id); may be repeated.")
@click.option(
    "--format",
    "style",
    type=click.Choice(FORMATS),
    default="trace",
    show_default=True,
    help="Open OCPP Trace v1.1 (JSONL), or the bare frames, one a line.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file; else standard output.")
def export(file: Path, sessions: tuple[int, ...], style: str, output: Path | None) -> None:
    """Write recorded sessions as files that other tools read."""
    from contextlib import closing

    from inspector.formats import exports
    from inspector.store.opening import open_recording

    with closing(open_recording(file)) as connection:
        known = exports.session_ids(connection)
        for wanted in sessions:
            if wanted not in known:
                raise UserMistake(f"{file}: there is no session {wanted}; it has {_some(known)}")
        lines = exports.lines(connection, list(sessions) or known, style)
        if output is None:
            _write(lines, sys.stdout.buffer)
            return
        try:
            with output.open("wb") as target:
                _write(lines, target)
        except OSError as error:
            raise UnusableFile(output, f"cannot be written ({(error.strerror or str(error)).lower()})") from error


def _write(lines: Iterator[bytes], target: BinaryIO) -> None:
    for line in lines:
        target.write(line)
    target.flush()


def _some(known: list[int]) -> str:
    if not known:
        return "none"
    return f"{known[0]}" if len(known) == 1 else f"{known[0]} to {known[-1]}"
