"""Make the next file of a recording, with the rows that its open sessions need there.

Ids continue from file to file, so a frame, a session or a transaction has one number in all of them. The next file gets
the open sessions with the facts about them, their charge points, and the transactions that have not ended. References
to frames of the earlier file become NULL, so that every file can be read alone.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Collection
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector.records import OF_SESSION
from inspector.store.files.open_files import rename
from inspector.store.writing.salvage import Refused, Salvage, is_of_the_disk

PART = ".part"
"""The ending of the name of an unfinished file."""
CONTINUED = "continued"
"""The kind of the event that names the file from which a session, or the recording, continues."""

_OPEN = "SELECT value FROM json_each(:open)"
_CARRIED = f"""id IN ({_OPEN}) OR id >= :sessions OR id IN (
  SELECT session_id FROM frames WHERE id >= :frames UNION SELECT session_id FROM events WHERE id >= :events
  UNION SELECT session_id FROM findings WHERE id >= :findings)"""
_OF_SESSION = ", ".join(f"'{kind}'" for kind in OF_SESSION)
"""The kinds of events of an open session that the next file needs too: without them it would be judged differently."""
_POINTS = f"charge_point_id IN (SELECT charge_point_id FROM sessions WHERE {_CARRIED})"
_ESSENTIAL = ("recordings", "sessions", "frames")
"""If a row of these tables cannot be copied, the next file is not made."""
_SAMPLES_TAIL = 200_000
"""How many of the latest meter samples are searched for those of copied frames: far more than one commit holds."""
_COPIES = (
    ("recordings", "id = :recording"),
    ("sessions", _CARRIED),
    ("frames", "id >= :frames"),
    ("findings", "id >= :findings"),
    ("occurrences", "finding_id >= :findings AND frame_id >= :frames"),
    ("absences", "finding_id >= :findings"),
    (
        "events",
        f"""id >= :events OR (session_id IN ({_OPEN}) AND kind IN ({_OF_SESSION}))
          OR (:gone AND kind = 'gap' AND (session_id IS NULL OR session_id IN ({_OPEN})))""",
    ),
    ("charge_points", _POINTS),
    (
        "transactions",
        f"(stopped_ns IS NULL AND {_POINTS}) OR id >= :transactions OR start_frame_id >= :frames"
        " OR stop_frame_id >= :frames",
    ),
    (
        "meter_samples",
        f"id > (SELECT coalesce(max(id), 0) FROM meter_samples) - {_SAMPLES_TAIL} AND frame_id >= :frames",
    ),
)

RECOUNT = """UPDATE sessions SET frame_count = (SELECT count(*) FROM frames WHERE session_id = sessions.id),
  error_count = (SELECT coalesce(sum(count), 0) FROM findings
    WHERE session_id = sessions.id AND severity = 'error')"""
"""SQL that sets the counts of each session to the numbers of its rows in this file."""
_ADOPT = """UPDATE transactions SET session_id = (SELECT max(id) FROM sessions
  WHERE charge_point_id = transactions.charge_point_id) WHERE session_id NOT IN (SELECT id FROM sessions)"""
"""SQL that moves a transaction to its charge point's session in this file if its own session is in an earlier file."""

_NO_TRANSACTION = """UPDATE meter_samples SET transaction_id = NULL
  WHERE transaction_id NOT IN (SELECT id FROM transactions)"""
_REFERENCES = (
    *(("frames", "call_id"), ("findings", "frame_id"), ("findings", "last_frame_id"), ("events", "after_frame_id")),
    *(("transactions", "start_frame_id"), ("transactions", "stop_frame_id")),
)


@dataclass(frozen=True, slots=True)
class Seam:
    """The facts about the earlier file that the next file needs.

    Attributes:
        left: the path of the earlier file.
        recording_id: the id of the run.
        open_sessions: the ids of the sessions that continue.
        after: by table, the id from which rows are copied.
        before: by COUNTED, how much the run has stored so far.
        now_ns: when the next file begins.
        gone: whether the earlier file is lost, so that its gap events are copied too.
    """

    left: Path
    recording_id: int
    open_sessions: Collection[int]
    after: dict[str, int]
    before: dict[str, int]
    now_ns: int
    gone: bool = False


