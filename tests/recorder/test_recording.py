"""Everything given to the recorder is stored: texts, pairs, findings and derived rows, up to the end."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlite_utils import Database

from inspector import records
from inspector.recorder.recorder import Recorder
from inspector.recorder.start import start_recorder
from inspector.store.schema import connect
from inspector.store.writing.pending_rows import NUMBERED, PendingRows
from tests.browse.charging import Recording
from tests.waiting import wait_until

MS = 1_000_000
NOW = 1_767_268_800_000_000_000

type Rows = list[dict[str, Any]]


class Recorded:
    """A recorder that the test feeds, and its file once it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recorder: Recorder = start_recorder(path, holder="test")
        self.clock = 0

    def open(self, link: int = 1, **facts: Any) -> None:
        known = {"charge_point_id": "CP1", "subprotocol": "ocpp1.6", "subprotocols_offered": ["ocpp1.6"]}
        self.recorder.put(records.OpenRecord(link, *self.tick(), known | facts))  # type: ignore[arg-type]

    def tick(self, ms: int = 10) -> tuple[int, int]:
        self.clock += ms * MS
        return NOW + self.clock, self.clock

    def frame(self, from_charge_point: bool, raw: str | bytes, opcode: int = records.TEXT, link: int = 1) -> None:
        payload = raw if isinstance(raw, bytes) else raw.encode()
        self.recorder.put(records.FrameRecord(link, *self.tick(), from_charge_point, opcode, payload))

    def close(self) -> None:
        self.summary = self.recorder.close()

    def rows(self, sql: str) -> Rows:
        db = sqlite3.connect(self.path)
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(sql)]


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    return Recorded(tmp_path / "traffic.db")


def test_an_answer_is_linked_to_its_call_with_the_latency_of_the_monotonic_clock(recorded: Recorded) -> None:
    recorded.open()
    recorded.frame(True, '[2,"a","Heartbeat",{}]')
    recorded.tick(40)
    recorded.frame(False, '[3,"a",{"currentTime":"2026-01-01T12:00:00Z"}]')
    recorded.close()
    call, answer = recorded.rows("SELECT * FROM frames ORDER BY id")
    assert (call["msg_type"], call["action"], call["call_id"], call["latency_us"]) == (2, "Heartbeat", None, None)
    assert (answer["msg_type"], answer["action"], answer["call_id"]) == (3, "Heartbeat", call["id"])
    assert answer["latency_us"] == 50_000
    assert (call["valid"], answer["valid"]) == (1, 1)


def test_ids_of_both_directions_do_not_meet(recorded: Recorded) -> None:
    """A CALL of the CSMS with the id of an open CALL of the charge point is another exchange."""
    recorded.open()
    recorded.frame(True, '[2,"1","Heartbeat",{}]')
    recorded.frame(False, '[2,"1","ClearCache",{}]')
    recorded.frame(True, '[3,"1",{"status":"Accepted"}]')
    recorded.frame(False, '[3,"1",{"currentTime":"2026-01-01T12:00:00Z"}]')
    recorded.close()
    pairs = recorded.rows("SELECT action, call_id FROM frames WHERE call_id IS NOT NULL ORDER BY id")
    assert pairs == [{"action": "ClearCache", "call_id": 2}, {"action": "Heartbeat", "call_id": 1}]


def test_a_fault_that_shows_later_marks_the_earlier_frame_in_the_same_commit(recorded: Recorded) -> None:
    """Only the boot shows that an earlier status came too early; both are often in the same batch."""
    recorded.open()
    recorded.frame(True, '[2,"a","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available"}]')
    boot = '{"chargePointVendor":"V","chargePointModel":"M"}'
    recorded.frame(True, f'[2,"b","BootNotification",{boot}]')
    recorded.close()
    (finding,) = recorded.rows("SELECT frame_id, severity FROM findings WHERE rule_id = 'boot.too-early'")
    (frame,) = recorded.rows(f"SELECT max_severity FROM frames WHERE id = {finding['frame_id']}")
    assert frame["max_severity"] == finding["severity"] == "error"


