"""Durations in findings are readable, whatever their size."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.rules.durations import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (1e-9, "less than 0.001 ms"),
        (5.49e-05, "0.055 ms"),
        (0.012, "12 ms"),
        (0.0999, "0.0999 s"),
        (0.5, "0.5 s"),
        (3.2149, "3.21 s"),
        (450.0, "450 s"),
        (999.9, "1000 s"),
        (86_400, "86400 s"),
        (1_209_600.0, "1209600 s"),
    ],
)
def test_a_duration_is_told_in_the_unit_a_reader_would_pick(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@given(st.floats(0, 2**63))
def test_no_duration_has_an_exponent(seconds: float) -> None:
    assert "e+" not in duration(seconds) and "e-" not in duration(seconds)
