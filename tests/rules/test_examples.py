"""The examples beside each rule are right."""

from __future__ import annotations

import pytest

from inspector.rules.catalogue import rules
from inspector.rules.playback import play
from inspector.rules.rule import Rule


@pytest.mark.parametrize("rule", rules(), ids=str)
def test_the_bad_example_breaks_the_rule_and_the_good_one_does_not(rule: Rule) -> None:
    """In every version that a rule covers, its bad example yields its slug and its good one does not."""
    for version in sorted(rule.versions):
        bad, good = rule.bad_in(version), rule.good_in(version)
        assert bad and good, f"{rule} lacks an example for {version}"
        findings = play(bad, version)
        said = f"{version}: the bad example gives {[str(f) for f in findings]}"
        assert rule.slug in {f.rule_id for f in findings}, said
        findings = play(good, version)
        said = f"{version}: the good example gives {[str(f) for f in findings]}"
        assert rule.slug not in {f.rule_id for f in findings}, said


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