def test_a_fault_marks_its_frame_and_counts_on_its_session(recorded: Recorded) -> None:
    recorded.open()
    recorded.frame(True, '[2,"a","StatusNotification",{"connectorId":"1","errorCode":"NoError","status":"Available"}]')
    recorded.close()
    (frame,) = recorded.rows("SELECT valid, max_severity FROM frames")
    assert frame == {"valid": 0, "max_severity": "error"}
    finding = recorded.rows("SELECT * FROM findings WHERE rule_id = 'payload.schema'")[0]
    assert (finding["pointer"], finding["side"], finding["frame_id"]) == ("/3/connectorId", "charge_point", 1)
    errors = recorded.rows("SELECT count(*) AS n FROM findings WHERE severity = 'error'")[0]["n"]
    assert recorded.rows("SELECT error_count FROM sessions") == [{"error_count": errors}]


def test_a_fault_that_repeats_is_one_finding_with_a_count(recorded: Recorded) -> None:
    recorded.open()
    for number in range(5):
        recorded.frame(True, f'[2,"{number}","Heartbeat",{{"x":{number}}}]')
        recorded.frame(False, f'[3,"{number}",{{"currentTime":"2026-01-01T12:00:00Z"}}]')
    recorded.close()
    found = recorded.rows("SELECT count, frame_id, last_frame_id FROM findings WHERE rule_id = 'payload.schema'")
    assert found == [{"count": 5, "frame_id": 1, "last_frame_id": 9}]
    marked = recorded.rows("SELECT count(*) AS n FROM frames WHERE valid = 0")
    assert marked == [{"n": 5}]


def test_how_a_session_ended_is_kept_side_by_side(recorded: Recorded) -> None:
    recorded.open()
    facts: records.CloseFacts = {
        "cp_close_code": None,
        "csms_close_code": 1001,
        "csms_close_reason": "bye",
        "closed_by": "csms",
    }
    recorded.recorder.put(records.CloseRecord(1, *recorded.tick(), facts))
    recorded.close()
    (session,) = recorded.rows("SELECT * FROM sessions")
    assert (session["cp_close_code"], session["csms_close_code"], session["closed_by"]) == (None, 1001, "csms")
    assert session["closed_ns"] == NOW + recorded.clock
    assert recorded.rows("SELECT clean_close FROM recordings") == [{"clean_close": 1}]


def test_a_charge_point_without_a_subprotocol_is_told_by_its_boot(recorded: Recorded) -> None:
    recorded.open(subprotocol=None, subprotocols_offered=[])
    recorded.frame(True, '[2,"a","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]')
    recorded.close()
    assert recorded.rows("SELECT ocpp_version FROM sessions") == [{"ocpp_version": "1.6"}]


def test_charge_points_transactions_and_samples_are_derived_in_1_6(recorded: Recorded) -> None:
    recorded.open()
    for from_charge_point, raw in [
        (
            True,
            '[2,"1","BootNotification",{"chargePointVendor":"A","chargePointModel":"X","firmwareVersion":"1.2"}]',
        ),
        (False, '[3,"1",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":300}]'),
        (
            True,
            '[2,"2","StartTransaction",{"connectorId":2,"idTag":"T","meterStart":100,"timestamp":"2026-01-01T12:00:00Z"}]',
        ),
        (False, '[3,"2",{"transactionId":77,"idTagInfo":{"status":"Accepted"}}]'),
        (
            True,
            '[2,"3","MeterValues",{"connectorId":2,"transactionId":77,"meterValue":[{"timestamp":"2026-01-01T12:01:00Z",'
            '"sampledValue":[{"value":"1.5","unit":"kWh"},{"value":"7.4","measurand":"Power.Active.Import","unit":"kW"}]}]}]',
        ),
        (False, '[3,"3",{}]'),
        (
            True,
            '[2,"4","StopTransaction",{"transactionId":77,"meterStop":1600,"timestamp":"2026-01-01T13:00:00Z"}]',
        ),
        (False, '[3,"4",{}]'),
    ]:
        recorded.frame(from_charge_point, raw)
    recorded.close()
    (charge_point,) = recorded.rows("SELECT vendor, model, firmware FROM charge_points")
    assert charge_point == {"vendor": "A", "model": "X", "firmware": "1.2"}
    (transaction,) = recorded.rows("SELECT * FROM transactions")
    assert (transaction["transaction_id"], transaction["connector_id"], transaction["id_token"]) == ("77", 2, "T")
    assert (transaction["meter_start_wh"], transaction["meter_stop_wh"]) == (100, 1600)
    assert transaction["stopped_ns"] - transaction["started_ns"] == 3600 * 10**9
    assert (transaction["start_frame_id"], transaction["stop_frame_id"]) == (3, 7)
    samples = recorded.rows("SELECT transaction_id, measurand, value, unit FROM meter_samples ORDER BY id")
    assert samples == [
        {"transaction_id": 1, "measurand": "Energy.Active.Import.Register", "value": 1500.0, "unit": "Wh"},
        {"transaction_id": 1, "measurand": "Power.Active.Import", "value": 7400.0, "unit": "W"},
    ]


