"""The versions that users may install, and those we install, have no known harmful vulnerability."""

from __future__ import annotations

import re
from pathlib import Path

from tools.advisories import Advisory, floors, missing, pins, problems, table

ROOT = Path(__file__).parents[1]


def test_no_known_advisory_concerns_a_floor_or_a_pin() -> None:
    assert list(problems(table(), floors(), pins())) == []


def test_the_table_names_what_we_depend_on_and_each_fault_once() -> None:
    known = floors().keys() | pins().keys()
    identities = [identity for one in table() for identity in (one.id, *one.aliases)]
    assert {one.package for one in table()} <= known
    assert len(identities) == len(set(identities))


def test_what_was_accepted_because_nothing_imports_it_is_imported_nowhere() -> None:
    accepted = {one.id for one in table() if one.accepted}
    assert accepted == {"CVE-2026-69247", "CVE-2026-69248", "CVE-2026-69249"}
    for package in ("inspector", "csms", "simulator"):
        for path in (ROOT / package).rglob("*.py"):
            assert not re.search(r"pkcs7|x509\.verification|x509 import .*verification", path.read_text()), path


def test_a_low_floor_a_low_pin_and_a_pin_below_its_floor_are_told() -> None:
    known = [Advisory("starlette", "X-1", "0.49.1"), Advisory("click", "X-2", "9", accepted="not used")]
    told = list(problems(known, {"starlette": "0.45", "click": "8", "rich": "14"}, {"starlette": "0.44", "click": "8"}))
    assert told == [
        "constraints.txt pins starlette 0.44, below the floor 0.45 of pyproject.toml",
        "constraints.txt does not pin rich",
        "pyproject.toml takes starlette 0.45: X-1, fixed in 0.49.1",
        "constraints.txt takes starlette 0.44: X-1, fixed in 0.49.1",
    ]


def test_what_pip_audit_tells_is_compared_with_the_table_by_every_name_of_a_fault() -> None:
    rows = [
        {
            "name": "starlette",
            "version": "0.45",
            "vulns": [
                {"id": "GHSA-1", "fix_versions": ["0.49.1"], "aliases": ["CVE-1"], "description": ""},
                {"id": "GHSA-2", "fix_versions": ["0.48.3", "1.3.1"], "aliases": [], "description": ""},
            ],
        },
        {"name": "rich", "version": "14", "vulns": []},
        {"name": "ours", "skip_reason": "Dependency not found on PyPI"},
    ]
    new, untold = missing(rows, [Advisory("starlette", "CVE-1", "0.49.1")], {"starlette"})
    assert new == [Advisory("starlette", "GHSA-2", "1.3.1")] and untold == ["ours"]
