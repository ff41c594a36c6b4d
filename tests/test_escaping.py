"""Text from a peer is shown completely and cannot control a terminal."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.escaping import visible, visible_json, visible_lines

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zürich ⚡ 充電", "Zürich ⚡ 充電"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\udb40\\udc41"),
        ("", ""),
    ],
)
def test_what_would_act_on_a_terminal_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANY_TEXT)
def test_nothing_is_left_that_is_not_for_looking_at(text: str) -> None:
    shown = visible(text)
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert "\u202e" not in shown and "\u2066" not in shown
    shown.encode()
    assert all("\n" in line or line == visible(line) for line in visible_lines(text).split("\n"))


WHOLE = st.text()
"""Two lone surrogates beside each other would be one character to a JSON reader."""


@given(st.recursive(WHOLE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WHOLE, inner, max_size=3)))
def test_a_json_document_means_the_same_afterwards(value: object) -> None:
    document = json.dumps(value, ensure_ascii=False, indent=1)
    shown = visible_json(document)
    assert visible_json('"\ud800"') == '"\\ud800"'
    assert json.loads(shown) == value
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs") and c != "\n"]
