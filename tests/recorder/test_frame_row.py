"""The generated columns of a frame agree with its message, however the JSON is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inspector import records
from inspector.offline.store_records import store
from inspector.protocol.messages import Call, CallResult, parse
from inspector.store.files.connection import open_recording
from inspector.store.writing.writer import Writer

WRITTEN = {
    '[2,"1","Heartbeat",{}]': 1,
    '[3,"1",{"currentTime":"2026-01-01T12:00:00Z"}]': 1,
    '[2,"a-b","DataTransfer",{"vendorId":"]\\",[3","data":"{}"}]': 3,
    '[2,"ü☂😀","DataTransfer",{"vendorId":"ü☂😀"}]': 3,
    '[3,"ü☂😀",{"status":"😀"}]': 3,
    '[2,"x","' + "A" * 300 + '",{}]': None,
    '[2, "1", "Heartbeat", {}]': None,
    '[2,"1","Heartbeat",{}] ': None,
    ' [3,"1",{}]': None,
    '[3,"\\u0041",{}]': None,
    '[2,"a\\"b","Heartbeat",{}]': None,
    '[2,"1","Heart\\u0062eat",{}]': None,
    '[2,17,"Heartbeat",{}]': None,
    '[3,"1",{},{}]': None,
    '[2,"1","Heartbeat",{},1]': None,
    '[2,"1","Heartbeat",{"a":1,"a":2}]': None,
    '[3,"1",[]]': None,
    '[3,"' + "x" * 40 + '",{}]': None,
}
"""What may cross the wire, with the length of its id where payload and id are cut out by it."""


@pytest.mark.parametrize("raw", WRITTEN, ids=lambda raw: raw[:30])
def test_payload_and_message_id_are_those_of_the_message(tmp_path: Path, raw: str) -> None:
    steps = [
        records.OpenRecord(1, 1, 1, {"charge_point_id": "CP1", "subprotocol": "ocpp1.6"}),
        records.FrameRecord(1, 2, 2, True, records.TEXT, raw.encode()),
    ]
    store(steps, Writer(tmp_path / "a.db", tool_version="0"))
    db = open_recording(tmp_path / "a.db")
    kept, id_length, message_id, payload = db.execute(
        "SELECT raw, id_length, message_id, payload FROM frames"
    ).fetchone()
    message = parse(raw.encode())
    assert isinstance(message, Call | CallResult)
    assert (kept, id_length, message_id) == (raw, WRITTEN[raw], message.message_id)
    assert json.loads(payload) == message.payload
