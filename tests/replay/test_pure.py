"""The parts of replay that need no connection: spans, id mapping and matching."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import UserMistake
from inspector.protocol.frame import Frame
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.replay.id_mapping import IdMapping, shifted
from inspector.replay.matching import compare
from inspector.replay.pace import Pace
from inspector.replay.policy import SHAPE, STRICT, Policy, read_policy
from inspector.replay.script import choose, read
from inspector.replay.spans import replace, scalars

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for place in path:
        value = value[place]
    return value


@given(VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_every_scalar_is_found_where_it_stands(value: Any, indent: int | str | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    found = list(scalars(text))
    assert [json.loads(text[start:end]) for _, start, end in found] == [at(value, path) for path, _, _ in found]
    assert len(found) == len({path for path, _, _ in found})


@given(VALUES)
def test_replacing_nothing_keeps_every_byte(value: Any) -> None:
    text = json.dumps(value, indent=2)
    assert replace(text, lambda path, old: old) == text


@given(st.text(max_size=40))
def test_what_is_no_json_is_said_to_be_none(text: str) -> None:
    try:
        json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):
            list(scalars(text))


def test_a_frame_goes_out_as_recorded_but_for_what_lives_in_one_run() -> None:
    rebinding = IdMapping(shift=timedelta(hours=1), tokens={"OLD": "NEW"})
    rebinding.learn(None, {"transactionId": 7}, {"transactionId": 42})
    recorded = (
        '[2, "a","StopTransaction", {"transactionId":7,"meterStop":1.50e3 ,"timestamp":"2026-01-01T12:00:00.5Z",'
        '"idTag":"OLD","transactionData":[{"timestamp":"2026-01-01T12:00:00+02:00","sampledValue":[{"value":"7"}]}]}]'
    )
    assert rebinding.outgoing(recorded.encode(), "StopTransaction", "a", "b") == (
        '[2, "b","StopTransaction", {"transactionId":42,"meterStop":1.50e3 ,"timestamp":"2026-01-01T13:00:00.5Z",'
        '"idTag":"NEW","transactionData":[{"timestamp":"2026-01-01T13:00:00+02:00","sampledValue":[{"value":"7"}]}]}]'
    )


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:01Z"),
        ("2026-01-01T12:00:00.123Z", "2026-01-01T12:00:01.373Z"),
        ("2026-01-01T12:00:00.123456+02:00", "2026-01-01T12:00:01.373456+02:00"),
        ("2026-01-01T12:00:00", "2026-01-01T12:00:01"),
        ("2026-01-01", "2026-01-01"),
        ("soon", "soon"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_time_is_moved_in_the_spelling_it_has(text: str, moved: str) -> None:
    assert shifted(text, timedelta(seconds=1.25)) == moved


def exchange(call: str, answer: str) -> tuple[Frame, Frame]:
    session = Session(version=OcppVersion.V16)
    one = session.frame(1, 1, 1, Direction.FROM_CHARGE_POINT, call.encode())
    return one, session.frame(2, 2, 2, Direction.FROM_CSMS, answer.encode())


START = '[2,"1","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":0,"timestamp":"2026-01-01T12:00:00Z"}]'


def differences(recorded: str, live: str, policy: Policy | None = None) -> list[tuple[str, str | None]]:
    _, one = exchange(START, recorded)
    _, other = exchange(START, live)
    found = compare(one, one.payload, other, policy or Policy())
    return [(difference.matcher, difference.pointer) for difference in found]


ANSWER = '[3,"1",{"transactionId":7,"idTagInfo":{"status":"Accepted","expiryDate":"2026-02-01T12:00:00Z"}}]'


@pytest.mark.parametrize(
    ("live", "found"),
    [
        (ANSWER, []),
        ('[3,"1",{"idTagInfo":{"expiryDate":"2027-01-01T00:00:00Z","status":"Accepted"},"transactionId":7}]', []),
        ('[3,"1",{"transactionId":7,"idTagInfo":{"status":"Accepted","parentIdTag":"P"}}]', []),
        ('[3,"1",{"transactionId":7,"idTagInfo":{"status":"Blocked"}}]', [("value", "/2/idTagInfo/status")]),
        ('[3,"1",{"transactionId":7,"idTagInfo":{}}]', [("present", "/2/idTagInfo/status")]),
        ('[3,"1",{"idTagInfo":{"status":"Accepted"}}]', [("present", "/2/transactionId")]),
        ('[3,"1",{"transactionId":"7","idTagInfo":{"status":"Accepted"}}]', [("type", "/2/transactionId")]),
        ('[3,"1",{"transactionId":8,"idTagInfo":{"status":"Accepted"}}]', [("bound-id", "/2/transactionId")]),
        ('[3,"1",{"transactionId":7,"idTagInfo":[]}]', [("type", "/2/idTagInfo")]),
        ('[4,"1","GenericError","",{}]', [("message-type", None)]),
    ],
)
def test_semantic_matching_sees_what_means_something_else(live: str, found: list[tuple[str, str | None]]) -> None:
    assert differences(ANSWER, live) == found


@pytest.mark.parametrize(("action", "member"), [("GetDiagnostics", "fileName"), ("GetLog", "filename")])
def test_the_name_of_a_log_may_tell_another_day(action: str, member: str) -> None:
    call = f'[2,"1","{action}",{{}}]'
    _, one = exchange(call, f'[3,"1",{{"{member}":"diagnostics-2026-01-01.log"}}]')
    _, other = exchange(call, f'[3,"1",{{"{member}":"diagnostics-2026-01-02.log"}}]')
    assert compare(one, one.payload, other, Policy()) == []
    assert len(compare(one, one.payload, other, Policy(mode=STRICT))) == 1


def test_readings_of_a_longer_or_shorter_run_are_not_compared_one_by_one() -> None:
    def stop(*contexts: str) -> str:
        samples = ",".join(f'{{"sampledValue":[{{"value":"1","context":"{one}"}}]}}' for one in contexts)
        return f'[2,"1","StopTransaction",{{"transactionId":7,"transactionData":[{samples}]}}]'

    recorded, _ = exchange(stop("Transaction.Begin", "Transaction.End"), "[]")
    longer, _ = exchange(stop("Transaction.Begin", "Sample.Periodic", "Transaction.End"), "[]")
    other, _ = exchange(stop("Transaction.Begin", "Sample.Clock"), "[]")
    assert compare(recorded, recorded.payload, longer, Policy()) == []
    assert len(compare(recorded, recorded.payload, other, Policy())) == 1


def test_strict_matching_also_sees_members_that_were_not_recorded() -> None:
    live = '[3,"1",{"transactionId":7,"idTagInfo":{"status":"Accepted","expiryDate":"2026-02-01T12:00:00Z","x":1}}]'
    assert differences(ANSWER, live, Policy(STRICT)) == [("absent", "/2/idTagInfo/x")]


def test_shape_matching_sees_members_and_types_only() -> None:
    live = '[3,"1",{"transactionId":9,"idTagInfo":{"status":"Blocked","expiryDate":"x"}}]'
    assert differences(ANSWER, live, Policy(SHAPE)) == []
    assert differences(ANSWER, '[3,"1",{"transactionId":9,"idTagInfo":{"status":1}}]', Policy(SHAPE)) == [
        ("type", "/2/idTagInfo/status")
    ]


def test_a_policy_file_says_what_may_differ(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text('tolerance = 0.1\n[volatile]\nStartTransaction = ["status"]\n[ignore]\n"*" = ["/transactionId"]\n')
    live = '[3,"1",{"transactionId":"x","idTagInfo":{"status":"Blocked"}}]'
    assert differences(ANSWER, live, read_policy(path)) == []


@pytest.mark.parametrize(
    "text", ["tolerance = -1", "tolerance = inf", "nonsense = 1", "[volatile]\nx = 3", "volatile = 1", "= broken"]
)
def test_a_policy_file_that_cannot_be_meant_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(UserMistake) as refused:
        read_policy(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["0", "-1", "1e-12", "fast", "inf", "nan", ""])
def test_a_speed_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserMistake, match="speed"):
        Pace.parse(text)


def test_a_clock_that_jumps_by_centuries_is_played_all_the_same() -> None:
    century = 100 * 365 * 86_400 * 10**9
    assert Pace(0.001).shift(0, 2 * century) > timedelta(days=365)


def test_a_frame_without_ids_goes_out_as_recorded_but_for_its_own_id_and_times() -> None:
    """The fast path gives the same result as the thorough one, even for times in keys or inside strings."""
    recorded = (
        '[2, "a","DataTransfer" ,{"vendorId":"V","data":"{\\"t\\":\\"2026-01-01T12:00:00Z\\"}",'
        '"2026-01-01T12:00:00Z": "2026-01-01T12:00:00.50Z"}]'
    )
    expected = recorded.replace('"a"', '"b"').replace("12:00:00.50Z", "13:00:00.50Z")
    for tokens in ({}, {"NO": "NONE"}):  # with tokens to replace, the whole text is searched
        rebinding = IdMapping(shift=timedelta(hours=1), tokens=tokens)
        assert rebinding.outgoing(recorded.encode(), "DataTransfer", "a", "b") == expected


def test_a_session_played_from_a_frame_on_leaves_out_what_came_before_and_its_answers() -> None:
    recording = str(Path(__file__).parent.parent.parent / "recordings" / "charging-1.6.jsonl")
    (whole,) = read(recording)
    middle = next(frame.frame_id for frame in whole.frames if frame.answer_status is not None and frame.frame_id > 4)
    (cut,) = choose(read(recording), 1, middle)
    assert [frame.frame_id for frame in cut.frames] == [
        frame.frame_id for frame in whole.frames if frame.frame_id > middle
    ]
    assert all(frame.call is None or frame.call in cut.frames for frame in cut.frames)
