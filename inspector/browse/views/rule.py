"""The pages of rules: their descriptions, specification and fixes, and the findings in this recording."""

from __future__ import annotations

import sqlite3
from typing import Any

from inspector.browse.examples import examples
from inspector.browse.formatting import iso
from inspector.browse.views.missing import name_of
from inspector.browse.views.request import Ask, NotThere, View
from inspector.browse.views.serialize import RULES, finding_row
from inspector.rules.rule import Rule
from inspector.store.reading import occurrences, reader
from inspector.store.reading.finding_counts import count
from inspector.store.rows import Finding

FINDINGS = 100
FRAMES = 24
"""The most frames of a finding that are listed."""


def catalogue(db: sqlite3.Connection, ask: Ask) -> View:
    """Return all rules, those broken in this recording first."""
    broken = {rule: times for (rule,), times in count(db, "rule").items()}
    rows = [{**rule_row(rule), "count": broken.get(slug, 0)} for slug, rule in RULES.items()]
    return {"rules": sorted(rows, key=lambda row: (-row["count"], row["rule_id"]))}


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """Return one rule with its findings, worst first: all of them, or those of a `make`.

    A rule that this version does not know only has its findings.
    """
    slug = ask.key
    make = ask.text("make")
    if make is None:
        found = reader.findings(db, rule_id=slug, limit=FINDINGS + 1)
    else:
        of_make = f"rule_id = ? AND session_id IN (SELECT s.id FROM sessions s WHERE {reader.MAKE_OF_SESSION} = ?)"
        found = reader.findings_where(db, of_make, [slug, make], FINDINGS + 1)
    rule = RULES.get(slug)
    if rule is None and not found and make is None:
        raise NotThere(f"There is no rule {slug}.")
    sessions = {each.session_id: reader.session(db, each.session_id) for each in found if each.session_id is not None}
    return {
        "rule_id": slug,
        "make": make,
        "rule": rule_row(rule) if rule else None,
        "count": count(db, rule=slug)[()],
        "findings": [
            {
                **finding_row(one),
                "charge_point_id": session.charge_point_id if (session := sessions.get(one.session_id)) else None,
                "frames": occurrences.frames_of(db, one.id, limit=FRAMES),
                "missing": _missing(db, one),
            }
            for one in found[:FINDINGS]
        ],
        "more_findings": len(found) > FINDINGS,
    }


def _missing(db: sqlite3.Connection, one: Finding) -> list[View]:
    """Return the times at which frames of a finding were missing, each with its name in addresses."""
    if one.frame_id is not None or one.session_id is None:
        return []
    times = occurrences.times_of(db, one.id, FRAMES)
    return [{"id": name_of(one.id, number), "ts": iso(ts_ns)} for number, ts_ns in enumerate(times, 1)]


def markup(view: View) -> dict[str, Any]:
    """Return the values for the template besides the JSON: the examples of the rule."""
    return {"examples": examples(view["rule_id"])}


def rule_row(rule: Rule) -> dict[str, Any]:
    """Return the facts of a rule for the JSON."""
    return {
        "rule_id": rule.slug,
        "title": rule.title,
        "versions": sorted(str(version) for version in rule.versions),
        "severity": {str(version): str(severity) for version, severity in sorted(rule.severity.items())},
        "worst": max(rule.severity.values(), key=lambda severity: severity.rank).value,
        "side": str(rule.side) if rule.side else None,
        "spec": rule.spec,
        "remedy": rule.remedy,
        "bad": rule.bad,
        "good": rule.good,
        "heuristic": rule.heuristic,
    }
