"""The command `show`: prints one session as a ladder."""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inspector.cli.options.filters import JSON, RECORDING, inner_filters, wanted
from inspector.cli.options.option_types import Whole
from inspector.errors import UserMistake

_DIGITS = 19
"""A number with fewer digits fits into SQLite's integers."""

if TYPE_CHECKING:
    from inspector.store.reading.search import Search
    from inspector.store.rows import Event, Frame, Session


@click.command(
    epilog="""\b
Examples:
  chargesentinel show traffic.db 3
  chargesentinel show traffic.db CP-DEPOT-07
  chargesentinel show traffic.db 3 --severity warning --full
  chargesentinel show traffic.db 3 --around 4711 | less

\b
SESSION is the number in the first column of `chargesentinel sessions`; for
CHARGE_POINT its newest session is shown. On a terminal a long session is
paged ($PAGER, else less). Times are UTC."""
)
@RECORDING
@click.argument("which", metavar="SESSION|CHARGE_POINT")
@inner_filters
@click.option("--around", type=Whole(1), metavar="FRAME", help="Only this frame and the frames near it.")
@click.option(
    "--context",
    type=Whole(0),
    default=10,
    show_default=True,
    help="With --around: frames before and after it.",
)
@click.option("--full", is_flag=True, help="Print every frame whole, below its line.")
@click.option("--no-pager", is_flag=True, help="Do not use a pager.")
@JSON
def show(
    file: Path,
    which: str,
    around: int | None,
    context: int,
    full: bool,
    no_pager: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Print a session as a ladder of frames.

    The ladder has the frames of both sides with latencies, events, findings and transactions.
    """
    from inspector.store.files.connection import open_recording, readable
    from inspector.store.files.lock import holder
    from inspector.store.reading import reader
    from inspector.store.reading.follow import events_of
    from inspector.store.reading.search import Search

    with closing(open_recording(file)) as db, readable(file):
        one = _session(db, file, which)
        session = one.id
        if one.state == "live" and holder(file) is None:
            from dataclasses import replace

            one = replace(one, state="interrupted")
        asked = Search(db, wanted(options, sessions=(session,)))
        filtered = asked.wanted.of_frames or asked.wanted.of_findings or asked.wanted.of_time
        absent = asked.missing()
        if around is None:
            frames, events = asked.frames(), iter(()) if filtered else events_of(db, session)
        else:
            near = _near(db, asked, one, around, context)
            frames = iter(near)
            events = iter([] if filtered else reader.events(db, session, near[0].id, near[-1].id))
            absent = [finding for finding in absent if near[0].ts_ns <= finding.ts_ns <= near[-1].ts_ns]
        if as_json:
            _json(db, one, frames, events)
            return
        _print(db, one, asked, frames, events, absent, full=full, paged=not no_pager)


def _session(db: sqlite3.Connection, file: Path, which: str) -> Session:
    """Return the session with this number, or the newest one of the charge point with this id."""
    from inspector.store.reading import reader

    found = None
    if which.isascii() and which.isdigit() and len(which) < _DIGITS:
        found = reader.session(db, int(which))
    # The id of a charge point may be a number too.
    found = found or next(iter(reader.sessions(db, charge_point_id=which, limit=1)), None)
    if found is None:
        lists = f"`chargesentinel sessions {shlex.quote(str(file))}` lists them"
        raise UserMistake(f"{file}: no session and no charge point {which!r}; {lists}")
    return found


def _near(db: sqlite3.Connection, asked: Search, one: Session, around: int, context: int) -> list[Frame]:
    from inspector.store.reading import reader

    middle = reader.frame(db, around)
    if middle is None or middle.session_id != one.id:
        where = f"it belongs to session {middle.session_id}" if middle else "the recording has no such frame"
        raise UserMistake(f"session {one.id} has no frame {around}: {where}")
    before = list(asked.frames(newest_first=True, before=around, limit=context))
    return [*reversed(before), *reader.frames_of(db, [around]), *asked.frames(after=around, limit=context)]


def _json(db: sqlite3.Connection, one: Session, frames: Iterator[Frame], events: Iterator[Event]) -> None:
    from inspector.browse.formatting import ending
    from inspector.cli.output.json_output import frame_json, row_json, write_json
    from inspector.cli.output.log_lines import whole
    from inspector.store.reading import reader

    write_json(
        {
            "session": {**row_json(one), "ending": ending(one)},
            "transactions": map(row_json, reader.transactions(db, session_id=one.id, limit=10_000)),
            "findings": map(row_json, reader.findings(db, session_id=one.id, limit=100_000)),
            "events": map(row_json, events),
            "frames": (frame_json(whole(db, frame), one.charge_point_id) for frame in frames),
        }
    )


def _print(
    db: sqlite3.Connection,
    one: Session,
    asked: Search,
    frames: Iterator[Frame],
    events: Iterator[Event],
    absent: list[Any],
    *,
    full: bool,
    paged: bool,
) -> None:
    from inspector.cli.output.frame_excerpt import needles
    from inspector.cli.output.ladder import Ladder
    from inspector.cli.output.screen import Screen

    screen = Screen()
    ladder = Ladder(db, one, screen, full=full, looked_for=needles(asked.wanted))
    screen.write(chain(ladder.head(), ladder.rungs(frames, events, absent)), paged=paged)
