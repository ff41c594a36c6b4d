"""The command `sessions`: lists the sessions of a recording."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inspector.cli.options.filters import JSON, RECORDING, session_filters, wanted
from inspector.cli.options.option_types import Whole
from inspector.units import quantity

if TYPE_CHECKING:
    from inspector.cli.output.screen import Part
    from inspector.store.reading.filter import Filter
    from inspector.store.rows import Session

STATES = ("live", "closed", "interrupted")
_STATE_STYLES = {"live": "green", "interrupted": "warning"}


@click.command(
    epilog="""\b
Examples:
  chargesentinel sessions traffic.db
  chargesentinel sessions traffic.db --charge-point 'CP-DEPOT-*' --severity error
  chargesentinel sessions traffic.db --since 2h --json

\b
The newest come first. A session is interrupted if the recorder ended before
the session did. Times are UTC."""
)
@RECORDING
@session_filters
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only sessions in this state.")
@click.option("--limit", type=Whole(0), default=50, show_default=True, help="List only this many; 0 is all.")
@JSON
def sessions(file: Path, states: tuple[str, ...], limit: int, as_json: bool, **options: Any) -> None:
    """List the sessions of a recording, newest first.

    A line has the charge point, the time, the length, the findings and how the session ended.
    """
    from dataclasses import replace

    from inspector.store.files.connection import open_recording, readable
    from inspector.store.files.lock import holder
    from inspector.store.reading.search import sessions as find

    written = holder(file) is not None
    with closing(open_recording(file)) as db, readable(file):
        found = find(db, wanted(options), states=_as_stored(states, written), limit=limit + 1 if limit else None)
        if not written:
            found = [replace(one, state="interrupted") if one.state == "live" else one for one in found]
        more, found = bool(limit) and len(found) > limit, found[:limit] if limit else found
        attempts = _failed_attempts(db, wanted(options)) if not states else ""
        if as_json:
            _json(db, found)
            return
        _table(db, found)
        if attempts and not more:
            # Beside a table this line is a remark, so print it on stderr; without sessions it is the result.
            line = f"{quantity(len(found), 'session')}, {attempts}"
            click.echo(line, err=bool(found))
        if more:
            click.echo(f"listed the newest {limit}; --limit 0 lists all", err=True)
        elif not found and not attempts:
            click.echo("no sessions match", err=True)


def _failed_attempts(db: sqlite3.Connection, asked: Filter) -> str:
    """Return a sentence about failed attempts to connect; "" if a filter can only match sessions."""
    from fnmatch import fnmatchcase

    from inspector.escaping import visible
    from inspector.store.reading.failed_attempts import failed_attempts, in_words

    if asked.of_frames or asked.of_findings or asked.sessions or asked.versions:
        return ""

    def fits(charge_point_id: str) -> bool:
        patterns = asked.charge_points
        return not patterns or any(fnmatchcase(charge_point_id, one) for one in patterns)

    failed = failed_attempts(db, fits, asked.since_ns or 0, asked.until_ns or 2**63 - 1)
    return visible(in_words(failed)) if failed else ""


def _as_stored(states: tuple[str, ...], written: bool) -> tuple[str, ...]:
    """Return the states to search for. Without a recorder (`written` False), stored "live" means interrupted."""
    if written or not states:
        return states
    kept = tuple(state for state in states if state != "live")
    return (*kept, "live") if "interrupted" in kept else kept or ("none",)


def _table(db: sqlite3.Connection, found: list[Session]) -> None:
    from inspector.browse import formatting
    from inspector.browse.formatting import ending
    from inspector.cli.output.screen import Screen
    from inspector.escaping import visible
    from inspector.store.reading.reader import severities
    from inspector.store.reading.shadows import shadow_links

    screen = Screen()
    if not found:
        return
    counted: dict[int, dict[str, tuple[int, int | None]]] = {}
    for at in range(0, len(found), 500):
        counted |= severities(db, [one.id for one in found[at : at + 500]])
    number = max(2, *(len(str(one.id)) for one in found), 2)
    fixed = number + 53
    name = max(12, *(len(one.charge_point_id or "?") for one in found), 12)
    name = min(name, max(12, screen.width - fixed - 11)) if screen.width else name
    roomy = not screen.width or screen.width >= fixed + name + 30
    head = f"{'ID':>{number}}  {'CHARGE POINT':<{name}}  {'OCPP':<5} {'OPENED (UTC)':<16} {'LASTED':>8} {'FRAMES':>6}"
    screen.print((f"{head}  {'FINDINGS':<8} ENDED", "head"))
    mirrored = shadow_links(db)
    for one in found:
        end = one.closed_ns or one.last_seen_ns or one.opened_ns
        who = visible(one.charge_point_id or "?")
        if len(who) > name and screen.width:
            who = f"{who[: name // 2]}…{who[len(who) - name + name // 2 + 1 :]}"  # similar names differ at the ends
        screen.print(
            f"{one.id:>{number}}  ",
            (f"{who:<{name}}", "head"),
            f"  {one.ocpp_version or '?':<5} {formatting.moment(one.opened_ns)[:16]}"
            f" {_clock(end - one.opened_ns):>8} {one.frame_count:>6}  ",
            *_counts(counted[one.id]),
            (ending(one) if roomy else _short(one), _STATE_STYLES.get(one.state, "")),
            (f" · shadow of {mirrored[one.id] or '?'}" if one.id in mirrored else "", ""),
        )


def _clock(ns: int) -> str:
    """Return a duration for a narrow column: 0:00:07, 1:31:00, 3d 02:10."""
    minutes, seconds = divmod(ns // 1_000_000_000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours < 24 else f"{hours // 24}d {hours % 24:02}:{minutes:02}"


def _short(one: Session) -> str:
    """Return the end of a session in a few characters: `CP 1000`, `CSMS 1011`, `lost`."""
    if one.state != "closed":
        return "cut off" if one.state == "interrupted" else one.state
    if one.closed_by == "rotation":
        return "next file"
    code, who = {
        "charge-point": (one.cp_close_code, "CP"),
        "csms": (one.csms_close_code, "CSMS"),
    }.get(one.closed_by or "", (None, one.closed_by or ""))
    return f"{who} {code}" if code is not None else f"{who} lost".strip()


def _counts(counted: dict[str, tuple[int, int | None]]) -> list[Part]:
    """Return the findings by severity in nine characters: `2E 1W 3i `."""
    parts: list[Part] = []
    for severity, letter in (("error", "E"), ("warning", "W"), ("info", "i")):
        if severity in counted:
            parts.append((f"{counted[severity][0]}{letter} ", severity))
    parts = parts or ["– "]
    return [*parts, " " * (9 - sum(len(part if isinstance(part, str) else part[0]) for part in parts))]


def _json(db: sqlite3.Connection, found: list[Session]) -> None:
    import json

    from inspector.browse.formatting import ending
    from inspector.cli.output.json_output import row_json
    from inspector.escaping import visible_json
    from inspector.store.reading.reader import severities

    rows = []
    for one in found:
        counted = severities(db, [one.id])[one.id]
        counts = {
            severity: counted[severity][0] if severity in counted else 0 for severity in ("error", "warning", "info")
        }
        end = one.closed_ns or one.last_seen_ns or one.opened_ns
        rows.append(
            {**row_json(one), "ending": ending(one), "seconds": (end - one.opened_ns) / 1e9, "findings": counts}
        )
    click.echo(visible_json(json.dumps(rows, ensure_ascii=False, indent=2)))
