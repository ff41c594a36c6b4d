"""Exporting and importing a recording loses no byte, time or event."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspector import records
from inspector.cli import command_line
from inspector.recorder.start import start_recorder
from tests.database import rows
from tests.formats.test_inputs import FOLDERS

NOW = 1_767_268_800_123_456_789


def run(*args: object) -> str:
    result = CliRunner().invoke(command_line, [str(arg) for arg in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_a_trace_comes_back_equal_in_every_field(folder: Path, tmp_path: Path) -> None:
    source, db, back = folder / "trace.jsonl", tmp_path / "a.db", tmp_path / "back.jsonl"
    run("import", source, "--db", db)
    run("export", db, "-o", back)
    assert [json.loads(line) for line in back.read_text().splitlines()] == [
        json.loads(line) for line in source.read_text().splitlines()
    ]


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """Return a recording that a trace format could lose: odd frames, events, and two sessions, one of them empty."""
    path = tmp_path / "strange.db"
    recorder = start_recorder(path, holder="test")
    facts: records.SessionFacts = {
        "charge_point_id": "CP ü 1",
        "subprotocol": "ocpp2.1",
        "ocpp_version": "2.1",
        "subprotocols_offered": ["ocpp2.1"],
        "request_path": "/x%20y",
        "remote_addr": "127.0.0.1:1",
    }
    recorder.put(records.OpenRecord(1, NOW, 7, facts))
    recorder.put(records.EventRecord(1, NOW + 1, 8, "handshake", {"status": 101}))
    frames = [
        (True, records.TEXT, b"not JSON"),
        (True, records.TEXT, b'[2,"1","Heartbeat", {} ]'),
        (False, records.TEXT, b'[3,"1",{"currentTime":"2026-01-01T12:00:00Z"}]'),
        (True, records.BINARY, b"\x00\xff"),
        (True, records.TEXT, b'[6,"2","NotifyPeriodicEventStream",{"id":1,"pending":0,"basetime":"x","data":[]}]'),
        (False, records.TEXT, b"\xff\xfe"),
        (False, records.TEXT, b'[4,"9","GenericError","",{}]'),
        (False, records.TEXT, b""),
    ]
    for number, (from_charge_point, opcode, raw) in enumerate(frames, 2):
        recorder.put(records.FrameRecord(1, NOW + number, 7 + number, from_charge_point, opcode, raw))
    recorder.put(records.EventRecord(1, NOW + 20, 27, "ping", {"from": "csms"}))
    recorder.put(records.CloseRecord(1, NOW + 30, 37, {"cp_close_code": 1000, "closed_by": "charge-point"}))
    recorder.put(records.OpenRecord(2, NOW + 40, 47, facts))
    recorder.put(records.CloseRecord(2, NOW + 50, 57, {"csms_close_code": 1001, "closed_by": "csms"}))
    recorder.close()
    return path


FRAMES = (
    "SELECT session_id, direction, msg_type, action, call_id, ts_ns, mono_ns, raw, typeof(raw) FROM frames ORDER BY id"
)
SESSIONS = """SELECT charge_point_id, ocpp_version, subprotocol, subprotocols_offered, opened_ns, closed_ns,
    frame_count, cp_close_code, csms_close_code, closed_by, remote_addr, request_path FROM sessions ORDER BY id"""
EVENTS = "SELECT session_id, ts_ns, after_frame_id, kind, detail FROM events ORDER BY id"
FINDINGS = "SELECT rule_id, severity, frame_id, message, count FROM findings ORDER BY rule_id, frame_id"


@pytest.mark.parametrize("what", [FRAMES, SESSIONS, EVENTS, FINDINGS], ids=["frames", "sessions", "events", "findings"])
def test_what_a_trace_has_no_member_for_comes_back_from_its_meta(strange: Path, tmp_path: Path, what: str) -> None:
    trace, back = tmp_path / "strange.jsonl", tmp_path / "back.db"
    run("export", strange, "-o", trace)
    run("import", trace, "--db", back)
    assert rows(back, what) == rows(strange, what)


def test_every_line_of_a_trace_is_a_record_that_the_format_allows(strange: Path) -> None:
    for line in run("export", strange).splitlines():
        record = json.loads(line)
        assert record["schemaVersion"] == "1.1"
        assert record["messageType"] in ("CALL", "CALLRESULT", "CALLERROR")
        assert record["direction"] in ("cp-to-csms", "csms-to-cp")
        assert ("error" in record) == (record["messageType"] == "CALLERROR")
        assert "action" in record or record["messageType"] != "CALL"
        if "raw" in record:
            kind = {"CALL": 2, "CALLRESULT": 3, "CALLERROR": 4}[record["messageType"]]
            assert json.loads(record["raw"])[:2] == [kind, record["messageId"]]


@pytest.fixture
def hidden(tmp_path: Path) -> Path:
    """Return a recording of frames: with a secret, in fragments, held back by the proxy, and harmless."""
    path = tmp_path / "hidden.db"
    recorder = start_recorder(path, holder="test")
    recorder.put(records.OpenRecord(1, NOW, 7, {"charge_point_id": "CP-1", "subprotocol": "ocpp1.6"}))
    key = b'[2,"%d","ChangeConfiguration",{"key":"AuthorizationKey","value":"0123456789abcdef"}]'
    for number, notes in enumerate([None, {"fragments": 3}, {"forwarded": False}, {"compressed": 40}], 1):
        recorder.put(records.FrameRecord(1, NOW + number, 7 + number, False, records.TEXT, key % number, notes))
    recorder.put(records.FrameRecord(1, NOW + 9, 16, True, records.TEXT, b'[2,"h","Heartbeat",{}]', {"fragments": 2}))
    recorder.put(records.CloseRecord(1, NOW + 10, 17, {"closed_by": "csms"}))
    recorder.close()
    return path


MARKED = "SELECT direction, ts_ns, mono_ns, raw, redacted, forwarded FROM frames ORDER BY id"
FRAGMENTS = """SELECT after_frame_id, detail ->> '$.fragments' AS fragments FROM events
    WHERE kind = 'framing' AND fragments IS NOT NULL ORDER BY id"""


@pytest.mark.parametrize("style", ["trace", "har"])
def test_what_was_hidden_stays_marked_on_its_way_through_a_file(hidden: Path, style: str, tmp_path: Path) -> None:
    back = tmp_path / "back.db"
    run("export", hidden, "--format", style, "-o", tmp_path / "file")
    run("import", tmp_path / "file", "--db", back)
    assert [row[4:] for row in rows(hidden, MARKED)] == [(1, 1), (1, 1), (1, 0), (1, 1), (0, 1)]
    assert rows(back, MARKED) == rows(hidden, MARKED)
    assert rows(back, FRAGMENTS) == rows(hidden, FRAGMENTS) == [(2, 3), (5, 2)]


def test_other_tools_see_a_frame_of_a_trace_that_was_hidden_in_or_came_in_fragments(hidden: Path) -> None:
    lines = [json.loads(line) for line in run("export", hidden).splitlines()]
    assert [line["messageId"] for line in lines] == ["1", "2", "4", "h"]
    assert lines[1]["meta"]["chargesentinel"]["notes"] == {"fragments": 3, "redacted": True, "password_length": 8}


def test_raw_lines_are_the_bare_frames_of_the_sessions_asked_for(strange: Path) -> None:
    lines = run("export", strange, "--format", "raw", "--session", 1).splitlines()
    assert lines[1] == '[2,"1","Heartbeat", {} ]'
    assert run("export", strange, "--format", "raw", "--session", 2) == ""


def test_a_session_that_is_not_there_is_named(strange: Path) -> None:
    result = CliRunner().invoke(command_line, ["export", str(strange), "--session", "7"])
    assert "no session 7; its sessions are 1 to 2" in str(result.exception)


def test_meta_of_other_tools_is_kept(tmp_path: Path) -> None:
    source = tmp_path / "foreign.jsonl"
    record = json.loads((FOLDERS[0] / "trace.jsonl").read_text().splitlines()[0]) | {"meta": {"tool": {"a": [1, None]}}}
    source.write_text(json.dumps(record) + "\n")
    run("import", source, "--db", tmp_path / "a.db")
    assert json.loads(run("export", tmp_path / "a.db")) == record


@pytest.mark.parametrize(
    "ours",
    [
        {"opened": 7},
        {"before": [{"frame": "up", "ts_ns": "1", "mono_ns": "1", "opcode": 1, "base64": ""}]},
        {"after": [{"event": "x", "ts_ns": "now", "mono_ns": "1", "detail": {}}]},
        {"closed": {"ts_ns": "1"}},
        {"ts_ns": []},
        {"notes": 7},
    ],
)
def test_meta_that_claims_to_be_ours_and_is_not_is_refused_with_its_line(tmp_path: Path, ours: dict[str, Any]) -> None:
    source = tmp_path / "hostile.jsonl"
    record = json.loads((FOLDERS[0] / "trace.jsonl").read_text().splitlines()[0]) | {"meta": {"chargesentinel": ours}}
    source.write_text(json.dumps(record) + "\n")
    result = CliRunner().invoke(command_line, ["import", str(source), "--db", str(tmp_path / "a.db")])
    assert "line 1: meta.chargesentinel is not as this program writes it" in result.stderr
    assert str(result.exception) == f"nothing to import: {source} has no OCPP frame (1 not understood)"
    assert not (tmp_path / "a.db").exists()


RECORDINGS = sorted((Path(__file__).parents[2] / "recordings").glob("*.jsonl"))


@pytest.mark.parametrize("style", ["trace", "har"])
@pytest.mark.parametrize("recording", RECORDINGS, ids=[path.stem for path in RECORDINGS])
def test_a_recording_of_ours_comes_back_byte_for_byte(recording: Path, style: str, tmp_path: Path) -> None:
    """It survives import into a database, and a detour through a database, a HAR file and another database."""
    db = tmp_path / "a.db"
    run("import", recording, "--db", db)
    if style == "har":
        run("export", db, "--format", "har", "-o", tmp_path / "a.har")
        db = tmp_path / "b.db"
        run("import", tmp_path / "a.har", "--db", db)
    run("export", db, "-o", tmp_path / "back.jsonl")
    assert (tmp_path / "back.jsonl").read_bytes() == recording.read_bytes()


def foreign(**fields: Any) -> dict[str, Any]:
    """Return a trace record as another tool might write it."""
    record: dict[str, Any] = {
        "schemaVersion": "1.0",
        "timestamp": "2026-01-01T14:00:00.123456+02:00",
        "transport": "json",
        "direction": "cp-to-csms",
        "messageType": "CALL",
        "messageId": "1",
        "action": "StatusNotification",
        "payload": {"connectorId": 2, "errorCode": "NoError", "status": "Available"},
    }
    return {name: value for name, value in (record | fields).items() if value is not None}


SPELLINGS: dict[str, list[dict[str, Any]]] = {
    "times with other digits and offsets": [
        foreign(timestamp=stamp)
        for stamp in (
            "2026-01-01T12:00:00Z",
            "2026-01-01T12:00:00.5Z",
            "2026-01-01T12:00:00.123456789Z",
            "2026-01-01T12:00:00.000+00:00",
            "2026-01-01T07:00:00.25-05:30",
            "2026-01-01T12:00:01z",
            "2026-01-01 12:00:02",
        )
    ],
    "versions as people write them": [
        foreign(ocppVersion=name) for name in ("1.6", "1.6J", "ocpp1.6", "OCPP 1.6", "x")
    ],
    "no id, no payload, and a connector in the record": [
        foreign(messageId=None, raw='[2,"1","Heartbeat",{}]', action="Heartbeat", payload=None, connectorId=7)
    ],
    "answers that bear the action of their CALL": [
        foreign(ocppVersion="1.6"),
        foreign(direction="csms-to-cp", messageType="CALLRESULT", payload={}, ocppVersion="1.6"),
    ],
    "errors with less and with more": [
        foreign(messageType="CALLERROR", action=None, payload=None, error={"code": "GenericError"}),
        foreign(
            messageType="CALLERROR", action=None, payload=None, error={"code": "InternalError", "details": {"a": 1}}
        ),
    ],
    "members that the format does not define": [
        foreign(tool="x", nested={"a": [1, {"b": None}]}),
        foreign(tool="x", nested={"a": [1, {"b": None}]}),
        foreign(tool="y"),
        foreign(),
    ],
    "charge points taking turns": [
        foreign(chargePointId=name, messageId=str(number), timestamp=f"2026-01-01T12:00:0{number}.000Z")
        for number, name in enumerate(["A", "B", "A", "C", "B", "A"])
    ],
}


@pytest.mark.parametrize("how", SPELLINGS)
def test_a_trace_that_is_written_otherwise_leaves_as_it_came(how: str, tmp_path: Path) -> None:
    """All fields and the order of lines stay the same; a detour through HAR does not change the frames."""
    source = tmp_path / "foreign.jsonl"
    source.write_text("\n".join(json.dumps(record) for record in SPELLINGS[how]))
    run("import", source, "--db", tmp_path / "a.db")
    left = [json.loads(line) for line in run("export", tmp_path / "a.db").splitlines()]
    assert left == SPELLINGS[how]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    frames=st.lists(
        st.tuples(
            st.sampled_from("ABC"),
            st.booleans(),
            st.one_of(
                st.binary(max_size=30),
                st.builds(
                    lambda kind, number, rest: json.dumps([kind, str(number), *rest]).encode(),
                    st.integers(2, 6),
                    st.integers(0, 3),
                    st.lists(st.one_of(st.text(max_size=5), st.just({}), st.none()), max_size=3),
                ),
            ),
            st.integers(0, 2**40),
        ),
        max_size=12,
    )
)
def test_whatever_was_recorded_comes_back_through_both_formats(
    tmp_path_factory: pytest.TempPathFactory, frames: list[tuple[str, bool, bytes, int]]
) -> None:
    """Every frame keeps its bytes, direction, kind, both times and its place in the order."""
    folder = tmp_path_factory.mktemp("any")
    recorder = start_recorder(folder / "a.db", holder="test")
    now = NOW
    links = {name: number for number, name in enumerate(sorted({name for name, *_ in frames}), 1)}
    for name, link in links.items():
        recorder.put(records.OpenRecord(link, now, 7, {"charge_point_id": name, "subprotocol": "ocpp2.1"}))
    for name, up, raw, step in frames:
        now += step
        opcode = records.BINARY if step % 3 == 0 else records.TEXT
        recorder.put(records.FrameRecord(links[name], now, now - NOW, up, opcode, raw))
        if step % 5 == 0:
            recorder.put(records.EventRecord(links[name], now, now - NOW, "ping", {"n": step}))
    for link in links.values():
        if link != 2:
            recorder.put(records.CloseRecord(link, now + 5, 12, {"closed_by": "csms"}))
    recorder.close()
    by_session = "SELECT session_id, direction, ts_ns, mono_ns, raw, typeof(raw) FROM frames ORDER BY session_id, id"
    stored = rows(folder / "a.db", by_session)
    for style in ("trace", "har"):
        run("export", folder / "a.db", "--format", style, "-o", folder / style)
        if frames:
            run("import", folder / style, "--db", folder / f"{style}.db")
            assert len(rows(folder / f"{style}.db", FRAMES)) == len(frames)
            names = "SELECT charge_point_id, f.direction, f.ts_ns, f.mono_ns, raw, typeof(raw) FROM frames f"
            joined = f"{names} JOIN sessions ON sessions.id = session_id ORDER BY charge_point_id, f.id"
            assert rows(folder / f"{style}.db", joined) == rows(folder / "a.db", joined)
    assert len(stored) == len(frames)
