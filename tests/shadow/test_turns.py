"""Shadows together take a bounded share of the event loop's time, but may work at once while they ask for little."""

from __future__ import annotations

import asyncio
from time import perf_counter, sleep

from inspector.proxy.shadows.turns import BURST_S, SHARE, Turns

WORK_S = 0.001


async def test_links_that_always_have_work_leave_the_relay_most_of_the_time() -> None:
    turns, worked, began = Turns(), 0.0, perf_counter()

    async def link() -> None:
        nonlocal worked
        while perf_counter() - began < 0.3:
            async with turns:
                at = perf_counter()
                sleep(WORK_S)  # the work of a link does not yield
                worked += perf_counter() - at

    await asyncio.gather(*(link() for _ in range(5)))
    assert worked <= SHARE * (perf_counter() - began) + BURST_S + 5 * WORK_S


async def test_a_link_with_little_to_do_need_not_wait() -> None:
    turns = Turns()
    for _ in range(5):
        await asyncio.sleep(0.01)
        began = perf_counter()
        async with turns:
            waited = perf_counter() - began
        assert waited < WORK_S


async def test_a_link_that_is_cancelled_while_it_waits_lets_the_others_go_on() -> None:
    turns = Turns()
    async with turns:
        sleep(0.02)
        waiting = asyncio.create_task(turns.__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
    async with asyncio.timeout(1), turns:
        pass
