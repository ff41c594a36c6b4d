"""A shadow that never reads, resets or floods costs the primary no time, and the proxy a bounded amount of memory."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles

import pytest

from tests.processes import Program
from tests.proxy.test_scale import rss_kib
from tests.shadow.shadow_bench import ChargePoint, Csms, charge_point, listening, proxy

HOSTILE = Path(__file__).with_name("hostile_shadow.py")
CALLS = 3000
MOST_GROWTH_KIB = 48 * 1024


@contextlib.contextmanager
def hostile(mode: str) -> Iterator[str]:
    with Program(argv=[sys.executable, HOSTILE, mode]) as program:
        yield program.wait_for(r"listening on (ws://\S+)")[1]


async def timed(one: ChargePoint) -> float:
    began = time.perf_counter()
    await one.call("Heartbeat", {})
    return 1000 * (time.perf_counter() - began)


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.parametrize("mode", ["never-reads", "resets", "floods"])
async def test_the_primary_answers_as_fast_as_without_a_hostile_shadow(tmp_path: Path, mode: str) -> None:
    with hostile(mode) as candidate:
        async with (
            listening(Csms()) as upstream,
            proxy(upstream, tmp_path / "alone.db", "-q") as (_, alone),
            proxy(upstream, tmp_path / "shadow.db", "-q", "--shadow", f"*={candidate}") as (program, beside),
            charge_point(alone) as without,
            charge_point(beside) as with_shadow,
        ):
            for one in (without, with_shadow):
                await one.charge()
            before = rss_kib(program.process.pid)
            took: dict[ChargePoint, list[float]] = {without: [], with_shadow: []}
            for _ in range(CALLS):  # in turn, so that both meet the same load of the machine
                for one, times in took.items():
                    times.append(await timed(one))
            grown = rss_kib(program.process.pid) - before
    p99 = {one: quantiles(times, n=100)[98] for one, times in took.items()}
    p50 = {one: quantiles(times, n=100)[49] for one, times in took.items()}
    print(
        f"{mode}: p50 {p50[without]:.2f} ms without, {p50[with_shadow]:.2f} ms with;"
        f" p99 {p99[without]:.2f} ms without, {p99[with_shadow]:.2f} ms with; grown by {grown / 1024:.1f} MiB"
    )
    assert p99[with_shadow] < 1.5 * p99[without] + 1.0
    assert grown < MOST_GROWTH_KIB
    with contextlib.closing(sqlite3.connect(tmp_path / "shadow.db")) as db:
        (frames,) = db.execute("SELECT frame_count FROM sessions WHERE id = 1").fetchone()
    assert frames >= 2 * CALLS


@pytest.mark.system
async def test_a_flood_of_a_shadow_is_read_slowly_and_recorded(tmp_path: Path) -> None:
    with hostile("floods") as candidate:
        async with (
            listening(Csms()) as upstream,
            proxy(upstream, tmp_path / "t.db", "-q", "--shadow", f"*={candidate}") as (_, url),
            charge_point(url) as one,
        ):
            await one.charge()
            await asyncio.sleep(2)
            assert await timed(one) < 1000
    with contextlib.closing(sqlite3.connect(tmp_path / "t.db")) as db:
        (read,) = db.execute("SELECT count(*) FROM frames WHERE session_id = 2 AND from_csms").fetchone()
        (made,) = db.execute("SELECT count(*) FROM events WHERE kind = 'intervention'").fetchone()
    assert 50 < read < 400 and 50 < made <= read
