"""docs/rules/ agrees with the rules."""

from __future__ import annotations

import pytest

from inspector.rules.catalogue import rules
from tools import rule_coverage
from tools.rule_pages import FOLDER, READMES, ROOT, counted, pages


def test_every_rule_has_its_page_as_the_rule_says_it_and_no_page_is_left_over() -> None:
    wanted = pages()
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    hint = "run `python -m tools.rule_pages`"
    assert sorted(there) == sorted(wanted), hint
    assert [name for name in wanted if there[name] != wanted[name]] == [], hint


@pytest.mark.parametrize("name", READMES)
def test_a_readme_says_how_many_requirements_have_a_rule(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert counted(text) == text, "run `python -m tools.rule_pages`"
    assert str(rule_coverage.count()) in text


def test_every_requirement_that_a_rule_names_is_in_the_list() -> None:
    """A mistyped id would count a requirement as covered that has no rule. A05.FR.01 is in the 1.6 whitepaper only."""
    assert set(rule_coverage.by_rule()) - set(rule_coverage.requirements()) <= {"A05.FR.01"}


def test_the_ids_in_a_reference_are_read_as_people_write_them() -> None:
    assert rule_coverage.named("OCPP 2.x H01.FR.11, .12; N07.FR.16 to N07.FR.18") == [
        "H01.FR.11",
        "H01.FR.12",
        "N07.FR.16",
        "N07.FR.17",
        "N07.FR.18",
    ]
    assert rule_coverage.named("A00.FR.205 (1.6 security whitepaper)") == ["A00.FR.205"]


def test_no_two_rules_say_the_same_in_their_title() -> None:
    titles = [rule.title for rule in rules()]
    assert sorted(titles) == sorted(set(titles))
