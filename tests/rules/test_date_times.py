"""Date-times in the usual format are parsed by lookup tables, with the same results as `datetime`."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.rules.topics.rpc import timestamps
from inspector.rules.topics.rpc.timestamps import seconds

USUAL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?Z")


@given(st.datetimes(), st.booleans())
def test_every_usual_date_time_is_the_second_that_datetime_says(moment: datetime, decimals: bool) -> None:
    text = f"{moment.isoformat(timespec='milliseconds' if decimals else 'seconds')}Z"
    assert seconds(text) == pytest.approx(datetime.fromisoformat(text).timestamp(), abs=1e-6)


@given(st.from_regex(r"[0-9٣]{4}[-T][0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3})?[Zz+]", fullmatch=True))
def test_text_that_only_looks_usual_is_not_read_by_the_tables(text: str) -> None:
    try:
        expected = datetime.fromisoformat(text).timestamp() if USUAL.fullmatch(text) and text[11:13] != "24" else None
    except ValueError:
        expected = None
    assert timestamps._usual(text) == (None if expected is None else pytest.approx(expected, abs=1e-6))


def test_a_peer_that_names_every_day_of_a_century_fills_no_memory() -> None:
    for day in range(40_000):
        seconds(f"{datetime.fromordinal(700_000 + day):%Y-%m-%d}T00:00:00Z")
    assert len(timestamps._DAYS) <= timestamps._DAYS_LIMIT
