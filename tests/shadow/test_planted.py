"""Ten faults planted in a live shadow: each one is in the report of the recording, with frame and field."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.forked import chargesentinel
from tests.shadow.shadow_bench import ACCEPTED, NOW, Csms, charge_point, eventually, shadowed

pytestmark = pytest.mark.system

BOOTED = {"currentTime": NOW, "interval": 300, "status": "Accepted"}
BLOCKED = {"idTagInfo": {"status": "Blocked"}}
PLANTED: dict[str, tuple[Csms, tuple[Any, ...]]] = {
    # name: the shadow, and (kind, action, pointer, at the primary, at the shadow)
    "blocked token": (Csms(Authorize=BLOCKED), ("differs", "Authorize", "/2/idTagInfo/status", "Accepted", "Blocked")),
    "other interval": (
        Csms(BootNotification={**BOOTED, "interval": 60}),
        ("differs", "BootNotification", "/2/interval", 300, 60),
    ),
    "missing field": (Csms(Authorize={}), ("differs", "Authorize", "/2/idTagInfo", ACCEPTED["idTagInfo"], None)),
    "slower": (Csms(), ("late", "Authorize", None, "latency", "latency")),
    "no answer": (Csms(Heartbeat=lambda _: None), ("missing", "Heartbeat", None, "CALLRESULT", None)),
    "other status": (
        Csms(StopTransaction=BLOCKED),
        ("differs", "StopTransaction", "/2/idTagInfo/status", "Accepted", "Blocked"),
    ),
    "extra CALL": (Csms(), ("extra-call", "Reset", None, None, {"type": "Hard"})),
    "rejected boot": (
        Csms(BootNotification={**BOOTED, "status": "Rejected"}),
        ("differs", "BootNotification", "/2/status", "Accepted", "Rejected"),
    ),
    "wrong type": (
        Csms(StartTransaction={"transactionId": "7", **ACCEPTED}),
        ("differs", "StartTransaction", "/2/transactionId", 7, "7"),
    ),
    "closed socket": (Csms(), ("closed", None, None, "open", "closed with code 1011 planted")),
}
PLANTED["slower"][0].delay_s["Authorize"] = 1.5
PLANTED["extra CALL"][0].asks_after["StopTransaction"] = [2, "own", "Reset", {"type": "Hard"}]
PLANTED["closed socket"][0].closes_after = "Authorize"


@pytest.mark.parametrize("name", PLANTED)
async def test_a_fault_of_a_live_shadow_is_in_the_report(tmp_path: Path, name: str) -> None:
    shadow, (kind, action, pointer, primary, at_shadow) = PLANTED[name]
    db = tmp_path / "traffic.db"
    async with shadowed(Csms(), shadow, db, "-q") as (_, url, _), charge_point(url) as one:
        await one.charge()
        await eventually(lambda: "Heartbeat" in shadow.actions(), 20)
    done = chargesentinel("shadow", "report", db, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    (difference,) = [one for one in found["differences"] if (one["kind"], one["action"]) == (kind, action)]
    assert difference["pointer"] == pointer
    if kind != "late":
        assert (difference["primary"], difference["shadow"]) == (primary, at_shadow)
    others = [one for one in found["differences"] if one is not difference]
    assert not others, others
    with contextlib.closing(sqlite3.connect(db)) as connection:
        sql = "SELECT session_id, action FROM frames WHERE id = ?"
        for frame, session in ((difference["primary_frame"], 1), (difference["shadow_frame"], 2)):
            if frame is not None:
                of_session, of_action = connection.execute(sql, (frame,)).fetchone()
                assert of_session == session and action in (None, of_action)
