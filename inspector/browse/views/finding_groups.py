"""Findings grouped in four ways for the dashboards, from one pass over them.

The canned queries answer the same, each in a pass of its own, which four times over takes too long for a page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from inspector.browse.views.serialize import SEVERITIES

FINDINGS = """SELECT f.severity, f.rule_id, f.side, f.count, f.frame_id, f.ts_ns, f.session_id, s.charge_point_id
FROM findings f LEFT JOIN sessions s ON s.id = f.session_id"""
MAKES = "SELECT charge_point_id, vendor, model, firmware FROM charge_points"
MOST = 100
_UNKNOWN = (None, None, None)

type Row = dict[str, Any]
type _Found = tuple[str, str, str, int, int | None, int, int | None, str | None]


class Groups(NamedTuple):
    """The rows of `findings-by-rule`, `-by-model`, `-by-charge-point` and `-by-make-and-rule`."""

    rules: list[Row]
    models: list[Row]
    charge_points: list[Row]
    makes_and_rules: list[Row]


class _Group:
    __slots__ = ("frame_id", "last_ns", "points", "rules", "sessions", "times")

    def __init__(self) -> None:
        self.times: dict[str, int] = dict.fromkeys(SEVERITIES, 0)
        self.sessions: set[int | None] = set()
        self.points: set[str | None] = set()
        self.rules: set[str] = set()
        self.frame_id: int | None = None
        self.last_ns = 0

    def add(self, found: _Found) -> None:
        severity, rule, _, count, frame_id, ts_ns, session, point = found
        self.times[severity] = self.times.get(severity, 0) + count
        self.sessions.add(session)
        self.points.add(point)
        self.rules.add(rule)
        if frame_id is not None and (self.frame_id is None or frame_id < self.frame_id):
            self.frame_id = frame_id
        self.last_ns = max(self.last_ns, ts_ns)

    def by_severity(self) -> Row:
        return {f"{severity}s": self.times[severity] for severity in SEVERITIES}


def grouped(found: Iterable[_Found], makes: Iterable[tuple[str, str | None, str | None, str | None]]) -> Groups:
    """Group the rows of FINDINGS; `makes` are those of MAKES."""
    known: dict[str | None, tuple[str | None, ...]] = {name: tuple(make) for name, *make in makes}
    rules, models, points, cells = (defaultdict[Any, _Group](_Group) for _ in range(4))
    for row in found:
        severity, rule, side, *_, point = row
        vendor, model, firmware = ("?" if text is None else text for text in known.get(point, _UNKNOWN))
        rules[rule, severity, side].add(row)
        models[vendor, model, firmware].add(row)
        points[point].add(row)
        cells[vendor, model, severity, rule].add(row)
    return Groups(
        sorted(
            (
                {
                    "severity": severity,
                    "rule_id": rule,
                    "times": one.times[severity],
                    "sessions": len(one.sessions - {None}),
                    "charge_points": len(one.points - {None}),
                    "side": side,
                    "frame_id": one.frame_id,
                    "last_seen_ns": one.last_ns,
                }
                for (rule, severity, side), one in rules.items()
            ),
            key=lambda row: (SEVERITIES.index(row["severity"]), -row["times"]),
        ),
        _worst(
            {
                **dict(zip(("vendor", "model", "firmware"), key, strict=True)),
                "charge_points": len(one.points - {None}),
                **one.by_severity(),
                "rules": len(one.rules),
            }
            for key, one in models.items()
        ),
        _worst(
            {
                "charge_point_id": point,
                **dict(zip(("vendor", "model"), known.get(point, _UNKNOWN), strict=False)),
                **one.by_severity(),
                "rules": len(one.rules),
                "last_seen_ns": one.last_ns,
            }
            for point, one in points.items()
        ),
        sorted(
            (
                {
                    **dict(zip(("vendor", "model", "severity", "rule_id"), key, strict=True)),
                    "times": one.times[key[2]],
                    "sessions": len(one.sessions - {None}),
                }
                for key, one in cells.items()
            ),
            key=lambda row: -row["times"],
        ),
    )


def _worst(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (-row["errors"], -row["warnings"]))[:MOST]
