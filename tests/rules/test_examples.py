"""The examples beside each rule are right."""

from __future__ import annotations

import pytest

from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.catalogue import rules
from inspector.rules.playback import play
from inspector.rules.rule import Rule

EXAMPLES = [
    pytest.param(rule, version, id=f"{rule.slug}-{version}") for rule in rules() for version in sorted(rule.versions)
]


@pytest.mark.parametrize(("rule", "version"), EXAMPLES)
def test_the_bad_example_breaks_the_rule_and_the_good_one_does_not(rule: Rule, version: OcppVersion) -> None:
    """In every version that a rule covers, its bad example yields its slug and its good one does not."""
    bad, good = rule.bad_in(version), rule.good_in(version)
    assert bad and good, f"{rule} lacks an example for {version}"
    findings = play(bad, version)
    assert rule.slug in {f.rule_id for f in findings}, f"the bad example gives {[str(f) for f in findings]}"
    findings = play(good, version)
    assert rule.slug not in {f.rule_id for f in findings}, f"the good example gives {[str(f) for f in findings]}"


@pytest.mark.parametrize("rule", rules(), ids=str)
def test_a_rule_is_written_down_completely(rule: Rule) -> None:
    """A rule has its title, remedy, specification (unless a heuristic), and both examples."""
    assert rule.title.strip() and not rule.title.endswith("."), "the title is a short sentence without a full stop"
    assert rule.remedy.strip().endswith(".")
    assert rule.bad and rule.good
    assert rule.spec.strip() or rule.heuristic
    assert set(rule.severity) == set(rule.versions)


def test_no_two_rules_share_a_slug() -> None:
    """A slug names one rule."""
    slugs = [rule.slug for rule in rules()]
    assert len(slugs) == len(set(slugs))
