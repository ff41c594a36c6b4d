"""Draw a session as a ladder of text: frames between two lifelines, with events and findings.

Rows are read page by page, because a session may have more frames than fit into memory.
"""

from __future__ import annotations

import sqlite3
import textwrap
from collections.abc import Iterator, Sequence
from itertools import batched

from inspector.browse import formatting
from inspector.browse.formatting import ending, event_line
from inspector.cli.output.frame_excerpt import arrow, began, count, ended, excerpt, finding_parts, label, laid_out
from inspector.cli.output.json_output import read_detail
from inspector.cli.output.log_lines import LOUD, changed, whole
from inspector.cli.output.screen import Part, Screen
from inspector.store.reading import reader
from inspector.store.rows import Event, Finding, Frame, Session
from inspector.units import quantity

_SILENCE_NS = 10_000_000_000
"""A silence of at least this length gets a line of its own."""
_PAGE = 200
_ROOM_IN_A_PIPE = 160
_LANES = ((120, 40), (96, 36), (76, 30))
"""(Columns of the terminal, columns between the lifelines); a narrower terminal gets arrows without lifelines."""
_CALL, _CALLRESULT = 2, 3
_FAINT_EVENTS = ("ping", "pong", "framing", "capture")


class Ladder:
    """Draw one session as lines of text."""

    def __init__(
        self,
        db: sqlite3.Connection,
        session: Session,
        screen: Screen,
        *,
        full: bool = False,
        looked_for: Sequence[str] = (),
    ) -> None:
        """Prepare to draw; `full` adds the whole frame below each line, `looked_for` are texts to mark."""
        self._db, self._session, self._screen, self._full, self._looked_for = db, session, screen, full, looked_for
        width = screen.width or _LANES[0][0]
        self._lane = next((lane for columns, lane in _LANES if width >= columns), 0)
        self._number = max(5, len(str(reader.last_frame_id(db))))
        self._day = ""
        found = reader.transactions(db, session_id=session.id, limit=10_000)
        self._begun = {one.start_frame_id: one for one in found if one.start_frame_id is not None}
        self._ended = {one.stop_frame_id: one for one in found if one.stop_frame_id is not None}

    def head(self) -> Iterator[str]:
        """Yield the lines above the ladder: charge point, time, end, findings."""
        one = self._session
        counted = reader.severities(self._db, [one.id])[one.id]
        until = one.closed_ns or one.last_seen_ns or one.opened_ns
        yield from self._facts(
            (f"session {one.id} · {one.charge_point_id or '?'} · OCPP {one.ocpp_version or '?'}", "head"),
            f" · {formatting.moment(one.opened_ns)} UTC",
            f" · {formatting.span(until - one.opened_ns)}",
        )
        yield from self._facts(
            quantity(one.frame_count, "frame"),
            *[(f" · {count(counted[s][0], s)}", s) for s in ("error", "warning", "info") if s in counted],
            f" · {ending(one)}",
        )
        if known := reader.charge_points(self._db, one.charge_point_id) if one.charge_point_id else []:
            of_it = (known[0].vendor, known[0].model, known[0].firmware, known[0].serial)
            yield from self._facts((" · ".join(str(part) for part in of_it if part) or "has not booted", "faint"))
        tls = f" over {one.tls_version}" if one.tls_version else ""
        yield from self._facts(
            (f"from {one.remote_addr or '?'}{tls}", "faint"), (f" to {one.upstream_url or '?'}", "faint")
        )
        yield ""
        if self._lane:
            pad = " " * (13 + self._number + 1)
            yield self._screen.line((f"{pad}{'charge point':<{self._lane - 2}}CSMS", "faint"))

    def _facts(self, *parts: Part) -> Iterator[str]:
        """Yield one line with all parts, or several lines if the terminal is narrow."""
        row: list[Part] = []
        used = 0
        for part in parts:
            length = len(part if isinstance(part, str) else part[0])
            if row and self._screen.width and used + length > self._screen.width:
                yield self._screen.line(*row)
                row, used = ["  "], 2
            row.append(part)
            used += length
        yield self._screen.line(*row)

    def rungs(self, frames: Iterator[Frame], events: Iterator[Event], missing: Sequence[Finding]) -> Iterator[str]:
        """Yield the frames in order, with events and findings about missing frames at their times."""
        last_ns: int | None = None
        waiting = next(events, None)
        absent = sorted(missing, key=lambda finding: finding.ts_ns)
        for page in batched(frames, _PAGE):
            beneath: dict[int | None, list[Finding]] = {}
            for finding in reader.findings(self._db, frame_ids=[frame.id for frame in page], limit=100_000):
                beneath.setdefault(finding.frame_id, []).append(finding)
            for frame in page:
                while waiting is not None and (waiting.after_frame_id or 0) < frame.id:
                    yield from self._event(waiting)
                    waiting = next(events, None)
                while absent and absent[0].ts_ns < frame.ts_ns:
                    yield from self._finding(absent.pop(0))
                if last_ns is not None and frame.ts_ns - last_ns >= _SILENCE_NS:
                    yield self._between((f"⋮ {formatting.span(frame.ts_ns - last_ns)}", "faint"))
                last_ns = frame.ts_ns
                yield from self._frame(frame)
                for finding in beneath.get(frame.id, ()):
                    yield from self._finding(finding)
                yield from self._transaction(frame)
        while waiting is not None:
            yield from self._event(waiting)
            waiting = next(events, None)
        for finding in absent:
            yield from self._finding(finding)

    def _frame(self, frame: Frame) -> Iterator[str]:
        moment = formatting.moment(frame.ts_ns)
        yield from self._new_day(moment)
        style = frame.max_severity or frame.direction
        head: list[Part] = [(moment[11:], "faint"), f" {frame.id:>{self._number}} "]
        said: list[Part] = self._arrow(frame, style) if self._lane else [arrow(frame), " ", (label(frame), "head"), " "]
        used = sum(len(part if isinstance(part, str) else part[0]) for part in (*head, *said)) + 1
        room = max(12, self._screen.width - used) if self._screen.width else _ROOM_IN_A_PIPE
        if self._looked_for or self._full:
            frame = whole(self._db, frame)
        yield self._screen.line(*head, *said, " ", *excerpt(frame, self._looked_for, room))
        if self._full and frame.raw is not None:
            for line in laid_out(frame.raw):
                yield from self._beneath([line])

    def _arrow(self, frame: Frame, style: str) -> list[Part]:
        inner = self._lane - 2
        took = f" {formatting.span(frame.latency_us * 1000)}" if frame.latency_us is not None else ""
        name = label(frame)
        most = inner - 5
        if len(name) + len(took) > most:
            took = ""
        text = f" {name if len(name) <= most else name[: most - 1] + '…'}{took} "
        rest = "─" * (inner - 2 - len(text))
        drawn = f"─{text}{rest}►" if frame.direction == "cp-to-csms" else f"◄{rest}{text}─"
        return [("│", "faint"), (drawn, style), ("│", "faint")]

    def _event(self, event: Event) -> Iterator[str]:
        moment = formatting.moment(event.ts_ns)
        yield from self._new_day(moment)
        style = "gap" if event.kind in LOUD else "faint" if event.kind in _FAINT_EVENTS else "event"
        said = event_line(event.kind, read_detail(event.detail))
        head = (moment[11:], "faint")
        pad = " " * (self._number + 2)
        yield self._screen.line(
            head, pad, (f"● {event.kind}", style), (f" {said}", "faint" if style == "faint" else "")
        )
        if difference := changed(self._db, event):
            yield from self._beneath([(difference, "event")])

    def _finding(self, finding: Finding) -> Iterator[str]:
        parts = finding_parts(finding)
        if finding.frame_id is None:
            parts.append(" (a frame is missing)")
        yield from self._beneath(parts)

    def _transaction(self, frame: Frame) -> Iterator[str]:
        """Yield a line if a transaction begins or ends with this frame; it is below the answer of the CSMS."""
        if frame.msg_type == _CALL:
            if frame.answer_id is None:
                yield from self._transaction_of(frame.id, "not answered by the CSMS", "warning")
        elif frame.call_id is not None:
            refused = "" if frame.msg_type == _CALLRESULT else "refused by the CSMS"
            yield from self._transaction_of(frame.call_id, refused, "error" if refused else "event")

    def _transaction_of(self, call_id: int, unaccepted: str, style: str) -> Iterator[str]:
        for sign, said, one in (("▶", began, self._begun.get(call_id)), ("■", ended, self._ended.get(call_id))):
            if one is None:
                continue
            what = "start" if said is began else "end"
            line = f"{what} of transaction {one.transaction_id} {unaccepted}" if unaccepted else said(one)
            yield self._between((f"{sign} {line}", style))

    def _new_day(self, moment: str) -> Iterator[str]:
        day = moment[:10]
        if self._day != day:
            self._day = day
            yield self._screen.line((f"── {day} (UTC) ──", "faint"))

    def _between(self, *parts: Part) -> str:
        return self._screen.line(" " * (13 + self._number + 1), *parts)

    def _beneath(self, parts: Sequence[Part]) -> Iterator[str]:
        """Yield lines below a frame; on a terminal, long ones are wrapped."""
        indent = 13 + self._number + 1 if not self._screen.width or self._lane else 4
        first = self._screen.line(" " * indent, *parts)
        length = sum(len(part if isinstance(part, str) else part[0]) for part in parts)
        if not self._screen.width or indent + length <= self._screen.width:
            yield first
            return
        rest = "".join(part if isinstance(part, str) else part[0] for part in parts[1:])
        if len(parts) > 1:
            yield self._screen.line(" " * indent, parts[0])
        else:
            rest = parts[0] if isinstance(parts[0], str) else parts[0][0]
        for line in textwrap.wrap(rest.strip(), max(20, self._screen.width - indent - 2)):
            yield self._screen.line(" " * (indent + 2), line)
