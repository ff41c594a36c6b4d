"""A frame of millions of values does not delay the recorder: rules and derived tables read only the first ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inspector import records
from inspector.protocol.large_values import JUDGED_VALUES
from inspector.recorder.derived_tables import DerivedTables
from inspector.recorder.pipeline import Pipeline
from inspector.rules.judge import SessionJudge
from inspector.store.writing.writer import Writer

AT = '"2026-01-01T12:00:00Z"'
TRANSACTION = f'"eventType":"Updated","timestamp":{AT},"triggerReason":"MeterValuePeriodic","seqNo":1'
METER_VALUES = ("1.6", "MeterValues")
SHAPES = {
    "samples of 1.6": (
        "1.6",
        "MeterValues",
        '{"connectorId":1,"meterValue":[{"timestamp":%s,"sampledValue":[%s]}]}',
        "{}",
    ),
    "meter values": (
        "1.6",
        "MeterValues",
        '{"connectorId":1,"meterValue":[{"timestamp":%s,"sampledValue":[]},%s]}',
        "{}",
    ),
    "no objects": (*METER_VALUES, '{"connectorId":1,"x":%s,"meterValue":[%s]}', "null"),
    "samples of 2.x": (
        *("2.0.1", "TransactionEvent"),
        f'{{{TRANSACTION},"transactionInfo":{{"transactionId":"t"}},"meterValue":[{{"timestamp":%s,"sampledValue":[%s]}}]}}',
        '{"value":1}',
    ),
    "tokens": (
        *("2.0.1", "SendLocalList"),
        '{"versionNumber":1,"updateType":"Full","x":%s,"localAuthorizationList":[%s]}',
        '{"idToken":{"idToken":"1","type":"Central"}}',
    ),
}


def frame(name: str, size: int) -> tuple[str, bytes]:
    version, action, payload, unit = SHAPES[name]
    return version, f'[2,"1","{action}",{payload % (AT, ",".join([unit] * (size // (len(unit) + 1))))}]'.encode()


def recorded(path: Path, version: str, raw: bytes) -> Writer:
    writer = Writer(path, tool_version="0")
    pipeline = Pipeline(writer)
    pipeline.take(records.OpenRecord(1, 1, 1, {"charge_point_id": "CP1", "subprotocol": f"ocpp{version}"}))
    pipeline.take(records.FrameRecord(1, 2, 2, b"SendLocalList" not in raw, records.TEXT, raw))
    pipeline.commit()
    return writer


def test_of_a_million_samples_the_first_are_derived_and_the_frame_says_so(tmp_path: Path) -> None:
    version, raw = frame("samples of 1.6", 1_500_000)
    wrong = raw.replace(b"{}]}]}]", b'{"value":1}]}]}]')  # after the last value that is judged
    writer = recorded(tmp_path / "t.db", version, wrong)
    (samples,) = writer.db.execute("SELECT count(*) FROM meter_samples").fetchone()
    assert 0.9 * JUDGED_VALUES < samples < JUDGED_VALUES
    (note,) = writer.db.execute("SELECT detail ->> 'judged_values' FROM events WHERE kind = 'framing'").fetchone()
    assert note == JUDGED_VALUES
    assert writer.db.execute("SELECT raw, valid FROM frames").fetchall() == [(wrong.decode(), 0)], (
        "it is checked as a whole"
    )
    writer.close(clean=True)


@pytest.mark.long
@pytest.mark.parametrize("name", SHAPES)
def test_judging_and_deriving_twenty_megabytes_takes_less_than_a_second(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Less than a second of CPU time for any payload; an idle machine takes a third of that."""
    spent = {"judging": 0.0, "deriving": 0.0}

    def timed(owner: type, name: str, what: str) -> None:
        plain: Callable[..., Any] = getattr(owner, name)

        def measured(*args: Any) -> Any:
            begun = time.process_time()
            try:
                return plain(*args)
            finally:
                spent[what] += time.process_time() - begun

        monkeypatch.setattr(owner, name, measured)

    timed(SessionJudge, "frame", "judging")
    timed(DerivedTables, "derive", "deriving")
    recorded(tmp_path / "t.db", *frame(name, 20_000_000)).close(clean=True)
    assert 0 < sum(spent.values()) < 1, spent
