"""Judges every case in tests/rules/cases/.

A file is named after its rule, `<slug>.toml`, and holds cases that break the rule and near misses that do not:

    [[case]]
    name = "an answer to an id that was never sent"
    versions = ["1.6", "2.0.1"]        # or version = "1.6"; left out: every version the rule covers
    script = '''
    open {"from_start": true}
    < [3,"nobody-asked",{}]
    '''                                 # the notation of inspector.rules.playback
    findings = ["rpc.orphan-answer @1 csms error"]
    settings = { answer_timeout_s = 5 } # may be left out

`findings` is the whole verdict on the script, of all rules, in any order: `slug @frame side severity`, the frame as
its number in the script or `-` where a frame is what is missing, and ` xN` behind it when it was counted N times.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.catalogue import rules
from inspector.rules.finding import Finding
from inspector.rules.playback import play
from inspector.rules.settings import DEFAULTS

CASES = Path(__file__).parent / "cases"
RULES = {rule.slug: rule for rule in rules()}


def _cases() -> list[tuple[str, OcppVersion, dict[str, Any]]]:
    found = []
    for path in sorted(CASES.glob("*.toml")):
        for case in tomllib.loads(path.read_text())["case"]:
            versions = case.get("versions") or ([case["version"]] if "version" in case else [])
            covered = RULES[path.stem].versions if path.stem in RULES else frozenset()
            for version in [OcppVersion(v) for v in versions] or sorted(covered):
                found.append((path.stem, version, case))
    return found


ALL_CASES = _cases()
OF_RULE: dict[str, list[tuple[OcppVersion, dict[str, Any]]]] = defaultdict(list)
for _slug, _version, _case in ALL_CASES:
    OF_RULE[_slug].append((_version, _case))


def written(finding: Finding) -> str:
    """Return a finding in the notation of the case files."""
    frame = "-" if finding.frame_id is None else finding.frame_id
    times = f" x{finding.count}" if finding.count > 1 else ""
    return f"{finding.rule_id} @{frame} {finding.side} {finding.severity}{times}"


@pytest.mark.parametrize("slug", sorted({slug for slug, _, _ in ALL_CASES}))
def test_the_cases_of_a_rule_are_judged_as_written(slug: str) -> None:
    """The findings of each case's frames are exactly those written beside them."""
    assert slug in RULES, f"cases/{slug}.toml is named after no rule"
    for version, case in OF_RULE[slug]:
        findings = play(case["script"], version, replace(DEFAULTS, **case.get("settings", {})))
        told = "\n".join([f"{case['name']}, {version}:", *map(str, findings)])
        assert sorted(written(finding) for finding in findings) == sorted(case["findings"]), told


@pytest.mark.parametrize("slug", sorted(RULES))
def test_a_rule_has_a_case_that_breaks_it_and_a_near_miss_in_every_version(slug: str) -> None:
    """Each rule is shown broken and shown kept, in each version it covers."""
    own = [(version, any(f.split()[0] == slug for f in case["findings"])) for version, case in OF_RULE[slug]]
    lacking = [
        f"{version}: no {'case that breaks it' if breaks else 'near miss'}"
        for version in sorted(RULES[slug].versions)
        for breaks in (True, False)
        if (version, breaks) not in own
    ]
    assert not lacking, f"cases/{slug}.toml lacks: " + "; ".join(lacking)