def test_a_value_too_large_for_its_unit_is_no_sample(recorded: Recorded) -> None:
    recorded.open()
    sampled = '{"value":"1e307","unit":"kWh"},{"value":"1e305","unit":"Wh"},{"value":"-1e307","unit":"kW"}'
    recorded.frame(True, f'[2,"1","MeterValues",{{"connectorId":1,"meterValue":[{{"sampledValue":[{sampled}]}}]}}]')
    recorded.close()
    assert recorded.rows("SELECT value FROM meter_samples WHERE value IS NOT NULL") == [{"value": 1e305}]


def test_only_a_decimal_number_is_a_sample(recorded: Recorded) -> None:
    recorded.open()
    texts = ("1_000", "٣", "1٠", "nan", "0x10", "-1.5", "2e3", " 7")
    sampled = ",".join(f'{{"value":"{text}"}}' for text in texts)
    recorded.frame(True, f'[2,"1","MeterValues",{{"connectorId":1,"meterValue":[{{"sampledValue":[{sampled}]}}]}}]')
    recorded.close()
    values = [row["value"] for row in recorded.rows("SELECT value FROM meter_samples ORDER BY id")]
    assert values == [None] * 5 + [-1.5, 2000.0, 7.0]


HOSTILE: list[tuple[str, bytes, int]] = [
    ("empty", b"", records.TEXT),
    ("binary", b"\x00\x01\xff", records.BINARY),
    ("invalid UTF-8", b'[2,"1","\xff"]', records.TEXT),
    ("a NUL", b'[2,"\x00","Heartbeat",{}]', records.TEXT),
    ("1 MB", b'[2,"1","' + b"X" * 1_000_000 + b'",{}]', records.TEXT),
    ("deep", b"[" * 100_000, records.TEXT),
    ("a huge type", b'[18446744073709551615,"1",{}]', records.TEXT),
    ("a huge integer", b'[2,"1","MeterValues",{"connectorId":99999999999999999999}]', records.TEXT),
    ("wrong kinds", b'[2,"1","BootNotification",{"chargePointVendor":7,"chargePointModel":[]}]', records.TEXT),
    ("wrong samples", b'[2,"1","MeterValues",{"connectorId":{},"meterValue":[3,null]}]', records.TEXT),
    ("half a letter", rb'[2,"\ud83d","Boot\ud83d",{"\ud83d":"\ud83d"}]', records.TEXT),
    ("SQL", b'[2,"\'; DROP TABLE frames; --","Heartbeat",{}]', records.TEXT),
]


