"""Traces, raw lines and recordings give their frames; what cannot be read is reported with its line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspector import records
from inspector.cli import command_line
from inspector.errors import UnusableFile, UserMistake
from inspector.formats.captured import Captured, version_named
from inspector.formats.inputs import open_input
from inspector.formats.reading import Unreadable
from inspector.offline.check import check
from inspector.protocol.frame import AnswerStatus, Frame
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.recorder.start import start_recorder
from tests.examples import examples


def record(direction: str, raw: str, **more: Any) -> str:
    kind = {"2": "CALL", "3": "CALLRESULT", "4": "CALLERROR"}[raw[1]]
    fields = {"schemaVersion": "1.1", "timestamp": "2026-01-01T12:00:00.000Z", "transport": "json"}
    frame = json.loads(raw)
    extra = {"action": frame[2]} if kind == "CALL" else {}
    extra |= {"error": {"code": frame[2]}} if kind == "CALLERROR" else {}
    return json.dumps(fields | {"direction": direction, "messageType": kind, "raw": raw} | extra | more)


def captured(path: Path, ocpp: OcppVersion | None = None) -> list[Captured]:
    return [frame for _, frame in open_input(str(path), ocpp) if frame is not None]


def test_a_trace_gives_its_raw_frames_with_direction_time_and_version(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    raw = '[2, "a", "Heartbeat",   {}]'
    path.write_text(record("cp-to-csms", raw, ocppVersion="1.6", chargePointId="CP é") + "\n\n", encoding="utf-8")
    (frame,) = captured(path)
    assert (frame.raw, frame.direction) == (raw.encode(), Direction.FROM_CHARGE_POINT)
    assert (frame.ts_ns, frame.ocpp_version) == (1_767_268_800_000_000_000, OcppVersion.V16)
    assert (frame.charge_point_id, frame.line) == ("CP é", 1)


def test_a_trace_record_without_raw_is_the_frame_its_members_describe(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    line = json.loads(record("cp-to-csms", '[2,"a","Heartbeat",{}]', messageId="a", payload={"x": 1}))
    del line["raw"]
    path.write_text(json.dumps(line))
    assert captured(path)[0].raw == b'[2,"a","Heartbeat",{"x":1}]'


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "not JSON"),
        ('{"schemaVersion":"2.0"}', "schemaVersion '2.0'"),
        ('{"schemaVersion":"1.1","transport":"soap"}', "SOAP"),
        ('{"schemaVersion":"1.1","direction":"up"}', "direction is neither"),
        (
            '{"schemaVersion":"1.1","direction":"cp-to-csms","messageType":"CALL","raw":"[]","timestamp":"today"}',
            "timestamp is no",
        ),
        ('["schemaVersion"]', "an object"),
    ],
)
def test_a_line_that_is_no_trace_record_is_named(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(record("cp-to-csms", '[2,"a","Heartbeat",{}]') + "\n" + line)
    with pytest.raises(Unreadable, match=why) as refused:
        captured(path)
    assert refused.value.line == 2 and "line 2" in str(refused.value)


def test_raw_lines_take_their_direction_from_arrows_or_from_what_they_say(tmp_path: Path) -> None:
    path = tmp_path / "frames.txt"
    path.write_text(
        '# a comment\n[2,"1","Heartbeat",{}]\n[3,"1",{}]\n\n[2,"2","Reset",{"type":"Soft"}]\n[3,"2",{}]\n'
        '< [2,"3","DataTransfer",{"vendorId":"x"}]\n'
    )
    sent = [record.from_charge_point for record, frame in open_input(str(path)) if frame is not None]
    assert sent == [True, False, False, True, False]


def test_a_recording_reads_back_as_the_frames_that_crossed_the_wire(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    frames = [
        (True, b'[2,"a","Heartbeat",{}]', records.TEXT),
        (False, b"\xff\xfe", records.TEXT),
        (False, b"binary", records.BINARY),
    ]
    recorder = start_recorder(path, holder="test")
    recorder.put(records.OpenRecord(1, 10, 5, {"charge_point_id": "CP1", "subprotocol": "ocpp1.6"}))
    for number, (from_charge_point, raw, opcode) in enumerate(frames):
        recorder.put(records.FrameRecord(1, 20 + number, 15 + number, from_charge_point, opcode, raw))
    recorder.put(records.CloseRecord(1, 30, 25, {"cp_close_code": 1000, "closed_by": "charge-point"}))
    recorder.close()
    read = [step for step, _ in open_input(str(path))]
    frame = records.FrameRecord
    assert [type(step) for step in read] == [records.OpenRecord, frame, frame, frame, records.CloseRecord]
    assert [(step.from_charge_point, step.payload, step.opcode) for step in read[1:4]] == frames
    assert [(step.ts_ns, step.mono_ns) for step in read[1:4]] == [(20, 15), (21, 16), (22, 17)]


def test_a_recording_judged_again_gives_the_findings_it_was_recorded_with(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    recorder = start_recorder(path, holder="test")
    recorder.put(records.OpenRecord(1, 10, 5, {"charge_point_id": "CP1", "subprotocol": "ocpp1.6"}))
    now = 1_767_268_800_000_000_000
    for number, raw in enumerate(['[2,"a","Authorize",{}]', '[3,"zzz",{}]', "no JSON", '[2,"a","Reset",{}]']):
        recorder.put(records.FrameRecord(1, now + number, now + number, True, records.TEXT, raw.encode()))
    recorder.put(records.CloseRecord(1, now + 9, now + 9, {}))
    summary = recorder.close()
    from inspector.store.files.connection import open_recording

    columns = "rule_id, severity, side, message, pointer, frame_id, count"
    stored = sorted(map(tuple, open_recording(path).execute(f"SELECT {columns} FROM findings")), key=str)
    again = check(step for step, _ in open_input(str(path)))
    names = columns.split(", ")
    judged = sorted((tuple(getattr(f.finding, name) for name in names) for f in again.findings), key=str)
    assert judged == stored
    assert sum(row[-1] for row in stored) == summary.findings > 3


@pytest.mark.parametrize(
    ("text", "version"),
    [("1.6", "1.6"), ("ocpp1.6", "1.6"), ("1.6J", "1.6"), ("OCPP 2.0.1", "2.0.1"), ("2.1", "2.1"), ("1.5", None)],
)
def test_versions_are_understood_as_people_write_them(text: str, version: str | None) -> None:
    assert version_named(text) == (OcppVersion(version) if version else None)


def test_what_cannot_be_opened_is_said_in_one_line(tmp_path: Path) -> None:
    for name in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(UnusableFile) as refused:
            list(open_input(str(name)))
        assert "\n" not in str(refused.value)


@settings(max_examples=examples(200), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_file_is_read_or_refused_never_a_crash(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "any"
    path.write_bytes(content)
    try:
        check(step for step, _ in open_input(str(path), OcppVersion.V16))
    except UserMistake as refused:
        assert "\n" not in str(refused)


OURS = Path(__file__).parent / "traces"
FOLDERS = sorted(OURS.iterdir())
if "OCPP_TRACE_FIXTURES" in os.environ:  # a folder with the format's public reference traces
    FOLDERS += sorted(path.parent for path in Path(os.environ["OCPP_TRACE_FIXTURES"]).glob("*/expected.json"))


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_a_trace_gives_the_consumer_view_that_the_format_demands(folder: Path) -> None:
    """Correlation, orphans, unanswered CALLs and effective actions, as the conformance rules define them."""
    assert consumer_view(folder / "trace.jsonl") == json.loads((folder / "expected.json").read_text())


def consumer_view(path: Path) -> dict[str, Any]:
    """Return what the format's conformance rules derive from a trace, computed with our correlation."""
    session, frames, lines = Session(), [], path.read_text().splitlines()
    for index, frame in enumerate(captured(path)):
        assert frame.direction is not None and frame.ts_ns is not None
        frames.append(session.frame(index, frame.ts_ns, frame.ts_ns, frame.direction, frame.raw))
    kinds = [json.loads(line)["messageType"] for line in lines]
    answered = {frame.call.frame_id for frame in frames if frame.answer_status is AnswerStatus.PAIRED and frame.call}
    return {
        "schemaVersion": json.loads(lines[0])["schemaVersion"],
        "counts": {
            "records": len(frames),
            "calls": kinds.count("CALL"),
            "callResults": kinds.count("CALLRESULT"),
            "callErrors": kinds.count("CALLERROR"),
        },
        "records": [entry(frame, kinds[frame.frame_id]) for frame in frames],
        "unansweredCalls": [i for i, kind in enumerate(kinds) if kind == "CALL" and i not in answered],
        "orphanResponses": [
            f.frame_id for f in frames if f.answer_status in (AnswerStatus.ORPHAN, AnswerStatus.DUPLICATE)
        ],
    }


