"""Answer an agent's questions about a recording. Nothing here writes, and every answer has a limited size."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from inspector.browse.formatting import ending
from inspector.browse.query_worker import Interrupted, Worker
from inspector.cli.agents.answers import answer, cut, fitting
from inspector.cli.agents.shown_recording import ShownRecording
from inspector.cli.commands.rules import close_to, facts
from inspector.cli.output.json_output import frame_json, row_json
from inspector.cli.output.log_lines import whole
from inspector.cli.output.replay_reports import as_json
from inspector.errors import UserMistake
from inspector.replay.compare import compare_scripts
from inspector.replay.policy import Policy
from inspector.replay.redact_outcome import hidden
from inspector.replay.script import Script, scripts
from inspector.rules.catalogue import rules
from inspector.store.files.connection import open_recording, readable
from inspector.store.files.lock import holder
from inspector.store.reading import reader
from inspector.store.reading.filter import Filter
from inspector.store.reading.search import Search
from inspector.store.reading.stored_records import reread
from inspector.store.rows import Session

LONGEST_S = 10.0
"""Seconds that a question may take."""
MOST_ROWS = 500
MOST_COMPARED = 50_000
"""Frames that a session may have to be compared."""
_STEPS = 10_000


class Tools:
    """The tools of one recording."""

    def __init__(self, path: Path) -> None:
        """Open the recording.

        Raises:
            UnusableFile: the file is not a recording.
        """
        self._recording = ShownRecording(path)
        self._worker: Worker | None = None
        self._read_by_worker: Path | None = None

    def close(self) -> None:
        """End the process for SQL and delete temporary files."""
        if self._worker is not None:
            self._worker.close()
        self._recording.close()

    def sessions(self, **filters: Any) -> dict[str, Any]:
        """Return sessions, newest first."""
        with self._open() as db:
            found = reader.sessions(db, **{**filters, "limit": _rows(filters.get("limit"))})
            rows, more = fitting(self._session(db, one) for one in found)
            more = more or len(found) == _rows(filters.get("limit"))
            return answer(sessions=rows, more=more, **({"before": rows[-1]["id"]} if more and rows else {}))

    def show(self, session: int, after: int, limit: int) -> dict[str, Any]:
        """Return a session with its transactions, events and a page of its frames with their findings."""
        with self._open() as db:
            one = _session(db, session)
            frames = reader.frames(db, session, after=after, limit=_rows(limit) + 1)
            rows, more = fitting(_with_findings(db, one, islice(frames, _rows(limit))))
            more = more or len(frames) > len(rows)
            last = rows[-1]["id"] if rows else after
            events, _ = fitting(map(row_json, reader.events(db, session, after, last)), 20_000)
            charged, _ = fitting(map(row_json, reader.transactions(db, session_id=session, limit=MOST_ROWS)), 20_000)
            missing, _ = fitting(map(row_json, Search(db, Filter(sessions=(session,))).missing(MOST_ROWS)), 20_000)
            return answer(
                session=self._session(db, one),
                transactions=charged,
                frames=rows,
                events=events,
                findings_about_missing_frames=missing,
                more=more,
                **({"after": last} if more else {}),
            )

    def search(self, wanted: Filter, before: int | None, limit: int) -> dict[str, Any]:
        """Return the newest frames that match, newest first."""
        with self._open() as db:
            found = Search(db, wanted).frames(newest_first=True, limit=_rows(limit) + 1, before=before)
            names: dict[int, str | None] = {}
            frames = [frame_json(whole(db, one), _name(db, names, one.session_id)) for one in found]
            rows, more = fitting(frames[: _rows(limit)])
            more = more or len(frames) > len(rows)
            return answer(frames=rows, more=more, **({"before": rows[-1]["id"]} if more and rows else {}))

    def findings(
        self, session: int | None, rule: str | None, severity: str | None, after: int, limit: int
    ) -> dict[str, Any]:
        """Return how often each rule was broken, and a page of findings, oldest first."""
        terms: list[tuple[str, Any]] = [
            ("session_id = ?", session),
            ("rule_id GLOB ?", rule),
            ("severity = ?", severity),
        ]
        given = [term for term in terms if term[1] is not None]
        where, values = " AND ".join(["1", *(term for term, _ in given)]), [value for _, value in given]
        with self._open() as db:
            sql = f"""SELECT rule_id, severity, side, count(*), sum(count), min(session_id) FROM findings WHERE {where}
                GROUP BY 1, 2, 3 ORDER BY 5 DESC LIMIT {MOST_ROWS}"""
            names = ("rule_id", "severity", "side", "findings", "occurrences", "first_session")
            by_rule, _ = fitting((dict(zip(names, row, strict=True)) for row in db.execute(sql, values)), 50_000)
            found = reader.findings_where(db, f"{where} AND id > ?", [*values, after], _rows(limit) + 1)
            rows, more = fitting(map(row_json, found[: _rows(limit)]), 50_000)
            more = more or len(found) > len(rows)
            return answer(by_rule=by_rule, findings=rows, more=more, **({"after": rows[-1]["id"]} if more else {}))

    def explain_rule(self, rule: str) -> dict[str, Any]:
        """Return what a rule demands, with a bad and a good example and what to do."""
        for one in rules():
            if one.slug == rule:
                return answer(rule=facts(one))
        raise UserMistake(close_to(rule))

    def diff(self, session: int, other_session: int, match: str) -> dict[str, Any]:
        """Compare two sessions by meaning."""
        with self._open() as db:
            first, second = (self._script(db, number) for number in (session, other_session))
            outcome = compare_scripts(first, second, Policy(match))
            made = as_json(hidden(outcome))
            differences, more = fitting(made.pop("differences"))
            return answer(**cut(made), differences=differences, more=more)

    def sql(self, query: str, limit: int) -> dict[str, Any]:
        """Run one SELECT in a process of its own, which is read-only and has limits for time and memory."""
        from datasette.utils import InvalidSql, validate_sql_select

        try:
            validate_sql_select(query)
        except InvalidSql as error:
            raise UserMistake(f"{error}; write one SELECT") from None
        path = self._recording.current()
        if self._worker is None or self._read_by_worker != path:
            if self._worker is not None:
                self._worker.close()
            self._worker, self._read_by_worker = Worker(path, f"{path.as_uri()}?mode=ro"), path
        try:
            names, rows, more = self._worker.ask(query, (), _rows(limit), LONGEST_S)
        except Interrupted:
            raise _too_slow() from None
        except sqlite3.Error as error:
            raise UserMistake(f"SQL: {error}") from None
        kept, cut_off = fitting({"row": row} for row in rows)
        return answer(columns=names, rows=[one["row"] for one in kept], more=more or cut_off)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        path, until = self._recording.current(), time.monotonic() + LONGEST_S
        with closing(open_recording(path)) as db, readable(path):
            db.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
            try:
                yield db
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname == "SQLITE_INTERRUPT":
                    raise _too_slow() from None
                raise

    def _session(self, db: sqlite3.Connection, one: Session) -> dict[str, Any]:
        if one.state == "live" and holder(self._recording.path) is None:
            one = replace(one, state="interrupted")
        counted = reader.severities(db, [one.id])[one.id]
        return {
            **row_json(one),
            "ending": ending(one),
            "findings": {severity: count for severity, (count, _) in counted.items()},
        }

    def _script(self, db: sqlite3.Connection, session: int) -> Script:
        one = _session(db, session)
        if not 0 < one.frame_count <= MOST_COMPARED:
            raise UserMistake(f"session {session} has {one.frame_count:,} frames; diff compares 1 to {MOST_COMPARED:,}")
        with closing(open_recording(self._recording.current())) as own:
            own.row_factory = sqlite3.Row
            return scripts(f"session {session}", (record for record, _ in reread(own, session_id=session)))[0]


def _rows(limit: int | None) -> int:
    return max(1, min(limit or 50, MOST_ROWS))


def _too_slow() -> UserMistake:
    return UserMistake(f"that took longer than {LONGEST_S:g} seconds; ask for less")


def _session(db: sqlite3.Connection, session: int) -> Session:
    found = reader.session(db, session) if abs(session) < 2**63 else None
    if found is None:
        raise UserMistake(f"no session {session}; the tool `sessions` lists them")
    return found


def _name(db: sqlite3.Connection, names: dict[int, str | None], session: int) -> str | None:
    if session not in names:
        one = reader.session(db, session)
        names[session] = one.charge_point_id if one else None
    return names[session]


def _with_findings(db: sqlite3.Connection, one: Session, frames: Iterator[Any]) -> Iterator[dict[str, Any]]:
    for frame in frames:
        found = [row_json(finding) for finding in reader.findings(db, frame_ids=[frame.id], limit=50)]
        yield {**frame_json(whole(db, frame), one.charge_point_id), **({"findings": found} if found else {})}
