"""The rules: what each looks for, where the specification says so, what to do, and where it was broken here."""

from __future__ import annotations

import sqlite3
from typing import Any

from inspector.browse.views.request import Ask, NotThere, View
from inspector.browse.views.serialize import RULES, finding_row
from inspector.rules.rule import Rule
from inspector.store import reader

FINDINGS = 100


def catalogue(db: sqlite3.Connection, ask: Ask) -> View:
    """All rules, those broken in this recording first."""
    broken = dict(reader.rule_counts(db))
    rows = [{**rule_row(rule), "count": broken.get(slug, 0)} for slug, rule in RULES.items()]
    return {"rules": sorted(rows, key=lambda row: (-row["count"], row["rule_id"]))}


def view(db: sqlite3.Connection, ask: Ask) -> View:
    """One rule with its latest findings; one only an older or newer version knew is shown by its findings."""
    slug = ask.key
    found = reader.findings(db, rule_id=slug, limit=FINDINGS + 1)
    rule = RULES.get(slug)
    if rule is None and not found:
        raise NotThere(f"There is no rule {slug}.")
    return {
        "rule_id": slug,
        "rule": rule_row(rule) if rule else None,
        "findings": [finding_row(one) for one in found[:FINDINGS]],
        "more_findings": len(found) > FINDINGS,
    }


def rule_row(rule: Rule) -> dict[str, Any]:
    """A rule's facts."""
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
