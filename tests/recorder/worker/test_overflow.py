"""At the limit every lost frame, event and session is counted, and the reports stay in order."""

from __future__ import annotations

from inspector import records
from inspector.recorder.worker.overflow import REASON, Overflow
from inspector.records import CLOSE, GAP, OPEN


def test_what_is_lost_is_counted_by_session_and_told_before_its_end() -> None:
    overflow = Overflow(1000)
    frame = records.frame(1, 5, 5, True, records.TEXT, b"x")
    assert overflow.take(frame, 1001) == []
    assert overflow.losing
    assert overflow.take(records.frame(2, 6, 6, True, records.TEXT, b"x"), 1001) == []
    assert overflow.take(records.event(2, 6, 6, "ping", {}), 1001) == []
    told = overflow.take(records.closed(2, 7, 7, {}), 1001)
    assert [record[:2] for record in told] == [(GAP, 2), (CLOSE, 2)]
    assert told[0][4] == 1 and told[0][6] == {"reason": REASON}
    # One session begins and ends unseen, one begins and stays.
    overflow.take(records.opened(3, 8, 8, {}), 1001)
    overflow.take(records.frame(3, 8, 8, True, records.TEXT, b"x"), 1001)
    assert overflow.take(records.closed(3, 9, 9, {}), 1001) == []
    overflow.take(records.opened(4, 9, 9, {"charge_point_id": "CP4"}), 1001)
    overflow.take(records.frame(4, 9, 9, True, records.TEXT, b"x"), 1001)
    whole, begun, *shares = overflow.resume(10, 10)
    assert whole[:2] == (GAP, 0) and whole[4:] == (4, 5, {"events": 1, "sessions": 1, "reason": REASON})
    assert begun[:2] == (OPEN, 4) and begun[4] == {"charge_point_id": "CP4", "from_start": False}
    assert [(share[1], share[4], share[6]) for share in shares] == [
        (1, 1, {"reason": REASON}),
        (4, 1, {"reason": REASON}),
    ]
    assert not overflow.losing and overflow.lost_all == 4
