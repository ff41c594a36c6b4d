"""Load: a long session at speed max, and a thousand charge points from one process."""

from __future__ import annotations

import asyncio
import json
import os
import time
import uuid
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from inspector.replay.runs import Choices, as_charge_point, as_many_charge_points
from inspector.replay.script import read
from tests.processes import Program
from tests.replay.parties import sessions

pytestmark = [pytest.mark.long, pytest.mark.alone, pytest.mark.timeout(300)]

CALLS = 5000
METER_VALUES = {
    "connectorId": 1,
    "meterValue": [{"timestamp": "2026-01-01T12:00:00Z", "sampledValue": [{"value": "1000", "unit": "Wh"}] * 3}],
}


def long_session(path: Path) -> list[tuple[str, dict[str, object]]]:
    """Write a session of 10,000 frames, one per line; return its CALLs."""
    calls: list[tuple[str, dict[str, object]]] = [
        ("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    ]
    calls += [("MeterValues", METER_VALUES) for _ in range(CALLS - 1)]
    lines = []
    for number, (action, payload) in enumerate(calls):
        boot = {"status": "Accepted", "currentTime": "2026-01-01T12:00:00Z", "interval": 300}
        lines.append(json.dumps([2, f"m{number}", action, payload]))
        lines.append(json.dumps([3, f"m{number}", boot if number == 0 else {}]))
    path.write_text("\n".join(lines) + "\n")
    return calls


async def plain_client(url: str, calls: list[tuple[str, dict[str, object]]]) -> float:
    """Send the same CALLs, each after the previous answer; return the seconds it took."""
    protocols = ["ocpp1.6"]
    async with connect(f"{url}/PLAIN", subprotocols=protocols, proxy=None) as socket:  # type: ignore[arg-type]
        began = time.monotonic()
        for action, payload in calls:
            await socket.send(json.dumps([2, str(uuid.uuid4()), action, payload]))
            assert json.loads(await socket.recv())[0] == 3
        return time.monotonic() - began


async def test_ten_thousand_frames_take_at_most_twice_as_long_as_a_plain_client_needs(tmp_path: Path) -> None:
    """Both use one CSMS in a separate process, alternately; the best of three runs counts."""
    path = tmp_path / "long.txt"
    calls = long_session(path)
    plain, replayed = [], []
    with Program("csms", "--listen", "127.0.0.1:0", "--no-page", "--quiet") as csms:
        url = csms.wait_for(r"csms at (ws://\S+)")[1]
        for number in range(3):
            plain.append(await plain_client(url, calls))
            [script] = read(str(path))
            assert len(script.frames) == 2 * CALLS
            outcome = await as_charge_point(script, url, Choices(identity=f"LONG-{number}"))
            assert outcome.equal, outcome.sentences()[:3]
            replayed.append(outcome.seconds)
    ratio = min(replayed) / min(plain)
    print(f"plain {min(plain):.2f} s, replayed {min(replayed):.2f} s, {ratio:.2f} times as long")
    assert ratio <= 2


async def test_a_thousand_charge_points_at_once_run_from_one_process() -> None:
    [script] = sessions("charging-1.6")
    ended: list[bool] = []
    with Program("csms", "--listen", "127.0.0.1:0", "--no-page", "--quiet") as csms:
        url = csms.wait_for(r"csms at (ws://\S+)")[1]
        choices = Choices(timeout_s=60)
        outcomes = await asyncio.wait_for(
            as_many_charge_points(script, url, choices, 1000, lambda outcome: ended.append(outcome.equal)), 240
        )
    wrong = [outcome.sentences()[:2] for outcome in outcomes if not outcome.equal]
    longest = max(outcome.seconds for outcome in outcomes)
    print(f"{len(outcomes)} charge points in {longest:.1f} s on {os.cpu_count()} CPUs")
    assert len(ended) == 1000
    assert wrong == []
