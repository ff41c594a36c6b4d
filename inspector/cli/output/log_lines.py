"""Print frames, findings and events of many sessions as lines with columns."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from inspector.browse import formatting
from inspector.browse.formatting import event_line
from inspector.browse.interventions import on_a_line
from inspector.cli.output.frame_excerpt import arrow, excerpt, finding_parts, label
from inspector.cli.output.json_output import read_detail
from inspector.cli.output.screen import Part, Screen
from inspector.records import INTERVENTION
from inspector.store.reading import interventions, reader
from inspector.store.rows import Event, Finding, Frame

_ROOM_IN_A_PIPE = 120
_LEAST_ROOM = 12
_WIDEST_NAME = 16
_WIDE = 110
"""The width in columns from which actions are aligned."""

LOUD = ("gap", "fault", "rejected-upgrade", "unreachable")
"""Kinds of event that are printed even if they do not match the filter."""


class LogLines:
    """Print lines with time, session, charge point, frame, direction, action and excerpt.

    On a terminal each day begins with a line that has the date; in a pipe every line has it.
    """

    def __init__(self, db: sqlite3.Connection, screen: Screen, looked_for: Sequence[str]) -> None:
        self.db, self._screen, self._looked_for = db, screen, looked_for
        self._day = ""
        self._names: dict[int, str] = {}
        self._name_width = 12

    def name(self, session_id: int | None) -> str:
        """Return the id of the charge point of a session."""
        if session_id is None:
            return "-"
        known = self._names.get(session_id)
        if known is None:
            found = reader.session(self.db, session_id)
            known = self._names[session_id] = (found.charge_point_id if found else None) or "?"
            if len(self._names) > 10_000:
                del self._names[next(iter(self._names))]
        return known

    def frame(self, frame: Frame) -> None:
        """Print a frame."""
        head = self._head(frame.ts_ns, frame.session_id)
        took = f" {formatting.span(frame.latency_us * 1000)}" if frame.latency_us is not None else ""
        said = f"{label(frame)}{took}"
        if not self._screen.width or self._screen.width >= _WIDE:
            said = f"{said:<29}"
        if self._looked_for:
            frame = whole(self.db, frame)
        start: list[Part] = [*head, f"{frame.id:>6} ", arrow(frame), " ", (said, "head"), "  "]
        used = sum(len(part if isinstance(part, str) else part[0]) for part in start)
        room = max(_LEAST_ROOM, self._screen.width - used) if self._screen.width else _ROOM_IN_A_PIPE
        self._screen.print(*start, *excerpt(frame, self._looked_for, room))

    def finding(self, finding: Finding, *, beneath: bool) -> None:
        """Print a finding below its frame; without `beneath`, as a line with all columns."""
        head: list[Part] = [" " * 15] if beneath else self._head(finding.ts_ns, finding.session_id)
        about = "" if beneath else f"{finding.frame_id or '-':>6} "
        self._screen.print(*head, about, *finding_parts(finding))

    def event(self, event: Event) -> None:
        """Print an event."""
        said = event_line(event.kind, read_detail(event.detail))
        self.remark(event.ts_ns, event.session_id, event.kind, " ".join(filter(None, (said, changed(self.db, event)))))

    def remark(self, ts_ns: int, session_id: int | None, what: str, said: str) -> None:
        """Print another line with a time: `what` in the column of the action, `said` in that of the excerpt."""
        style = "gap" if what in LOUD else "event"
        self._screen.print(*self._head(ts_ns, session_id), " " * 5, ("● ", style), (what, style), f"  {said}")

    def _head(self, ts_ns: int, session_id: int | None) -> list[Part]:
        at = formatting.iso(ts_ns) or "?"
        if self._screen.terminal:
            if self._day != at[:10]:
                self._day = at[:10]
                self._screen.print((f"── {self._day} (UTC) ──", "faint"))
            at = at[11:23]
        else:
            at = f"{at[:23]}Z"
        name = self.name(session_id)
        self._name_width = min(_WIDEST_NAME, max(self._name_width, len(name)))
        if self._screen.terminal and len(name) > _WIDEST_NAME:
            name = f"{name[: _WIDEST_NAME - 1]}…"
        number = "-" if session_id is None else session_id
        return [(at, "faint"), f" {number:>4} ", (f"{name:<{self._name_width}} ", "")]


def changed(db: sqlite3.Connection, event: Event) -> str:
    """Return on one line how an intervention changed the frame of an event; "" for other events."""
    detail = read_detail(event.detail) if event.kind == INTERVENTION else None
    if not isinstance(detail, dict) or event.session_id is None or event.after_frame_id is None:
        return ""
    found = interventions.origin(db, event.session_id, event.after_frame_id, detail)
    came, sent = (reader.frame(db, one) if one else None for one in (found, event.after_frame_id))
    if came is None or sent is None or came.direction != sent.direction or sent.msg_type != came.msg_type:
        return ""
    return on_a_line(came.raw, sent.raw)


def whole(db: sqlite3.Connection, frame: Frame) -> Frame:
    """Return the frame with its text, which lists leave out for large frames."""
    return frame if frame.raw is not None else reader.frame(db, frame.id) or frame