@pytest.mark.parametrize(("raw", "opcode"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_whatever_a_peer_sends_is_stored_as_it_came(recorded: Recorded, raw: bytes, opcode: int) -> None:
    recorded.open()
    recorded.frame(True, raw, opcode)
    recorded.frame(False, '[2,"after","ClearCache",{}]')
    recorded.close()
    assert recorded.summary.lost == 0
    first, second = recorded.rows("SELECT raw, size FROM frames ORDER BY id")
    stored = first["raw"] if isinstance(first["raw"], bytes) else first["raw"].encode()
    assert (stored, first["size"]) == (raw, len(raw))
    assert second["raw"] == '[2,"after","ClearCache",{}]'
    if b"DROP" not in raw:
        assert recorded.rows("SELECT count(*) AS n FROM findings WHERE frame_id = 1")[0]["n"] > 0


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_times_no_column_holds_keep_no_frame_from_being_stored(recorded: Recorded, when: str) -> None:
    """Programs in .NET often write the first or last possible date where they have none."""
    recorded.open()
    start = f'{{"connectorId":1,"idTag":"T","meterStart":1,"timestamp":"{when}"}}'
    recorded.frame(True, f'[2,"a","StartTransaction",{start}]')
    recorded.frame(False, '[3,"a",{"transactionId":7,"idTagInfo":{"status":"Accepted"}}]')
    sample = f'{{"timestamp":"{when}","sampledValue":[{{"value":"5","unit":"\\ud83d","measurand":"\\ud83d"}}]}}'
    recorded.frame(True, f'[2,"b","MeterValues",{{"connectorId":1,"transactionId":7,"meterValue":[{sample}]}}]')
    recorded.frame(True, f'[2,"c","StopTransaction",{{"transactionId":7,"meterStop":9,"timestamp":"{when}"}}]')
    recorded.close()
    assert (recorded.summary.frames, recorded.summary.lost) == (4, 0)
    assert recorded.rows("SELECT count(*) AS n FROM frames")[0]["n"] == 4
    (transaction,) = recorded.rows("SELECT transaction_id, started_ns, meter_stop_wh FROM transactions")
    assert transaction == {"transaction_id": "7", "started_ns": NOW + 20 * MS, "meter_stop_wh": 9.0}


def test_file_that_is_locked_in_a_bad_moment_keeps_nothing_from_being_stored_later(tmp_path: Path) -> None:
    """The other program locks the file between a commit that failed at an odd value and its retry."""
    db = connect(tmp_path / "t.db", busy_s=0.05)
    tables = PendingRows(db)
    other = sqlite3.connect(tmp_path / "t.db", isolation_level=None)
    begun = iter([False, True])
    db.conn.set_trace_callback(lambda sql: other.execute(sql) if sql == "BEGIN IMMEDIATE" and next(begun) else None)
    tables.insert("charge_points", {"charge_point_id": "CP1", "first_seen_ns": 2**70, "last_seen_ns": 1})
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        tables.commit()
    db.conn.set_trace_callback(None)
    other.close()
    tables.commit()
    assert db.execute("SELECT charge_point_id FROM charge_points").fetchall() == [("CP1",)]


_ANYTHING = (
    st.none() | st.text(st.characters()) | st.integers(-(2**70), 2**70) | st.floats() | st.binary() | st.just([])
)


@given(st.lists(st.tuples(_ANYTHING, _ANYTHING), min_size=1, max_size=4))
def test_no_derived_value_keeps_other_rows_from_being_stored(rows: list[tuple[Any, Any]]) -> None:
    db = Database(memory=True)
    for table in NUMBERED:
        db.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, text TEXT, number INTEGER NOT NULL) STRICT")
    tables = PendingRows(db)
    for text, number in rows:
        tables.insert("transactions", {"text": text, "number": number})
    tables.insert("transactions", {"id": 99, "text": "the last", "number": 7})
    tables.commit()
    assert not tables.waiting
    assert db.execute("SELECT text, number FROM transactions WHERE id = 99").fetchall() == [("the last", 7)]
    sound = [number for text, number in rows if type(text) is str and type(number) is int and abs(number) < 2**63]
    assert len(sound) <= db.execute("SELECT count(*) FROM transactions").fetchone()[0] - 1


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(frames=st.lists(st.tuples(st.booleans(), st.binary(max_size=60), st.sampled_from([1, 2])), max_size=20))
def test_any_bytes_in_any_order_come_back_byte_for_byte(tmp_path: Path, frames: list[tuple[bool, bytes, int]]) -> None:
    recorded = Recorded(tmp_path / f"{time.monotonic_ns()}.db")
    recorded.open()
    for from_charge_point, raw, opcode in frames:
        recorded.frame(from_charge_point, raw, opcode)
    recorded.close()
    stored = [
        (row["direction"] == "cp-to-csms", row["raw"] if isinstance(row["raw"], bytes) else row["raw"].encode())
        for row in recorded.rows("SELECT direction, raw FROM frames ORDER BY id")
    ]
    assert stored == [(from_charge_point, raw) for from_charge_point, raw, _ in frames]


def test_a_locked_file_delays_frames_and_loses_none(recorded: Recorded) -> None:
    recorded.open()
    other = sqlite3.connect(recorded.path, isolation_level=None)
    wait_until(lambda: bool(recorded.rows("SELECT 1 FROM sessions")))
    other.execute("BEGIN IMMEDIATE")
    for number in range(100):
        recorded.frame(True, f'[2,"{number}","Heartbeat",{{}}]')
    time.sleep(0.1)
    other.execute("ROLLBACK")
    wait_until(lambda: recorded.rows("SELECT count(*) AS n FROM frames") == [{"n": 100}])
    recorded.close()
    assert recorded.summary.lost == 0


def test_a_rule_that_fails_costs_no_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in a rule must not stop recording: it is reported once, in the log and as an event."""
    from inspector.rules.topics.rpc.schema import Payload

    def fails(self: Payload, frame: object) -> None:
        raise ZeroDivisionError("a rule with a mistake in it")

    vars(fails).update(vars(Payload.schema))  # the marks of a rule
    monkeypatch.setattr(Payload, "schema", fails)
    recorded = Recorded(tmp_path / "traffic.db")
    recorded.open()
    for number in range(3):
        recorded.frame(True, f'[2,"{number}","Heartbeat",{{}}]')
        recorded.frame(False, f'[3,"{number}",{{"currentTime":"2026-01-01T12:00:00Z"}}]')
    recorded.close()
    assert recorded.rows("SELECT count(*) AS n, count(call_id) AS pairs FROM frames") == [{"n": 6, "pairs": 3}]
    faults = recorded.rows("SELECT detail ->> '$.why' AS why FROM events WHERE kind = 'fault'")
    assert faults == [{"why": "ZeroDivisionError"}]


def test_a_finding_belongs_to_the_session_it_is_about(recorded: Recorded) -> None:
    """A missing boot after a reset is noticed on the next connection; the finding belongs to the earlier session."""
    recorded.open(1)
    recorded.frame(False, '[2,"r","Reset",{"type":"Soft"}]')
    recorded.frame(True, '[3,"r",{"status":"Accepted"}]')
    recorded.recorder.put(records.CloseRecord(1, *recorded.tick(), {}))
    recorded.open(2)
    recorded.tick(400_000)
    recorded.frame(True, '[2,"h","Heartbeat",{}]', link=2)
    recorded.close()
    assert recorded.rows("SELECT session_id, frame_id FROM findings WHERE rule_id = 'reset.no-boot'") == [
        {"session_id": 1, "frame_id": 2}
    ]


def test_what_the_handshake_told_of_a_password_is_judged_again_from_the_file(recorded: Recorded) -> None:
    recorded.open(auth_scheme="Basic", auth_user="SOMEONE", auth_password_length=20)
    recorded.close()
    from inspector.formats.inputs import open_input
    from inspector.offline.check import check

    again = check(step for step, _ in open_input(str(recorded.path)))
    stored = recorded.rows("SELECT rule_id FROM findings ORDER BY id")
    assert [{"rule_id": found.finding.rule_id} for found in again.findings] == stored
    assert {"rule_id": "security.user-name"} in stored


def test_a_frame_is_marked_by_a_finding_that_comes_later_in_the_same_group(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "late.db")
    link = recording.connect("CP-1")
    link.boot()
    link.call("Heartbeat", {})
    recording.wait(60)
    link.status("Available")
    path = recording.finish()
    with sqlite3.connect(path) as db:
        marked = (
            "SELECT f.max_severity FROM findings x JOIN frames f ON f.id = x.frame_id WHERE rule_id = 'rpc.no-answer'"
        )
        assert db.execute(marked).fetchall() == [("warning",)]