def entry(frame: Frame, kind: str) -> dict[str, Any]:
    known: dict[str, Any] = {"index": frame.frame_id, "messageType": kind, "messageId": frame.message.message_id}
    if frame.answer_status in (None, AnswerStatus.PAIRED):
        known["action"] = frame.action
    if frame.answer_status is AnswerStatus.PAIRED and frame.call:
        known["correlatesWith"] = frame.call.frame_id
    return known


def test_older_sessions_imported_after_newer_ones_keep_all_their_frames(tmp_path: Path) -> None:
    """Both may come from one import; the clock may have been set back during a session."""
    lines = (OURS / "full-session" / "trace.jsonl").read_text()
    older = lines.replace('"timestamp":"2026', '"timestamp":"2024').replace("CP-full-session", "OLD")
    paths = [tmp_path / "new.jsonl", tmp_path / "old.jsonl", tmp_path / "back.jsonl"]
    halfway = lines.splitlines(keepends=True)
    set_back = [line.replace('"timestamp":"2026', '"timestamp":"2025') for line in halfway[5:]]
    for path, text in zip(paths, (lines, older, "".join(halfway[:5] + set_back)), strict=True):
        path.write_text(text)
    judged = [check(step for step, _ in open_input(str(path))) for path in paths]
    db = tmp_path / "all.db"
    result = CliRunner().invoke(command_line, ["import", *map(str, paths), "--db", str(db)], catch_exceptions=False)
    assert result.exit_code == 0
    again = check(step for step, _ in open_input(str(db)))
    assert (again.sessions, again.frames) == (3, 3 * len(halfway))
    assert sum(len(each.findings) for each in judged) <= len(again.findings)
    steps = [(type(step), step.session_number) for step, _ in open_input(str(db))]
    for session in (1, 2, 3):
        kinds = [kind for kind, link in steps if link == session]
        assert (kinds[0], kinds[-1]) == (records.OpenRecord, records.CloseRecord) and kinds.count(
            records.OpenRecord
        ) == 1
