"""A recorder that counts traffic for metrics agrees with what it stores."""

from __future__ import annotations

import marshal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inspector.recorder.counted_pipeline import CountedPipeline
from inspector.recorder.traffic import BUCKETS_S, Traffic
from inspector.recorder.traffic_counts import OTHER
from inspector.recorder.worker import wire
from inspector.redaction.redactor import Redactor
from inspector.rules.settings import DEFAULTS
from tests.browse.charging import Recording, charge_201, charge_badly, charge_well
from tests.database import rows

type Write = Callable[[Recording], Any]


def counted(path: Path, write: Write, charge_points: int = 0) -> Traffic:
    recording = Recording(path)
    pipeline = recording.pipeline = CountedPipeline(recording.writer, DEFAULTS, Redactor(), charge_points)
    write(recording)
    recording.finish()
    return pipeline.counts.snapshot()


def all_sorts(recording: Recording) -> None:
    charge_well(recording, samples=5)
    charge_badly(recording)
    charge_201(recording, samples=3)
    link = recording.connect("CP-LOST")
    link.boot()
    link.call("Heartbeat", {})
    link.call("NoSuchAction", {}, error="NotImplemented")
    link.close(cp_close_code=None, closed_by="charge-point")


def test_calls_are_counted_by_action_direction_and_outcome_as_they_are_stored(tmp_path: Path) -> None:
    traffic = counted(tmp_path / "t.db", all_sorts)
    stored = rows(
        tmp_path / "t.db",
        """SELECT q.action, q.from_csms = 0, CASE a.msg_type WHEN 3 THEN 'result' ELSE 'error' END, count(*),
        sum(a.latency_us) FROM frames a JOIN frames q ON q.id = a.call_id GROUP BY 1, 2, 3""",
    )
    expected = {(OTHER if row[0] == "NoSuchAction" else row[0], bool(row[1]), row[2]): row[3:] for row in stored}
    answered = {key: kept for key, kept in traffic.calls.items() if key[2] != "unanswered"}
    assert {key: kept[0] for key, kept in answered.items()} == {key: count for key, (count, _) in expected.items()}
    for key, (count, ns, *buckets) in answered.items():
        assert ns / 1000 == pytest.approx(expected[key][1], abs=count)  # stored latencies are rounded down
        assert sum(buckets) == count
    assert (OTHER, True, "error") in answered
    silent = rows(
        tmp_path / "t.db",
        """SELECT action, from_csms = 0, count(*) FROM frames q WHERE msg_type = 2
        AND NOT EXISTS (SELECT 1 FROM frames WHERE call_id = q.id)
        AND session_id IN (SELECT id FROM sessions WHERE closed_ns IS NOT NULL) GROUP BY 1, 2""",
    )
    left = {key[:2]: kept[0] for key, kept in traffic.calls.items() if key[2] == "unanswered"}
    # A CALL whose message id was used again is not among the open ones.
    assert left.items() <= {(action, bool(up)): count for action, up, count in silent}.items()
    assert left["Heartbeat", True]
    boots = traffic.calls["BootNotification", True, "result"]
    assert boots[2 + BUCKETS_S.index(0.25)] == 3  # those of 1.6 took 142 ms


def test_findings_transactions_and_disconnects_agree_with_the_recording(tmp_path: Path) -> None:
    traffic = counted(tmp_path / "t.db", all_sorts)
    stored = rows(tmp_path / "t.db", "SELECT rule_id, severity, side, sum(count) FROM findings GROUP BY 1, 2, 3")
    assert traffic.findings == {row[:3]: row[3] for row in stored}
    charged = rows(tmp_path / "t.db", "SELECT stopped_ns FROM transactions")
    assert traffic.transactions_started == len(charged)
    assert traffic.transactions_active == sum(stopped is None for (stopped,) in charged)
    ended = rows(tmp_path / "t.db", "SELECT count(*) FROM sessions WHERE closed_ns IS NOT NULL")
    assert sum(traffic.disconnects.values()) == ended[0][0]
    assert traffic.disconnects["charge-point", "none"] == 1


def test_the_energy_is_that_of_the_transactions(tmp_path: Path) -> None:
    def write(recording: Recording) -> None:
        charge_well(recording, samples=5)
        charge_201(recording, samples=3)

    traffic = counted(tmp_path / "t.db", write)
    ((delivered,),) = rows(tmp_path / "t.db", "SELECT sum(meter_stop_wh - meter_start_wh) FROM transactions")
    assert traffic.energy_wh == pytest.approx(delivered, abs=1)  # the last sample is 1 Wh above meterStop
    assert delivered > 0


def test_a_late_sample_with_an_older_register_adds_no_energy(tmp_path: Path) -> None:
    def write(recording: Recording) -> None:
        link = recording.connect("CP-1")
        start = {"connectorId": 1, "idTag": "A", "meterStart": 1000, "timestamp": link.clock}
        link.call("StartTransaction", start, {"transactionId": 7, "idTagInfo": {"status": "Accepted"}})
        for register in ("1500", "1200", "1600"):
            sample = {"timestamp": link.clock, "sampledValue": [{"value": register}]}
            link.call("MeterValues", {"connectorId": 1, "transactionId": 7, "meterValue": [sample]}, {})

    traffic = counted(tmp_path / "t.db", write, 1)
    assert (traffic.energy_wh, traffic.transactions_active) == (600, 1)
    assert traffic.charge_points["CP-1"][3:5] == (600, 1)


def test_more_charge_points_than_the_limit_share_one_entry(tmp_path: Path) -> None:
    def write(recording: Recording) -> None:
        for number in range(5):
            link = recording.connect(f"CP-{number}")
            link.boot()
            if number == 4:
                link.close()

    traffic = counted(tmp_path / "t.db", write, 2)
    assert set(traffic.charge_points) == {"CP-0", "CP-1", OTHER}
    opened, calls, *_ = traffic.charge_points[OTHER]
    assert (opened, calls) == (2, {"result": 3})
    assert counted(tmp_path / "none.db", write).charge_points == {}


def test_the_figures_survive_the_way_to_the_relay(tmp_path: Path) -> None:
    traffic = counted(tmp_path / "t.db", all_sorts, 10)
    (arrived,) = wire.Decoder().feed(wire.encode(traffic))
    assert arrived == traffic
    assert marshal.dumps(tuple(traffic))


def test_a_restarted_recorder_knows_the_transactions_that_go_on(tmp_path: Path) -> None:
    def write(recording: Recording) -> None:
        link = recording.connect("CP-1")
        start = {"connectorId": 1, "idTag": "A", "meterStart": 1000, "timestamp": link.clock}
        link.call("StartTransaction", start, {"transactionId": 7, "idTagInfo": {"status": "Accepted"}})
        recording.commit()

    recording = Recording(tmp_path / "t.db")
    write(recording)
    again = CountedPipeline(recording.writer, DEFAULTS, Redactor(), 0)
    again.note_open_transactions(recording.writer.recording_id)
    assert again.counts.snapshot().transactions_active == 1
    assert again.counts.snapshot().transactions_started == 0
    recording.finish()
