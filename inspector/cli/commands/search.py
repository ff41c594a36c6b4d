"""The command `search`: prints the frames of a recording that match the options."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inspector.cli.options.filters import JSON, RECORDING, frame_filters, wanted
from inspector.cli.options.option_types import Whole
from inspector.units import quantity

if TYPE_CHECKING:
    from inspector.store.reading.search import Search
    from inspector.store.rows import Finding, Frame

_SLOW_S = 2.0


@click.command(
    epilog="""\b
Examples:
  chargesentinel search traffic.db --action Authorize --since 10m
  chargesentinel search traffic.db GroundFailure
  chargesentinel search traffic.db --rule 'transaction.*' --charge-point CP-DEPOT-07
  chargesentinel search traffic.db --id-token 04E91C5A2B --json

\b
TEXT may be anywhere in a frame as it was sent. Without TEXT, search prints
all frames that match the options. Exit code 0: found; 1: not found; 2: a
mistake in the call. If you search a large file often, use --index once: it
makes an index beside the file (FILE.search)."""
)
@RECORDING
@click.argument("text", required=False)
@frame_filters
@click.option(
    "--limit",
    type=Whole(0),
    default=100,
    show_default=True,
    help="Print only this many of the newest frames; 0 is all.",
)
@click.option("--oldest", is_flag=True, help="With --limit, print the oldest instead.")
@click.option("--index", "make_index", is_flag=True, help="Make an index of the texts first; it makes searches fast.")
@JSON
def search(
    file: Path, text: str | None, limit: int, oldest: bool, make_index: bool, as_json: bool, **options: Any
) -> int:
    """Find frames by text, action, time, finding and more."""
    from inspector.store.files.connection import open_recording, readable
    from inspector.store.reading import text_index
    from inspector.store.reading.search import Search

    with closing(open_recording(file)) as db, readable(file):
        if make_index:
            with _progress("indexing", _frames(db)) as report:
                text_index.build(db, file, report)
        covered = text_index.attach(db, file)
        one = Search(db, wanted({**options, "text": text}), covered)
        began = time.monotonic()
        with _progress("searching", 1) as report:
            if limit:
                frames = iter(list(one.frames(newest_first=not oldest, limit=limit + 1, progress=report)))
            else:
                frames = one.frames()  # frames are printed as soon as they are found, so no bar is needed
            missing = one.missing() if one.wanted.of_findings else []
            found = _show(db, one, frames, missing, limit, oldest, as_json)
        if time.monotonic() - began > _SLOW_S and one.wanted.texts and not covered:
            click.echo(f"read {quantity(one.looked_at, 'frame')}; --index makes later searches fast", err=True)
    return 0 if found else 1


def _show(
    db: sqlite3.Connection,
    one: Search,
    frames: Iterator[Frame],
    missing: list[Finding],
    limit: int,
    oldest: bool,
    as_json: bool,
) -> int:
    from inspector.cli.output.frame_excerpt import needles
    from inspector.cli.output.json_output import frame_json, row_json, write_json
    from inspector.cli.output.log_lines import LogLines, whole
    from inspector.cli.output.screen import Screen
    from inspector.store.reading.reader import findings

    more = False
    if limit:
        first = list(frames)
        more = len(first) > limit
        first = first[:limit]
        frames = iter(first if oldest else first[::-1])
    screen = Screen()
    lines = LogLines(db, screen, needles(one.wanted))
    count = 0
    if as_json:
        rows = (frame_json(whole(db, frame), lines.name(frame.session_id)) for frame in frames)
        return write_json({"frames": rows, "missing": map(row_json, missing), "more": more})
    for page in batched(frames, 200):
        beneath: dict[int, list[Finding]] = {}
        if one.wanted.of_findings:
            for finding in findings(db, frame_ids=[frame.id for frame in page], limit=10_000):
                beneath.setdefault(finding.frame_id or 0, []).append(finding)
        for frame in page:
            lines.frame(frame)
            for finding in beneath.get(frame.id, ()):
                lines.finding(finding, beneath=True)
            count += 1
        sys.stdout.flush()
    for finding in missing:
        lines.finding(finding, beneath=False)
    if more:
        which = "oldest" if oldest else "newest"
        screen.note(f"printed the {which} {limit}; --limit 0 prints all")
    elif not count and not missing:
        screen.note("no frames match")
    return count + len(missing)


def _frames(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT coalesce(max(id), 0) FROM frames").fetchone()[0])


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[..., None]]:
    """Show a progress bar on stderr, if that is a terminal and the work takes more than a second."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    began = time.monotonic()
    bar: Any = None

    def report(done: int, of: int = total) -> None:
        nonlocal bar
        if bar is None and done < of and time.monotonic() - began > 1:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            bar = Progress(*columns, console=Console(stderr=True), transient=True)
            bar.add_task(what, total=of)
            bar.start()
        if bar is not None:
            bar.update(bar.task_ids[0], completed=done, total=of)

    try:
        yield report
    finally:
        if bar is not None:
            bar.stop()
