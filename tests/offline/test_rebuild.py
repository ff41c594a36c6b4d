"""`rebuild` derives the same rows as the live recording, for a fleet and across a rotation."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from inspector.offline.rebuild import DERIVED, rebuild
from inspector.store.files.rotation import segments
from inspector.store.files.sealing import changing
from tests.recorder.test_rollover import charging
from tests.recorder.worker.test_supervisor import drained, frame, opened, started
from tests.waiting import until


def derived(path: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(path)) as db:
        return {table: db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in DERIVED}


def again(path: Path) -> dict[str, list[Any]]:
    with changing(path, "test") as db:
        rebuild(db, path, lambda frames: None)
    return derived(path)


METER = (
    '[2,"m{0}","MeterValues",{{"connectorId":1,"transactionId":77,"meterValue":[{{"timestamp":"2026-01-01T12:0{0}:00Z",'
    '"sampledValue":[{{"value":"{0}.5","unit":"kWh","context":"Sample.Clock"}},{{"value":"7","measurand":"Voltage"}}]}}]}}]'
)
STOP = '[2,"e","StopTransaction",{"transactionId":77,"meterStop":900,"timestamp":"2026-01-01T13:00:00Z"}]'


async def test_a_fleet_with_a_killed_recorder_is_derived_as_it_was_live(tmp_path: Path) -> None:
    path = tmp_path / "fleet.db"
    recorder = started(path)
    for link in range(1, 21):
        opened(recorder, link)
        charging(recorder, link)
    await drained(recorder)
    recorder._process.kill()
    for number in range(5):
        for link in range(1, 21):
            frame(recorder, link, True, METER.format(number))
            frame(recorder, link, False, f'[3,"m{number}",{{}}]')
    await drained(recorder)
    recorder.close()
    before = derived(path)
    assert [len(before[table]) for table in DERIVED] == [20, 20, 200]
    assert again(path) == before


async def test_what_began_in_the_file_before_is_kept(tmp_path: Path) -> None:
    """Boot and start of the transaction are in the first file, samples in both, the stop in the second."""
    path = tmp_path / "traffic.db"
    recorder = started(path, rotate="1s")
    opened(recorder, 1)
    charging(recorder, 1)
    frame(recorder, 1, True, METER.format(1))
    await until(lambda: len(segments(path)) > 1)
    frame(recorder, 1, True, METER.format(2))
    frame(recorder, 1, True, STOP)
    frame(recorder, 1, False, '[3,"e",{}]')
    await drained(recorder)
    recorder.close()
    first, second = segments(path)[:2]
    for file in (first, second):
        before = derived(file)
        assert again(file) == before
    (transaction,) = derived(second)["transactions"]
    assert 900.0 in transaction and 100.0 in transaction
    assert len(derived(second)["meter_samples"]) == 2
