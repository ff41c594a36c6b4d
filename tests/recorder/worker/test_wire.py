"""Messages between relay and recorder arrive unchanged, with the same types."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from inspector import records
from inspector.recorder.recorder import CommitFigures, FirstFinding, StoredCounts
from inspector.recorder.worker import wire
from inspector.rules.finding import Severity
from inspector.rules.settings import Settings

NUMBER = st.integers(0, 2**63 - 1)
TEXT = st.text(st.characters())  # includes lone surrogates, which peers can send
VALUE = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | st.binary()
DETAIL = st.dictionaries(TEXT, st.recursive(VALUE, st.lists))
STAMPS = (NUMBER, NUMBER, NUMBER)
FRAME = (*STAMPS, st.booleans(), st.sampled_from([records.TEXT, records.BINARY]), st.binary(), st.none() | DETAIL)
RECORD = st.one_of(
    *(st.builds(kind, *STAMPS, DETAIL) for kind in (records.OpenRecord, records.CloseRecord, records.ReopenRecord)),
    st.builds(records.FrameRecord, *FRAME),
    st.builds(records.SetAsideRecord, *FRAME),
    st.builds(records.EventRecord, *STAMPS, TEXT, DETAIL),
    st.builds(records.GapRecord, *STAMPS, NUMBER, NUMBER, DETAIL),
)
COUNTS = st.builds(StoredCounts, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER)
FIGURES = st.builds(CommitFigures, NUMBER, st.floats(0, 1e9), st.dictionaries(TEXT, NUMBER), NUMBER)
SETTINGS = st.builds(Settings, severity=st.dictionaries(TEXT, st.sampled_from(Severity)), disabled=st.frozensets(TEXT))
MESSAGE = st.one_of(
    st.builds(wire.Setup, DETAIL, SETTINGS, DETAIL, st.none() | NUMBER),
    st.builds(wire.Store, NUMBER, st.lists(RECORD), st.booleans()),
    st.builds(wire.Reopen, st.lists(st.builds(records.ReopenRecord, *STAMPS, DETAIL))),
    st.builds(wire.Ready, NUMBER, NUMBER, COUNTS),
    st.builds(wire.Refused, TEXT, TEXT, st.none() | TEXT),
    st.builds(wire.Moved, TEXT),
    st.builds(wire.Taken, NUMBER, st.dictionaries(NUMBER, st.floats(0, 1e9))),
    st.builds(wire.Committed, NUMBER, COUNTS, FIGURES, NUMBER),
    st.builds(wire.Found, st.lists(st.builds(FirstFinding, TEXT, TEXT, TEXT, TEXT, TEXT))),
    st.builds(wire.Finished, NUMBER, COUNTS, NUMBER),
    st.sampled_from([wire.Finish(), wire.Failing()]),
)


def types(value: Any) -> Any:
    """Return the types within a message, because named tuples of different types can be equal."""
    return (type(value), [types(one) for one in value]) if isinstance(value, list | tuple) else type(value)


@given(st.lists(MESSAGE, max_size=4), st.integers(1, 50))
def test_messages_arrive_as_they_were_sent_in_whatever_chunks(messages: list[wire.Message], size: int) -> None:
    sent = b"".join(map(wire.encode, messages))
    decoder = wire.Decoder()
    arrived = [one for at in range(0, len(sent), size) for one in decoder.feed(sent[at : at + size])]
    assert arrived == messages
    assert types(arrived) == types(messages)
