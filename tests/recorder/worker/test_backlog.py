"""What waits for a recorder is neither lost nor sent in another order, whatever is acknowledged when."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from inspector import records
from inspector.recorder.worker.backlog import Backlog, size
from inspector.records import Record

KEEP, BATCH, ACKNOWLEDGE, AGAIN = range(4)


def _record(number: int) -> Record:
    """The records of sessions of seven, one after the other: open, five frames, close."""
    link, place = divmod(number - 1, 7)
    if place == 0:
        return records.opened(link, number, number, {"charge_point_id": f"CP{link}"})
    if place == 6:
        return records.closed(link, number, number, {"closed_by": "csms"})
    return records.frame(link, number, number, True, records.TEXT, b"x" * number)


@example([(KEEP, 7), (BATCH, 0), (ACKNOWLEDGE, 3), (AGAIN, 0), (BATCH, 0)])
@given(st.lists(st.tuples(st.sampled_from([KEEP, KEEP, KEEP, BATCH, ACKNOWLEDGE, AGAIN]), st.integers(0, 30))))
def test_it_holds_exactly_what_is_not_acknowledged_in_its_order(steps: list[tuple[int, int]]) -> None:
    backlog = Backlog()
    kept: list[Record] = []  # all that was ever kept, the first has the number 1
    sent = known = 0
    for step, amount in steps:
        if step == KEEP:
            for _ in range(amount):
                kept.append(_record(len(kept) + 1))
                backlog.keep(kept[-1])
        elif step == BATCH and sent < len(kept):
            first, batch = backlog.batch()
            assert (first, batch) == (sent + 1, kept[sent:])
            sent = len(kept)
        elif step == ACKNOWLEDGE:
            known = max(known, min(sent, known + amount))
            backlog.acknowledge(known)
        elif step == AGAIN:
            told = kept[:known]
            opened = [record[1] for record in told if record[0] == records.OPEN]
            closed = [record[1] for record in told if record[0] == records.CLOSE]
            assert [record[1] for record in backlog.send_again()] == [link for link in opened if link not in closed]
            sent = known
        waiting = kept[known:]
        assert len(backlog) == len(waiting)
        assert backlog.bytes == sum(map(size, waiting))
        assert backlog.frames == sum(record[0] == records.FRAME for record in waiting)
        assert backlog.acknowledged == known
