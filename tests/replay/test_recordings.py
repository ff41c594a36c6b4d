"""Our recordings, replayed from both sides against the peers they were made with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from inspector.replay.outcome import Outcome
from inspector.replay.text_report import excerpt
from tests.replay.parties import NAMES, played_as_charge_point, played_as_csms

AT_ONCE = 24
"""The charge points run at 60 times the usual speed: a second that this process loses is a minute for them."""


def assert_equal(outcomes: list[Outcome]) -> None:
    """Fail with an excerpt unless every session was replayed as recorded."""
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
    """Every recording is replayed twenty times from both sides, many at the same time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(play: Callable[[str], Awaitable[list[Outcome]]], name: str) -> list[Outcome]:
        async with gate:
            return await play(name)

    replays = [one(play, name) for name in NAMES for play in (played_as_charge_point, played_as_csms)]
    for outcomes in await asyncio.gather(*replays):
        assert_equal(outcomes)
