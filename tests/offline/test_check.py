"""Judging a recording again gives the findings of the live recording."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from inspector import records
from inspector.formats.inputs import open_input
from inspector.offline.check import check
from inspector.recorder.start import start_recorder

NOW_NS, SECOND = 1_767_268_800_000_000_000, 10**9
FACTS: records.SessionFacts = {
    "charge_point_id": "CP1",
    "subprotocol": "ocpp2.0.1",
    "subprotocols_offered": ["ocpp2.0.1"],
}
STARTED = (
    '[2,"%s","TransactionEvent",{"eventType":"Started","timestamp":"%s","triggerReason":'
    '"CablePluggedIn","seqNo":0,"transactionInfo":{"transactionId":"%s","chargingState":"EVConnected"},'
    '"evse":{"id":1,"connectorId":1}}]'
)


def _record(path: Path, ago_s: int, booted_s: int, transaction: str) -> None:
    """Write one run of a recorder on a machine that booted `booted_s` seconds earlier."""
    recorder = start_recorder(path, holder="test")
    at, up = NOW_NS - ago_s * SECOND, booted_s * SECOND
    now = datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    recorder.put(records.OpenRecord(1, at, up, FACTS))
    steps = [
        (True, '[2,"b","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}]'),
        (False, f'[3,"b",{{"status":"Accepted","currentTime":"{now}","interval":0}}]'),
        (True, STARTED % (transaction, now, transaction)),
        (False, f'[3,"{transaction}",{{}}]'),
    ]
    for number, (from_charge_point, raw) in enumerate(steps, 1):
        later = number * SECOND
        recorder.put(records.FrameRecord(1, at + later, up + later, from_charge_point, records.TEXT, raw.encode()))
    recorder.put(records.CloseRecord(1, at + 120 * SECOND, up + 120 * SECOND, {"closed_by": "csms"}))
    recorder.close()


def test_what_one_run_of_a_recorder_saw_is_not_held_against_the_next(tmp_path: Path) -> None:
    """Between two runs frames went unseen and the machine rebooted, so earlier transactions and clocks do not count."""
    path = tmp_path / "traffic.db"
    _record(path, 86_400, 900_000, "t1")
    _record(path, 0, 50, "t2")
    with sqlite3.connect(path) as db:
        stored = sorted(db.execute("SELECT rule_id, severity FROM findings"))
    again = check(record for record, _ in open_input(str(path))).findings
    assert sorted((entry.finding.rule_id, entry.finding.severity.value) for entry in again) == stored
    assert [entry for entry in stored if entry[1] != "info"] == [("boot.no-status", "warning")] * 2
