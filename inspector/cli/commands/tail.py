"""The command `tail`: prints new frames, findings and events of a recording while it grows."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inspector.cli.options.filters import RECORDING, live_filters, wanted
from inspector.cli.options.option_types import Finite, Whole
from inspector.units import quantity

if TYPE_CHECKING:
    import sqlite3

    from inspector.cli.output.screen import Screen
    from inspector.store.reading.filter import Filter
    from inspector.store.reading.follow import News
    from inspector.store.rows import Event

_QUIET = ("ping", "pong", "framing", "handshake", "close", "authentication", "capture", "continues", "continued")
"""Kinds of event that only --all prints. The start and the end of a session have lines of their own."""


@click.command(
    epilog="""\b
Examples:
  chargesentinel tail traffic.db
  chargesentinel tail traffic.db --charge-point CP-DEPOT-07 --lines 50
  chargesentinel tail traffic.db --severity warning
  chargesentinel tail traffic.db --action MeterValues --json

\b
Runs until Ctrl-C. If a new file takes the name of FILE, as with --rotate, tail
continues with the new one. With a filter for frames, tail prints only frames,
and gaps, faults and refused connections."""
)
@RECORDING
@live_filters
@click.option(
    "--lines",
    "-n",
    type=Whole(0),
    default=10,
    show_default=True,
    help="Begin with this many past frames.",
)
@click.option("--all", "everything", is_flag=True, help="Print pings, handshakes and close frames too.")
@click.option(
    "--interval",
    type=Finite(0.05),
    default=0.25,
    show_default=True,
    help="Seconds between two looks at the file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
def tail(file: Path, lines: int, everything: bool, interval: float, as_json: bool, **options: Any) -> None:
    """Print frames and findings live, as they are recorded.

    It also prints who connects and who leaves.
    """
    from inspector.cli.output.screen import Screen, wait_or_end
    from inspector.store.files.connection import identity, open_recording, readable
    from inspector.store.reading.follow import Follower

    asked, screen = wanted(options), Screen()
    db = open_recording(file)
    opened, goes_on_from = identity(file), None
    while True:
        with closing(db), readable(file):
            output = _Output(db, screen, asked, everything, as_json)
            watch = Follower(db, asked, goes_on_from)
            if goes_on_from is None:
                output.frames_only(watch.latest(lines))
            sys.stdout.flush()
            while True:
                replaced = identity(file) not in (opened, None)
                news = watch.look()
                output.news(news)
                sys.stdout.flush()
                if news.more:
                    continue
                if replaced:
                    break
                wait_or_end(interval)
        screen.note(f"{file} was replaced; following the new one")
        db, opened, goes_on_from = _reopened(file, interval), identity(file), watch.last_ns


def _reopened(file: Path, interval: float) -> sqlite3.Connection:
    """Open the new file, as soon as its writer has made the tables."""
    from inspector.errors import UnusableFile
    from inspector.store.files.connection import open_recording

    for _ in range(max(10, int(5 / interval))):
        try:
            return open_recording(file)
        except UnusableFile:
            time.sleep(interval)
    return open_recording(file)


class _Output:
    """Print the new rows of each `Follower.look`."""

    def __init__(self, db: sqlite3.Connection, screen: Screen, asked: Filter, everything: bool, as_json: bool) -> None:
        from inspector.cli.output.frame_excerpt import needles
        from inspector.cli.output.log_lines import LogLines
        from inspector.store.reading.search import session_ids

        self._db, self._asked, self._everything, self._json = db, asked, everything, as_json
        self._lines = LogLines(db, screen, needles(asked))
        self._of_sessions = (lambda: set(session_ids(db, asked))) if asked.of_sessions else None
        self._frames_alone = asked.of_frames or asked.of_findings

    def frames_only(self, frames: list[Any]) -> None:
        """Print earlier frames with their findings."""
        from inspector.store.reading import reader

        beneath: dict[int | None, list[Any]] = {}
        for at in range(0, len(frames), 500):
            ids = [frame.id for frame in frames[at : at + 500]]
            for finding in reader.findings(self._db, frame_ids=ids, limit=10_000):
                beneath.setdefault(finding.frame_id, []).append(finding)
        for frame in frames:
            self._print("frame", frame)
            for finding in beneath.get(frame.id, ()):
                self._print("finding", finding, beneath=True)

    def news(self, news: News) -> None:
        """Print the news in the order of time, with findings below their frames."""
        mine = self._of_sessions() if self._of_sessions else None
        printed = {frame.id for frame in news.frames}
        beneath: dict[int | None, list[Any]] = {}
        steps: list[tuple[tuple[int, ...], str, Any]] = []
        for finding in news.findings:
            if finding.frame_id in printed:
                beneath.setdefault(finding.frame_id, []).append(finding)
            elif self._fits(finding.session_id, mine) and self._fits_rules(finding):
                steps.append(((finding.ts_ns, 2, finding.id), "finding", finding))
        steps += [((frame.ts_ns, 1, frame.id), "frame", frame) for frame in news.frames]
        steps += [
            ((event.ts_ns, 1, event.after_frame_id or 0, event.id), "event", event)
            for event in news.events
            if self._wants(event, mine)
        ]
        if not self._frames_alone:
            steps += [((one.opened_ns, 0, one.id), "opened", one) for one in news.opened if self._fits(one.id, mine)]
            # If a session continues in the next file, its end is printed from that file.
            gone = [one for one in news.closed if one.closed_by != "rotation" and self._fits(one.id, mine)]
            steps += [((one.closed_ns or 0, 3, one.id), "closed", one) for one in gone]
        for _, kind, row in sorted(steps, key=lambda step: step[0]):
            self._print(kind, row)
            for finding in beneath.get(row.id, ()) if kind == "frame" else ():
                self._print("finding", finding, beneath=True)

    def _fits(self, session_id: int | None, mine: set[int] | None) -> bool:
        return mine is None or session_id in mine

    def _fits_rules(self, finding: Any) -> bool:
        from inspector.store.reading.search import fits

        asked = self._asked
        if asked.of_frames:
            return False  # the frame of the finding does not match, or is older than the first look
        return (not asked.severity or finding.severity in asked.severities) and (
            not asked.rules or fits(finding.rule_id, asked.rules)
        )

    def _wants(self, event: Event, mine: set[int] | None) -> bool:
        from inspector.cli.output.log_lines import LOUD

        if event.kind in LOUD:
            return event.session_id is None or self._fits(event.session_id, mine)
        quiet = event.kind in _QUIET and not self._everything
        return not quiet and not self._frames_alone and self._fits(event.session_id, mine)

    def _print(self, kind: str, row: Any, *, beneath: bool = False) -> None:
        if self._json:
            from inspector.cli.output.json_output import frame_json, line, row_json
            from inspector.cli.output.log_lines import whole

            name = self._lines.name(row.id if kind in ("opened", "closed") else row.session_id)
            document = (
                frame_json(whole(self._db, row), name) if kind == "frame" else {**row_json(row), "charge_point": name}
            )
            sys.stdout.write(line({"what": kind, **document}) + "\n")
        elif kind == "frame":
            self._lines.frame(row)
        elif kind == "finding":
            self._lines.finding(row, beneath=beneath)
        elif kind == "event":
            self._lines.event(row)
        elif kind == "opened":
            said = f"OCPP {row.ocpp_version or '?'} from {row.remote_addr or '?'}"
            self._lines.remark(row.opened_ns, row.id, "connected", said)
        else:
            from inspector.browse.formatting import ending

            said = f"{ending(row)}, {quantity(row.frame_count, 'frame')}"
            self._lines.remark(row.closed_ns or 0, row.id, "gone", said)
