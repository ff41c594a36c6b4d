"""At the limit every lost frame, event and session is counted, and the reports stay in order."""

from __future__ import annotations

from inspector import records
from inspector.recorder.worker.overflow import REASON, Overflow
from inspector.records import CloseRecord, GapRecord, OpenRecord


def test_what_is_lost_is_counted_by_session_and_told_before_its_end() -> None:
    overflow = Overflow(1000)
    frame = records.FrameRecord(1, 5, 5, True, records.TEXT, b"x")
    assert overflow.lose(frame, 1001) == []
    assert overflow.losing
    assert overflow.lose(records.FrameRecord(2, 6, 6, True, records.TEXT, b"x"), 1001) == []
    assert overflow.lose(records.EventRecord(2, 6, 6, "ping", {}), 1001) == []
    told = overflow.lose(records.CloseRecord(2, 7, 7, {}), 1001)
    assert [(type(record), record.session_number) for record in told] == [(GapRecord, 2), (CloseRecord, 2)]
    assert isinstance(told[0], GapRecord)
    assert told[0].frames == 1 and told[0].more == {"reason": REASON}
    # One session begins and ends during the loss, another begins and continues.
    overflow.lose(records.OpenRecord(3, 8, 8, {}), 1001)
    overflow.lose(records.FrameRecord(3, 8, 8, True, records.TEXT, b"x"), 1001)
    assert overflow.lose(records.CloseRecord(3, 9, 9, {}), 1001) == []
    overflow.lose(records.OpenRecord(4, 9, 9, {"charge_point_id": "CP4"}), 1001)
    overflow.lose(records.FrameRecord(4, 9, 9, True, records.TEXT, b"x"), 1001)
    whole, begun, *shares = overflow.end_gap(10, 10)
    assert whole == GapRecord(0, 10, 10, 4, 5, {"events": 1, "sessions": 1, "reason": REASON})
    assert isinstance(begun, OpenRecord) and begun.session_number == 4
    assert begun.facts == {"charge_point_id": "CP4", "from_start": False}
    assert [(share.session_number, share.frames, share.more) for share in shares if isinstance(share, GapRecord)] == [
        (1, 1, {"reason": REASON}),
        (4, 1, {"reason": REASON}),
    ]
    assert not overflow.losing and overflow.lost_all == 4
