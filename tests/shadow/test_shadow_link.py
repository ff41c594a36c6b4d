"""What waits for all shadows together is bounded, whatever each single charge point may keep."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

import pytest

from inspector.proxy.shadows import shadow_link
from inspector.proxy.shadows.shadow_counts import ShadowCounts
from inspector.proxy.shadows.shadow_link import ShadowLink
from inspector.proxy.shadows.turns import Turns
from inspector.records import Record
from inspector.shadow.mirror import FULL, Mirror
from inspector.shadow.shadow_ids import ShadowIds

NAME = "ws://127.0.0.1:9"  # nobody listens there
CALL = b'[2,"1","DataTransfer",{"vendorId":"V","data":"' + b"x" * 1000 + b'"}]'


async def test_all_shadows_together_keep_a_bounded_amount(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow_link, "MOST_WAITING", 20_000)
    counts, records = ShadowCounts([NAME]), list[Record]()
    links = [
        ShadowLink(
            NAME,
            f"{NAME}/CP-{number}",
            {"charge_point_id": f"CP-{number}", "subprotocol": "ocpp1.6"},
            Mirror(ShadowIds()),
            headers={},
            context=None,
            put=records.append,
            number=lambda: 1,
            counts=counts,
            earlier=Counter(),
            turn=Turns(),
            say=lambda text: None,
            note=lambda detail: None,
        )
        for number in range(50)
    ]
    tasks = [asyncio.create_task(link.run()) for link in links]
    async with asyncio.timeout(10):
        while counts.failed[NAME] < len(links):
            await asyncio.sleep(0.01)
    for link in links:
        link.offer(True, CALL)
        await asyncio.sleep(0.001)
    assert 10_000 < counts.waiting_bytes[NAME] < 20_000 + 3 * len(CALL)
    for link, task in zip(links, tasks, strict=True):
        link.end(0)
        with suppress(asyncio.CancelledError):
            await task
    assert counts.lost[NAME, FULL] > 20 and counts.waiting_bytes[NAME] == 0
