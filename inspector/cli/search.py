"""`chargesentinel search`: finds frames in a recording; knows options, notices and exit codes, not how to search."""

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

from inspector.cli.filters import JSON, RECORDING, frame_filters, wanted
from inspector.cli.option_types import Whole

if TYPE_CHECKING:
    from inspector.store.rows import Finding, Frame
    from inspector.store.search import Search

_SLOW_S = 2.0


@click.command(
    epilog="""\b
Examples:
  chargesentinel search traffic.db --action Authorize --since 10m
  chargesentinel search traffic.db GroundFailure
  chargesentinel search traffic.db --rule 'transaction.*' --charge-point CP-DEPOT-07
  chargesentinel search traffic.db --id-token 04E91C5A2B --json

\b
Without a text, all frames that fit the filters are found. A text is found
anywhere in a frame as it was sent. Exit code 0 when something is found,
1 when nothing is, 2 for a mistake: as grep. For a big file that is searched
often, --index first makes an index of its texts beside it (FILE.search)."""
)
@RECORDING
@click.argument("text", required=False)
@frame_filters
@click.option(
    "--limit",
    type=Whole(0),
    default=100,
    show_default=True,
    help="The newest so many; 0 is all, as they come.",
)
@click.option("--oldest", is_flag=True, help="With --limit, the oldest in place of the newest.")
@click.option(
    "--index", "make_index", is_flag=True, help="Index the texts first, so that this and later searches are quick."
)
@JSON
def search(
    file: Path, text: str | None, limit: int, oldest: bool, make_index: bool, as_json: bool, **options: Any
) -> int:
    """Find frames: by charge point, time, action, finding, id token, transaction, message id or text."""
    from inspector.store import text_index
    from inspector.store.connection import open_recording, readable
    from inspector.store.search import Search

    with closing(open_recording(file)) as db, readable(file):
        if make_index:
            with _progress("indexing", _frames(db)) as told:
                text_index.build(db, file, told)
        covered = text_index.attach(db, file)
        one = Search(db, wanted({**options, "text": text}), covered)
        began = time.monotonic()
        with _progress("searching", 1) as told:
            if limit:
                frames = iter(list(one.frames(newest_first=not oldest, limit=limit + 1, progress=told)))
            else:
                frames = one.frames()  # printed as they come, with no bar in between
            missing = one.missing() if one.wanted.of_findings else []
            found = _show(db, one, frames, missing, limit, oldest, as_json)
        if time.monotonic() - began > _SLOW_S and one.wanted.texts and not covered:
            click.echo(f"looked at {one.looked_at:,} frames; --index makes later searches quick", err=True)
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
    from inspector.cli.frame_excerpt import needles
    from inspector.cli.json_output import frame_json, row_json, write_json
    from inspector.cli.log_lines import LogLines, whole
    from inspector.cli.screen import Screen
    from inspector.store.reader import findings

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
        screen.note(f"the {which} {limit} of more; --limit 0 prints all")
    elif not count and not missing:
        screen.note("nothing found")
    return count + len(missing)


def _frames(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT coalesce(max(id), 0) FROM frames").fetchone()[0])


@contextmanager
def _progress(what: str, total: int) -> Iterator[Callable[..., None]]:
    """A bar on a terminal's stderr once the work has taken a second; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    began = time.monotonic()
    bar: Any = None

    def told(done: int, of: int = total) -> None:
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
        yield told
    finally:
        if bar is not None:
            bar.stop()
