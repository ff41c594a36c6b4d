"""Find the sessions, frames and findings that match a filter. Reads only.

A recording may have millions of frames, so a search starts with the criterion that leaves the fewest: an indexed
column, the sessions, or the text index. If none helps, the search reads all frames, in stretches of ids.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from inspector.store.reading import reader, text_index
from inspector.store.reading.filter import (
    UNREADABLE,
    Filter,
    Term,
    holds,
    is_pattern,
    matches,
    names_transaction,
    one_of,
)
from inspector.store.rows import Finding, Frame, Session

STRETCH = 100_000
"""Ids that one query reads if no index helps: many enough to be fast, few enough to show progress and to stop."""
FEW = 20_000
"""If one criterion leaves at most this many frames, reading each is faster than using another index."""
_COUNTED = 200_000
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Driver:
    """One way to find frames: a condition with an index, and the most frames that may meet it."""

    hint: str
    term: Term
    count: int


class Search:
    """One search for frames in an open recording."""

    def __init__(self, db: sqlite3.Connection, wanted: Filter, covered: int = 0) -> None:
        """Prepare a search; `covered` is the last frame id in the text index attached to `db`, 0 without an index."""
        self._db, self.wanted, self._covered = db, wanted, covered
        self._nothing = False
        self._terms: list[Term] = []
        self._drivers: list[Driver] = []
        self.looked_at = 0
        (self._last,) = db.execute("SELECT coalesce(max(id), 0) FROM frames").fetchone()
        self._first, self._until = 1, self._last
        self._by_time()
        self._by_session()
        self._by_action()
        self._by_finding()
        self._by_content()

    def frames(
        self,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        after: int = 0,
        before: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Frame]:
        """Yield the matching frames by id, without their text if it is longer than `reader.TEXT_LIMIT`.

        Args:
            newest_first: reverse the order.
            limit: the most frames to yield.
            after: only frames after this id.
            before: only frames before this id.
            progress: called regularly with the number of ids that were read, and of all ids to read.
        """
        page: list[int] = []
        for found in self._ids(newest_first, limit, after, before, progress):
            page.append(found)
            if len(page) == _PAGE:
                yield from self._read(page, newest_first)
                page = []
        yield from self._read(page, newest_first)

    def missing(self, limit: int = 1000) -> list[Finding]:
        """Return matching findings about frames that are missing: `frames` cannot find these."""
        wanted = self.wanted
        if wanted.of_frames:
            return []
        terms = [term for term in self._of_findings() if term[0]]
        if wanted.of_sessions:
            terms.append(one_of("session_id", session_ids(self._db, wanted)))
        if wanted.since_ns is not None:
            terms.append(("ts_ns >= ?", (wanted.since_ns,)))
        if wanted.until_ns is not None:
            terms.append(("ts_ns <= ?", (wanted.until_ns,)))
        where = " AND ".join(["frame_id IS NULL", *(term for term, _ in terms)])
        values = [value for _, given in terms for value in given]
        return reader.findings_where(self._db, where, values, limit)

    def _read(self, ids: Sequence[int], newest_first: bool) -> Iterator[Frame]:
        found = reader.frames_of(self._db, ids)
        yield from reversed(found) if newest_first else found

    def _ids(
        self,
        newest_first: bool,
        limit: int | None,
        after: int,
        before: int | None,
        progress: Callable[[int, int], None] | None,
    ) -> Iterator[int]:
        first = max(self._first, after + 1)
        until = self._until if before is None else min(self._until, before - 1)
        if self._nothing or first > until or limit == 0:
            return
        best = self._best(first, until)
        order = "DESC" if newest_first else "ASC"
        left = -1 if limit is None else limit
        for low, high in [(first, until)] if best else self._ranges(first, until, newest_first):
            source = f"frames f {best.hint}" if best else "frames f NOT INDEXED"
            terms = [*([best.term] if best else []), ("f.id BETWEEN ? AND ?", (low, high)), *self._terms]
            sql = (
                f"SELECT f.id FROM {source} WHERE {' AND '.join(term for term, _ in terms)}"
                f" ORDER BY f.id {order} LIMIT {left}"
            )
            # Fetch all ids at once: an open SELECT would prevent SQLite from merging the -wal of a recording.
            ids = self._db.execute(sql, [value for _, given in terms for value in given]).fetchall()
            left -= len(ids)
            yield from (found for (found,) in ids)
            self.looked_at += high - low + 1
            if progress is not None:
                progress(min(self.looked_at, until - first + 1), until - first + 1)
            if limit is not None and left <= 0:
                return

    def _best(self, first: int, until: int) -> Driver | None:
        """Return the fastest way to find the frames; None if it is as fast to read all frames or use the text index."""
        best = min(self._drivers, key=lambda driver: driver.count, default=None)
        if best is None or until - first < FEW:
            return None
        return best if best.count <= (FEW if self._indexed() and self._covered else _COUNTED) else None

    def _indexed(self) -> list[tuple[str, ...]]:
        return [texts for texts in self.wanted.texts if text_index.usable(texts)]

    def _ranges(self, first: int, until: int, newest_first: bool) -> Iterator[tuple[int, int]]:
        """Yield the stretches of ids to read, in order."""
        texts = self._indexed()
        if not texts or self._covered < first:
            yield from _stretches(first, until, newest_first)
            return
        later = _stretches(max(first, self._covered + 1), until, newest_first)
        if newest_first:
            yield from later
        for low, high in text_index.candidates(self._db, texts, newest_first):
            if high >= first and low <= min(until, self._covered):
                yield max(low, first), min(high, until, self._covered)
        if not newest_first:
            yield from later

    def _drive(self, hint: str, term: Term, count: int) -> None:
        self._drivers.append(Driver(hint, term, count))

    def _by_time(self) -> None:
        wanted = self.wanted
        if not wanted.of_time:
            return
        since, until = wanted.since_ns or 0, 2**63 - 1 if wanted.until_ns is None else wanted.until_ns
        # Ids follow time, except where recordings were imported: so look for the lowest and the highest id of these
        # frames. If there are very many, a range of ids would hardly narrow the search.
        low, high, count = self._db.execute(
            "SELECT min(id), max(id), count(*) FROM (SELECT id FROM frames INDEXED BY frames_ts_ns"
            f" WHERE ts_ns BETWEEN ? AND ? LIMIT {_COUNTED + 1})",
            (since, until),
        ).fetchone()
        self._terms.append(("+f.ts_ns BETWEEN ? AND ?", (since, until)))
        if not count:
            self._nothing = True
        elif count <= _COUNTED:
            self._first, self._until = low, high

    def _by_session(self) -> None:
        ids = session_ids(self._db, self.wanted) if self.wanted.of_sessions else None
        if self.wanted.transaction is not None:
            ids = self._of_transaction(ids)
        if ids is None:
            return
        if not ids:
            self._nothing = True
            return
        chosen = one_of("session_id", ids)
        (count,) = self._db.execute(
            f"SELECT coalesce(sum(frame_count), 0) FROM sessions WHERE {chosen[0].replace('session_id', 'id')}",
            chosen[1],
        ).fetchone()
        self._terms.append((f"+f.{chosen[0]}", chosen[1]))
        self._drive("INDEXED BY frames_session", (f"f.{chosen[0]}", chosen[1]), count)

    def _of_transaction(self, ids: list[int] | None) -> list[int] | None:
        """Return the sessions that may have frames of the transaction: those of its charge point while it lasted."""
        transaction = self.wanted.transaction
        assert transaction is not None
        self._db.create_function(
            "names_transaction", 1, lambda raw: names_transaction(transaction, raw), deterministic=True
        )
        rows = self._db.execute(
            """SELECT t.charge_point_id, t.session_id, a.ts_ns, z.ts_ns, t.start_frame_id, t.stop_frame_id
            FROM transactions t LEFT JOIN frames a ON a.id = t.start_frame_id
            LEFT JOIN frames z ON z.id = t.stop_frame_id WHERE t.transaction_id = ?""",
            (transaction,),
        ).fetchall()
        if ids is not None:
            known = set(ids)
            theirs = {row[0] for row in self._db.execute("SELECT id, charge_point_id FROM sessions") if row[0] in known}
            rows = [row for row in rows if row[1] in theirs]
        named = "(instr({0}, ?) AND names_transaction({0}))"
        call = "EXISTS (SELECT 1 FROM frames c WHERE c.id = f.call_id AND " + named.format("c.raw") + ")"
        ends = [frame for row in rows for frame in row[4:6] if frame is not None]
        of_ends = f"f.id IN ({', '.join('?' * len(ends))}) OR f.call_id IN ({', '.join('?' * len(ends))})"
        self._terms.append(
            (f"({named.format('f.raw')} OR {call} OR {of_ends})", (transaction, transaction, *ends, *ends))
        )
        if not rows:
            return ids
        held: set[int] = set()
        for charge_point, session, started, stopped, _, _ in rows:
            held.add(session)
            held |= {
                found
                for (found,) in self._db.execute(
                    "SELECT id FROM sessions WHERE charge_point_id = ? AND opened_ns <= ?"
                    " AND coalesce(closed_ns, last_seen_ns, opened_ns) >= ?",
                    (charge_point, 2**63 - 1 if stopped is None else stopped, started or 0),
                )
            }
        return sorted(held if ids is None else held & set(ids))

    def _by_action(self) -> None:
        wanted = self.wanted
        if wanted.actions:
            chosen = [action for action in actions(self._db) if fits(action, wanted.actions)]
            if not chosen:
                self._nothing = True
                return
            term, values = one_of("action", chosen)
            self._terms.append((f"+f.{term}", values))
            self._drive("INDEXED BY frames_action", (f"f.{term}", values), self._at_most("frames_action", term, values))
        if wanted.direction:
            self._terms.append(("f.direction = ?", (wanted.direction,)))
        if wanted.message_types:
            term, values = one_of("f.msg_type", wanted.message_types)
            unreadable = " OR f.msg_type IS NULL OR f.msg_type NOT IN (2, 3, 4, 5, 6)"
            self._terms.append((f"({term}{unreadable if UNREADABLE in wanted.message_types else ''})", values))

    def _at_most(self, index: str, term: str, values: Sequence[object]) -> int:
        sql = f"SELECT count(*) FROM (SELECT 1 FROM frames INDEXED BY {index} WHERE {term} LIMIT {_COUNTED + 1})"
        return int(self._db.execute(sql, values).fetchone()[0])

    def _of_findings(self) -> list[Term]:
        severity, rules = self.wanted.severities, self.wanted.rules
        chosen = [rule for rule in rules_found(self._db) if fits(rule, rules)] if rules else []
        return [
            one_of("severity", severity) if severity else ("", ()),
            one_of("rule_id", chosen) if rules else ("", ()),
        ]

    def _by_finding(self) -> None:
        wanted = self.wanted
        if not wanted.of_findings:
            return
        if not wanted.rules:
            term, values = one_of("max_severity", wanted.severities)
            # The partial index requires IS NOT NULL, and SQLite does not infer that from an IN.
            term += " AND {0}max_severity IS NOT NULL"
            self._terms.append((f"+f.{term.format('f.')}", values))
            count = self._at_most("frames_severity", term.format(""), values)
            self._drive("INDEXED BY frames_severity", (f"f.{term.format('f.')}", values), count)
            return
        terms = [term for term in self._of_findings() if term[0]]
        where = " AND ".join(term for term, _ in terms)
        given = tuple(value for _, values in terms for value in values)
        (count,) = self._db.execute(f"SELECT count(*) FROM findings WHERE {where}", given).fetchone()
        of_findings = (
            f"IN (SELECT frame_id FROM findings WHERE {where} AND frame_id IS NOT NULL UNION"
            f" SELECT last_frame_id FROM findings WHERE {where} AND last_frame_id IS NOT NULL)"
        )
        self._terms.append((f"+f.id {of_findings}", (*given, *given)))
        self._drive("", (f"f.id {of_findings}", (*given, *given)), 2 * count)

    def _by_content(self) -> None:
        self._terms += map(holds, self.wanted.texts)
        if self.wanted.message_id is not None:
            # The column is not in the index, so each row must be read: check the text first.
            self._terms.append(("f.message_id = ?", (self.wanted.message_id[:255],)))


def session_ids(db: sqlite3.Connection, wanted: Filter) -> list[int]:
    """Return the ids of matching sessions, in order."""
    terms = _of_sessions(wanted)
    where = " AND ".join(term for term, _ in terms) or "1"
    rows = db.execute(
        f"SELECT s.id FROM sessions s WHERE {where} ORDER BY s.id", [value for _, given in terms for value in given]
    )
    return [found for (found,) in rows]


def sessions(
    db: sqlite3.Connection, wanted: Filter, *, states: Sequence[str] = (), limit: int | None = None
) -> list[Session]:
    """Return sessions that meet the filter, newest first: also its criteria for time, findings and transactions."""
    terms = _of_sessions(wanted)
    if wanted.since_ns is not None:
        terms.append(("coalesce(s.closed_ns, s.last_seen_ns, s.opened_ns) >= ?", (wanted.since_ns,)))
    if wanted.until_ns is not None:
        terms.append(("s.opened_ns <= ?", (wanted.until_ns,)))
    about = [*([one_of("+x.severity", wanted.severities)] if wanted.severity else [])]
    about += [matches("+x.rule_id", wanted.rules)] if wanted.rules else []
    charged = [*([("t.transaction_id = ?", (wanted.transaction,))] if wanted.transaction else [])]
    charged += [one_of("t.id_token COLLATE NOCASE", wanted.id_tokens)] if wanted.id_tokens else []
    for table, of_it in (("findings x", about), ("transactions t", charged)):
        if of_it:
            where = " AND ".join(term for term, _ in of_it)
            values = tuple(value for _, given in of_it for value in given)
            terms.append((f"EXISTS (SELECT 1 FROM {table} WHERE {table[-1]}.session_id = s.id AND {where})", values))
    return reader.sessions_where(
        db, " AND ".join(term for term, _ in terms), [value for _, given in terms for value in given], states, limit
    )


def actions(db: sqlite3.Connection) -> list[str]:
    """Return every action in a recording, from the index alone."""
    return _distinct(db, "frames", "action")


def rules_found(db: sqlite3.Connection) -> list[str]:
    """Return every rule that was broken in a recording."""
    return _distinct(db, "findings", "rule_id")


def fits(value: str, wanted: Sequence[str]) -> bool:
    """Return whether a name is one of these names, or matches one of these patterns, without regard to case."""
    name = value.casefold()
    return any(fnmatchcase(name, one.casefold()) if is_pattern(one) else name == one.casefold() for one in wanted)


def _of_sessions(wanted: Filter) -> list[Term]:
    terms: list[Term] = []
    if wanted.sessions:
        terms.append(one_of("s.id", wanted.sessions))
    if wanted.charge_points:
        terms.append(matches("s.charge_point_id", wanted.charge_points))
    if wanted.versions:
        terms.append(one_of("s.ocpp_version", wanted.versions))
    return terms


def _distinct(db: sqlite3.Connection, table: str, column: str) -> list[str]:
    rows = db.execute(
        f"""WITH RECURSIVE found(value) AS (SELECT min({column}) FROM {table} UNION ALL
        SELECT (SELECT min({column}) FROM {table} WHERE {column} > value) FROM found WHERE value IS NOT NULL)
        SELECT value FROM found WHERE value IS NOT NULL"""
    )
    return [value for (value,) in rows]


def _stretches(first: int, until: int, newest_first: bool) -> Iterator[tuple[int, int]]:
    if newest_first:
        for high in range(until, first - 1, -STRETCH):
            yield max(first, high - STRETCH + 1), high
    else:
        for low in range(first, until + 1, STRETCH):
            yield low, min(until, low + STRETCH - 1)
