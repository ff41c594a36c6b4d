"""docs/rules/ says what the rules say."""

from __future__ import annotations

from tools.rule_pages import FOLDER, pages


def test_every_rule_has_its_page_as_the_rule_says_it_and_no_page_is_left_over() -> None:
    wanted = pages()
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    hint = "run `python -m tools.rule_pages`"
    assert sorted(there) == sorted(wanted), hint
    assert [name for name in wanted if there[name] != wanted[name]] == [], hint
