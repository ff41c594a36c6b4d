"""Long proof: whatever one charge point floods the proxy with, the others lose no frame and wait no longer."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.processes import Program

from .floods import KINDS

pytestmark = [pytest.mark.long, pytest.mark.alone, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
SECONDS = 5
P99_S, MOST_S = 0.25, 1.0
"""How long a call of a decent charge point may take, above what it takes on this machine without a flood."""


def tool(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.proxy.floods", *map(str, arguments)]


async def told(*arguments: object, timeout: float = 200) -> dict[str, Any]:
    """Run one of the two sides to its end and return what it printed."""
    process = await asyncio.create_subprocess_exec(*tool(*arguments), cwd=ROOT, stdout=subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), timeout)
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(out)
    return found


async def run(path: Path, kinds: tuple[str, ...], *more: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Let normal charge points call while others flood; return the results of both once everything is stored."""
    with Program(argv=tool("csms"), cwd=ROOT) as csms, Program(argv=tool("csms"), cwd=ROOT) as flooded:
        ports = [await asyncio.to_thread(one.wait_for, r"listening on (\d+)") for one in (csms, flooded)]
        upstream, route = (f"ws://127.0.0.1:{found[1]}" for found in ports)
        argv = ("--upstream", upstream, "--route", f"/flood={route}", "--listen", "127.0.0.1:0", "--db", path, *more)
        with Program("proxy", *argv) as proxy:
            url = (await asyncio.to_thread(proxy.wait_for, r"listening on (ws://\S+)"))[1]
            floods = [asyncio.create_task(told("flood", kind, f"{url}/flood/{kind}", SECONDS + 2)) for kind in kinds]
            await asyncio.sleep(1)
            seen = await told("decent", url, SECONDS)
            sent = [await flood for flood in floods]
            # At its end the proxy stores everything that waits, however long that takes.
            seen["exit code"] = await asyncio.to_thread(proxy.stop, timeout=120)
            assert seen["exit code"] in (0, 1), proxy.report()
    return seen, sent


def assert_stored(path: Path, seen: dict[str, Any], sent: list[dict[str, Any]]) -> None:
    """Fail unless every frame of the normal charge points is stored, and the flooders' gaps cover what they lack."""
    of_session = "JOIN sessions ON sessions.id = session_id"
    with closing(sqlite3.connect(path)) as db:
        stored = dict(db.execute(f"SELECT charge_point_id, count(*) FROM frames {of_session} GROUP BY 1").fetchall())
        gaps = dict(
            db.execute(
                f"SELECT charge_point_id, sum(detail ->> '$.frames') FROM events LEFT {of_session}"
                " WHERE kind = 'gap' GROUP BY 1"
            ).fetchall()
        )
    assert {name: stored.get(name, 0) for name in seen["frames"]} == seen["frames"]
    assert gaps.keys() <= {flood["kind"] for flood in sent}
    assert seen["exit code"] == (1 if gaps else 0)
    for flood in sent:
        if flood["kind"] not in ("pings", "calls"):  # pings are stored as events, and calls have answers
            assert 0 < stored[flood["kind"]] + gaps.get(flood["kind"], 0) <= flood["sent"]


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what normal charge points measure on this machine while nobody floods."""
    with asyncio.Runner() as runner:  # `asyncio.run` refuses where a browser of this worker is open
        return runner.run(run(tmp_path_factory.mktemp("quiet") / "t.db", ()))[0]


@pytest.mark.parametrize("kinds", [*((kind,) for kind in KINDS), KINDS], ids=[*KINDS, "all at once"])
async def test_calls_of_decent_charge_points_are_answered_and_stored_beside_a_flood(
    tmp_path: Path, quiet: dict[str, Any], kinds: tuple[str, ...]
) -> None:
    seen, sent = await run(tmp_path / "t.db", kinds)
    print(f"\n{'+'.join(kinds)}: {seen['calls']} calls, p99 {seen['p99']:.3f} s, max {seen['max']:.3f} s", end="")
    assert_stored(tmp_path / "t.db", seen, sent)
    assert seen["p99"] < P99_S + quiet["p99"]
    assert seen["max"] < MOST_S + quiet["max"]


async def test_slow_recorder_slows_only_who_floods_where_recording_is_required(
    tmp_path: Path, quiet: dict[str, Any]
) -> None:
    seen, sent = await run(tmp_path / "t.db", ("junk",), "--require-recording")
    assert_stored(tmp_path / "t.db", seen, sent)
    assert seen["p99"] < P99_S + quiet["p99"]
    with closing(sqlite3.connect(tmp_path / "t.db")) as db:
        assert db.execute(
            "SELECT count(*) FROM sessions WHERE closed_by = 'proxy' AND charge_point_id LIKE 'D%'"
        ).fetchone() == (0,)
