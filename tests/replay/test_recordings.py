"""Our recordings, replayed from both sides against the very parties they were made with."""

from __future__ import annotations

import asyncio

import pytest

from inspector.replay.outcome import Outcome
from inspector.replay.text_report import excerpt
from tests.replay.parties import NAMES, played_as_charge_point, played_as_csms


def assert_equal(outcomes: list[Outcome]) -> None:
    """Every session was replayed as recorded; a failure shows the excerpt of the first that was not."""
    assert outcomes
    for outcome in outcomes:
        assert outcome.equal, excerpt(outcome)
        assert outcome.sent


@pytest.mark.parametrize("name", NAMES)
async def test_our_csms_does_as_recorded(name: str) -> None:
    assert_equal(await played_as_charge_point(name))


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
async def test_our_charge_point_does_as_recorded(name: str) -> None:
    assert_equal(await played_as_csms(name))


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("turn", range(20))
async def test_no_recording_ever_replays_differently(turn: int) -> None:
    """Twenty times in a row, every recording from both sides, all of them at once."""
    replays = [play(name) for name in NAMES for play in (played_as_charge_point, played_as_csms)]
    for outcomes in await asyncio.gather(*replays):
        assert_equal(outcomes)
