"""Long proof of everything together: reconnects, a flood, readers, kills of the recorder, rotation."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pytest

from inspector.store.files.rotation import segments
from tests.processes import Program

from .test_fairness import ROOT, told, tool
from .test_scale import files_of, rss_kib

SECONDS = float(os.environ.get("MIXED_SECONDS", "30"))
"""Ten minutes by `make soak`."""
SETTLED = 0.4
"""The share of the time after which memory is looked at, and no recorder is killed any more: its memory begins anew."""
GROWTH_KIB_PER_MINUTE = 1024

pytestmark = [pytest.mark.long, pytest.mark.alone, pytest.mark.timeout(SECONDS + 240)]


def recorder_of(relay: int) -> int | None:
    """Return the recorder's process, or None while a new one starts."""
    found = Path(f"/proc/{relay}/task/{relay}/children").read_text().split()
    return int(found[0]) if len(found) == 1 else None


async def keep_killing(relay: int, until: float) -> int:
    """Kill the recorder now and then; return how many times."""
    kills = 0
    pause = max(6.0, SECONDS * SETTLED / 5)
    while time.monotonic() + pause < until:
        await asyncio.sleep(pause)
        if recorder := recorder_of(relay):
            with suppress(ProcessLookupError):
                os.kill(recorder, signal.SIGKILL)
                kills += 1
    return kills


async def keep_reading(path: Path, until: float) -> None:
    """Export the recording over and over, and discard the output."""
    while time.monotonic() < until:
        reader = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "inspector", "export", str(path)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await reader.wait()
        await asyncio.sleep(0.5)


async def measured(relay: int, after: float, until: float) -> dict[str, list[tuple[float, int]]]:
    """Return the resident memory of relay and recorder once a second, as (minutes, KiB)."""
    found: dict[str, list[tuple[float, int]]] = {"relay": [], "recorder": []}
    while (now := time.monotonic()) < until:
        if now > after:
            recorder = recorder_of(relay)
            with suppress(OSError, AssertionError):
                found["relay"].append((now / 60, rss_kib(relay)))
                if recorder:
                    found["recorder"].append((now / 60, rss_kib(recorder)))
        await asyncio.sleep(1)
    return found


def stored(path: Path) -> Counter[str]:
    """Return the number of frames by charge point, over all files."""
    found: Counter[str] = Counter()
    sql = "SELECT charge_point_id, count(*) FROM frames JOIN sessions ON sessions.id = session_id GROUP BY 1"
    for file in segments(path):
        with closing(sqlite3.connect(file)) as db:
            assert db.execute("PRAGMA quick_check").fetchall() == [("ok",)]
            found.update(dict(db.execute(sql).fetchall()))
    return found


async def test_mixed_load_with_everything_at_once_loses_no_frame_of_the_decent(tmp_path: Path) -> None:
    """Every frame of the normal charge points is stored once, memory does not grow, and no file stays open."""
    path = tmp_path / "t.db"
    with Program(argv=tool("csms"), cwd=ROOT) as csms, Program(argv=tool("csms"), cwd=ROOT) as flooded:
        ports = [await asyncio.to_thread(one.wait_for, r"listening on (\d+)") for one in (csms, flooded)]
        upstream, route = (f"ws://127.0.0.1:{found[1]}" for found in ports)
        argv = ("--upstream", upstream, "--route", f"/flood={route}", "--listen", "127.0.0.1:0")
        with Program("proxy", *argv, "--db", path, "--rotate", f"{max(5, round(SECONDS / 10))}s") as proxy:
            url = (await asyncio.to_thread(proxy.wait_for, r"listening on (ws://\S+)"))[1]
            await asyncio.to_thread(proxy.wait_for, "relaying to")
            relay = proxy.process.pid
            open_before = files_of(relay)
            began = time.monotonic()
            settled, over = began + SECONDS * SETTLED, began + SECONDS
            with Program("tail", path):
                seen, came, _, memory, kills, _ = await asyncio.gather(
                    told("decent", url, SECONDS, timeout=SECONDS + 120),
                    told("churn", url, SECONDS, timeout=SECONDS + 120),
                    told("flood", "junk", f"{url}/flood/junk", SECONDS, timeout=SECONDS + 120),
                    measured(relay, settled, over),
                    keep_killing(relay, settled),
                    keep_reading(path, over),
                )
            for _ in range(600):  # until the last frames of the flooder are stored
                if files_of(relay) == open_before:
                    break
                await asyncio.sleep(0.1)
            open_after = files_of(relay)
            assert await asyncio.to_thread(proxy.stop, timeout=120) == 0, proxy.report()
    found = stored(path)
    assert kills >= 1
    assert len(segments(path)) >= 3
    assert {name: found[name] for name in seen["frames"]} == seen["frames"], proxy.report()
    assert {name: found[name] for name in came["frames"]} == came["frames"], proxy.report()
    assert open_after == open_before
    minutes = {
        who: [round(kib / 1024) for at, kib in points[:: max(1, len(points) // 12)]] for who, points in memory.items()
    }
    slopes = {who: statistics.linear_regression(*zip(*points, strict=True)).slope for who, points in memory.items()}
    print(
        f"\n{SECONDS:.0f} s: {came['connects']} connects, {kills} kills, {len(segments(path))} files,"
        f" {sum(found.values())} frames, p99 {seen['p99']:.3f} s, max {seen['max']:.3f} s,"
        f" KiB a minute: {slopes['relay']:.0f} relay, {slopes['recorder']:.0f} recorder; MiB over time: {minutes}"
    )
    if SECONDS >= 300:  # in a shorter run caches are still filling
        assert max(slopes.values()) < GROWTH_KIB_PER_MINUTE, slopes
