"""Whatever happens to derived rows, files and the recorder: every frame is stored once, or counted with its file."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspector import records
from inspector.recorder.start import start_recorder
from inspector.rules.feed import Feed
from inspector.rules.finding import Severity
from inspector.rules.settings import Settings
from tests.recorder.life_of_a_recording import NOW, Chance, Life

POINTS = st.sampled_from(["CP1", "CP2"])
_STEPS = {
    "say": st.tuples(st.just("say"), POINTS, st.integers(1, 12)),
    "connect": st.tuples(st.just("connect"), POINTS),
    "close": st.tuples(st.just("close"), POINTS),
    **{what: st.tuples(st.just(what)) for what in ("commit", "deliver", "tick", "rotate", "delete", "kill")},
}
PLANS = st.lists(st.one_of(*[_STEPS["say"]] * 3, *_STEPS.values()), max_size=25)
SHARES = st.sampled_from([0.0, 0.02, 0.3, 1.0])
SLOW = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large)


def live(folder: Path, plan: list[tuple[Any, ...]], *, rotate: bool, seed: int, share: float) -> None:
    """Run a plan; fail if a frame is missing or stored twice."""
    for file in folder.iterdir():
        file.unlink()
    chance = Chance(seed, share)
    with chance.everywhere():
        life = Life(folder, rotate=rotate)
        for what, *given in plan:
            getattr(life, what)(*given)
        life.end()
    stored = Counter(raw for (raw,) in life.rows("SELECT raw FROM frames"))
    missing = Counter(life.sent) - stored
    assert stored - Counter(life.sent) == Counter(), "a frame is stored twice, or not as it came"
    assert missing.total() == life.gone == life.summary.lost
    assert life.summary.frames == stored.total()
    steps = {what for what, *_ in plan}
    if "delete" not in steps:
        assert not missing
    if not share and not {"delete", "kill"} <= steps:  # a file deleted while closed takes its gaps with it
        told = "SELECT total(detail ->> 'frames') FROM events WHERE kind = 'gap' AND session_id IS NULL"
        assert sum(frames for (frames,) in life.rows(told)) == life.gone
    assert life.rows("PRAGMA integrity_check") == [("ok",)] * len(life.files)
    if not any(where.startswith("UPDATE") for where in chance.failed):  # an UPDATE of references may fail too
        assert life.rows("PRAGMA foreign_key_check") == []
    counted = "SELECT total(frame_count), total(error_count) FROM sessions"
    errors = "SELECT total(count) FROM findings WHERE severity = 'error'"
    assert life.rows(counted) == [
        (frames, wrong)
        for (frames,), (wrong,) in zip(life.rows("SELECT count(*) FROM frames"), life.rows(errors), strict=True)
    ]


@settings(max_examples=25, suppress_health_check=SLOW)
@given(plan=PLANS, rotate=st.booleans(), seed=st.integers(0, 2**32), share=SHARES)
def test_every_frame_is_stored_once_whatever_happens_to_derived_rows_files_and_recorder(
    tmp_path: Path, plan: list[tuple[Any, ...]], rotate: bool, seed: int, share: float
) -> None:
    live(tmp_path, plan, rotate=rotate, seed=seed, share=share)


@pytest.mark.long
@pytest.mark.timeout(600)
@settings(max_examples=150, suppress_health_check=SLOW)
@given(plan=PLANS, rotate=st.booleans(), seed=st.integers(0, 2**32), share=SHARES)
def test_every_frame_of_many_plans_is_stored_once(
    tmp_path: Path, plan: list[tuple[Any, ...]], rotate: bool, seed: int, share: float
) -> None:
    live(tmp_path, plan, rotate=rotate, seed=seed, share=share)


def test_a_restart_leaves_the_counts_of_sessions_that_had_ended_before_it(tmp_path: Path) -> None:
    """A deadline may lead to a finding about a closed session, whose row is then written again."""
    with Chance(0, 0.0).everywhere():
        life = Life(tmp_path, rotate=False, settings=Settings(severity={"reset.no-boot": Severity.ERROR}))
        life.connect("CP1")
        life.hear("CP1", False, '[2,"r","Reset",{"type":"Soft"}]')
        life.hear("CP1", True, '[3,"r",{"status":"Accepted"}]')
        life.close("CP1")
        life.commit()
        life.kill()
        life.connect("CP1")
        life.deliver()
        life.tick()
        for _ in range(10):
            life.tick()
        life.hear("CP1", True, '[2,"h","Heartbeat",{}]')
        life.end()
    assert life.rows("SELECT rule_id FROM findings WHERE session_id = 1") == [("reset.no-boot",)]
    assert life.rows("SELECT frame_count, error_count FROM sessions WHERE id = 1") == [(2, 1)]


def test_what_cannot_be_read_back_after_a_restart_stops_no_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Chance(0, 0.0).everywhere():
        life = Life(tmp_path, rotate=False)
        life.say("CP1", 8)
        life.commit()
        monkeypatch.setattr(Feed, "frame", lambda *_: 1 / 0)
        life.kill()
        monkeypatch.undo()
        life.say("CP1", 8)
        life.end()
    assert life.rows("SELECT raw FROM frames ORDER BY id") == [(raw,) for raw in life.sent]
    assert "everything from before the restart (ZeroDivisionError" in caplog.text
    assert life.rows("SELECT frame_count FROM sessions") == [(16,)]


@pytest.mark.parametrize("how", ["ABORT", "FAIL", "ROLLBACK"])
def test_rows_that_another_program_keeps_out_are_counted_wherever_a_user_looks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    """Here a trigger rejects the rows; any program that has the file open can create one."""
    recorder = start_recorder(tmp_path / "traffic.db", holder="test")
    with closing(sqlite3.connect(tmp_path / "traffic.db", isolation_level=None)) as other:
        other.execute(f"CREATE TRIGGER t BEFORE INSERT ON findings BEGIN SELECT RAISE({how}, 'no'); END")
        recorder.put(records.OpenRecord(1, NOW, 0, {"charge_point_id": "CP1", "subprotocol": "ocpp1.6"}))
        for number in range(3):
            raw = f'[2,"{number}","Heartbeat",{{"{number}":1}}]'
            recorder.put(records.FrameRecord(1, NOW, number, True, records.TEXT, raw.encode()))
        summary = recorder.close()
        assert other.execute("SELECT count(*), sum(valid) FROM frames").fetchall() == [(3, 0)]
        (detail,) = other.execute("SELECT detail FROM events WHERE kind = 'fault'").fetchone()
    told = json.loads(detail)
    assert told == {"what": "rows not stored", "table": "findings", "rows": summary.dropped, "why": "IntegrityError"}
    assert (summary.frames, summary.lost, summary.findings, summary.errors) == (3, 0, 0, 0)
    assert summary.dropped >= 3 and recorder.status().dropped == summary.dropped
    assert f"{summary.dropped} derived rows could not be stored" in str(summary)
    assert caplog.text.count("a row of findings cannot be stored (IntegrityError)") == 1