def make_next(old: sqlite3.Connection, path: Path, seam: Seam, mode: int) -> Refused:
    """Make the file `path`, in which a recording continues, either completely or not at all.

    Derived rows that cannot be copied do not stop it. Returns the rows that are missing.

    Args:
        old: the earlier file, which is only read.
        path: neither this file nor a -wal, -shm or -journal beside it may exist.
        seam: the facts about the earlier file.
        mode: the permissions of the new file.

    Raises:
        FileExistsError, OSError, sqlite3.Error, UnusableFile: the file cannot be made.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
    os.close(descriptor)
    from inspector.store.schema import connect  # with sqlite_utils, which readers of CONTINUED need not import

    part = Path(name)
    values = {
        "open": json.dumps(list(seam.open_sessions)),
        "recording": seam.recording_id,
        "gone": seam.gone,
        **seam.after,
    }
    try:
        with closing(connect(part, wal=False, synced=False).conn) as new:
            new.execute("BEGIN IMMEDIATE")
            salvage = Salvage(new, bulk=False)
            for table, where in _COPIES:
                _copy(old, new, table, where, values, None if table in _ESSENTIAL else salvage)
            new.execute("UPDATE recordings SET started_ns = ?, stopped_ns = NULL, clean_close = NULL", (seam.now_ns,))
            new.execute(_ADOPT)
            for sql, row in corrections(seam.after["frames"]):
                new.execute(sql, row)
            origin: dict[str, Any] = {"from": seam.left.name}
            # Later rows have their ids already, assigned in memory: the events made here need smaller ones.
            insert = "INSERT INTO events (id, session_id, ts_ns, kind, detail) VALUES (?, ?, ?, ?, ?)"
            whole = json.dumps({**origin, "first": seam.after, "before": seam.before})
            origins = [(None, whole), *((session_id, json.dumps(origin)) for session_id in seam.open_sessions)]
            for place, (session_id, detail) in enumerate(origins, -len(origins)):
                new.execute(insert, (place, session_id, seam.now_ns, CONTINUED, detail))
            progress = old.execute(
                "SELECT recording_id, committed FROM _progress WHERE recording_id = ?", (seam.recording_id,)
            )
            new.executemany("INSERT INTO _progress VALUES (?, ?)", progress)
            new.execute("COMMIT")
        part.chmod(mode)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        for suffix in ("-wal", "-shm", "-journal"):
            if os.path.lexists(f"{path}{suffix}"):
                # SQLite would take this file for a part of the new recording, and destroy it.
                raise FileExistsError(f"{path}{suffix}")
        rename(part, path)
        return salvage.refused
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def corrections(first_frame: int) -> list[tuple[str, tuple[Any, ...]]]:
    """Return statements that correct counts and remove references to rows that are not in this file.

    Args:
        first_frame: the id of the first frame that may be in the file.
    """
    frames = [
        (f"UPDATE {table} SET {column} = NULL WHERE {column} < ?", (first_frame,)) for table, column in _REFERENCES
    ]
    occurrences = "DELETE FROM occurrences WHERE frame_id < ?", (first_frame,)
    return [*frames, occurrences, (_NO_TRANSACTION, ()), (RECOUNT, ())]


def _copy(
    old: sqlite3.Connection,
    new: sqlite3.Connection,
    table: str,
    where: str,
    values: dict[str, Any],
    salvage: Salvage | None,
) -> None:
    columns = [row[1] for row in old.execute(f"PRAGMA table_info({table})")]  # without the generated ones
    names = ", ".join(columns)
    insert = f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})"
    try:
        rows = old.execute(f"SELECT {names} FROM {table} WHERE {where}", values)
        if salvage is None:
            new.executemany(insert, rows)
            return
        for row in rows:
            salvage.row(insert, row)
    except sqlite3.Error as error:
        if salvage is None or is_of_the_disk(error):
            raise
        salvage.refused.drop(insert, None, None, error)  # the table in the old file cannot be read


def origin(connection: sqlite3.Connection) -> tuple[int, dict[str, Any]]:
    """Return when recording into a file began (ns), and the detail of its `continued` event ({} in a first file)."""
    (since,) = connection.execute("SELECT min(started_ns) FROM recordings").fetchone()
    sql = "SELECT detail FROM events WHERE kind = ? AND session_id IS NULL ORDER BY id DESC LIMIT 1"
    row = connection.execute(sql, (CONTINUED,)).fetchone()
    return int(since or 0), json.loads(row[0]) if row else {}
