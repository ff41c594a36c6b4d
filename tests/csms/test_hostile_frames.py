"""How the CSMS handles frames that are not proper CALLs."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest
from hypothesis import given, strategies

from csms import schemas
from csms.central_system import CentralSystem
from csms.operator_api import overview
from csms.wire import frames
from tests.csms.peer import connected

# frame, then what each version answers: (message id, error code), or None where no answer is due.
NO = None
FRAMES = [
    ("not json", NO, ("-1", "RpcFrameworkError")),
    ("", NO, ("-1", "RpcFrameworkError")),
    (b"\x00\x01", NO, ("-1", "RpcFrameworkError")),
    ("[]", NO, ("-1", "RpcFrameworkError")),
    ("{}", NO, ("-1", "RpcFrameworkError")),
    ("[" * 5000, NO, ("-1", "RpcFrameworkError")),
    ("[2]", NO, ("-1", "RpcFrameworkError")),
    ("[2,null]", NO, ("-1", "RpcFrameworkError")),
    ('[2,true,"Heartbeat",{}]', NO, ("-1", "RpcFrameworkError")),
    ('[2,7,"Heartbeat",{}]', ("7", "FormationViolation"), ("7", "RpcFrameworkError")),
    ('[2,"' + "x" * 37 + '","Heartbeat",{}]', ("x" * 37, "FormationViolation"), ("x" * 37, "RpcFrameworkError")),
    ('[2,"\\ud800","Heartbeat",{}]', NO, ("-1", "RpcFrameworkError")),
    ('[2,"a"]', ("a", "FormationViolation"), ("a", "FormatViolation")),
    ('[2,"a","Heartbeat",{},1]', ("a", "FormationViolation"), ("a", "FormatViolation")),
    ('[2,"a","Heartbeat",[]]', ("a", "FormationViolation"), ("a", "FormatViolation")),
    ('[2,"a",5,{}]', ("a", "FormationViolation"), ("a", "FormatViolation")),
    ('[2,"a","Heartbeat",{"b":NaN}]', ("a", "FormationViolation"), ("a", "FormatViolation")),
    ('[2,"a","Heartbeat",{"b":1}]', ("a", "FormationViolation"), ("a", "FormatViolation")),
    ('[2,"a","Nonsense",{}]', ("a", "NotImplemented"), ("a", "NotImplemented")),
    ('[2,"a","heartbeat",{}]', ("a", "NotImplemented"), ("a", "NotImplemented")),
    ('[2,"a","../v201/schemas/Heartbeat",{}]', ("a", "NotImplemented"), ("a", "NotImplemented")),
    ('[2,"a","Reset",{"type":"Hard"}]', ("a", "NotSupported"), ("a", "NotSupported")),
    ('[2,"a","Authorize",{}]', ("a", "OccurenceConstraintViolation"), ("a", "OccurrenceConstraintViolation")),
    ('[2,"a","BootNotification",null]', ("a", "OccurenceConstraintViolation"), ("a", "OccurrenceConstraintViolation")),
    ('[2,"a","DataTransfer",{"vendorId":5}]', ("a", "TypeConstraintViolation"), ("a", "TypeConstraintViolation")),
    (
        '[2,"a","DataTransfer",{"vendorId":"' + "x" * 256 + '"}]',
        ("a", "PropertyConstraintViolation"),
        ("a", "PropertyConstraintViolation"),
    ),
    ('[3,"nobody-asked",{}]', NO, NO),
    ('[4,"nobody-asked","GenericError","",{}]', NO, NO),
    ('[4,"nobody-asked"]', NO, NO),
    ("[3,{},{}]", NO, NO),
    ('[9.5,"a"]', NO, NO),
    ('["2","a","Heartbeat",{}]', NO, NO),
    ('[[],"a"]', NO, NO),
]  # fmt: skip


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
@pytest.mark.parametrize(("frame", "in_16", "in_2x"), FRAMES, ids=[str(f[0])[:24] for f in FRAMES])
async def test_a_bad_frame_gets_the_right_error_or_none(
    csms: CentralSystem,
    version: str,
    frame: str | bytes,
    in_16: tuple[str, str] | None,
    in_2x: tuple[str, str] | None,
) -> None:
    """A bad frame is answered with the version's own error code or not at all, and the session continues."""
    expected = in_16 if version == "1.6" else in_2x
    if version == "2.0.1" and isinstance(frame, str) and frame[1:2] in ("9", '"', "["):
        expected = ("a", "MessageTypeNotSupported") if '"a"' in frame else expected
    async with connected(csms.address, version) as charge_point:
        if expected is None:
            await charge_point.send(frame)
        else:
            answer = await charge_point.ask(frame)
            assert len(answer) == 5
            assert (answer[0], (answer[1], answer[2])) == (4, expected)
            assert isinstance(answer[3], str) and len(answer[3]) <= 255
            assert answer[4] == {}
        await charge_point.silence_until_heartbeat()


async def test_types_of_2_1_are_not_known_to_2_0_1(csms: CentralSystem) -> None:
    """In 2.0.1 the CSMS answers SEND as an unsupported message type."""
    async with connected(csms.address, "2.0.1") as charge_point:
        answer = await charge_point.ask([6, "a", "NotifyPeriodicEventStream", {}])
    assert answer[:3] == [4, "a", "MessageTypeNotSupported"]


async def test_a_call_sent_twice_is_answered_alike_and_done_once(csms: CentralSystem) -> None:
    """An identical CALL gets the identical answer, and only one transaction is open."""
    start = [2, "a", "StartTransaction", {"connectorId": 1, "idTag": "TAG", "meterStart": 5,
             "timestamp": "2026-01-01T00:00:00Z"}]  # fmt: skip
    async with connected(csms.address, "1.6") as charge_point:
        first = await charge_point.ask(start)
        again = await charge_point.ask(start)
        new_id = await charge_point.ask([2, "b", *start[2:]])
    assert first == again
    assert new_id[2] == first[2]
    assert len(csms.store.open_transactions("CHARGER-001")) == 1


async def test_a_call_that_failed_is_done_when_it_is_sent_again(
    csms: CentralSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the file is locked the CALL gets InternalError; the same CALL sent again later is answered and stored."""
    start = [2, "a", "StartTransaction", {"connectorId": 1, "idTag": "TAG", "meterStart": 5,
             "timestamp": "2026-01-01T00:00:00Z"}]  # fmt: skip

    def locked() -> None:
        raise sqlite3.OperationalError("database is locked")

    async with connected(csms.address, "1.6") as charge_point:
        with monkeypatch.context() as failing:
            failing.setattr(csms.store, "writing", locked)
            failed = await charge_point.ask(start)
        again = await charge_point.ask(start)
    assert failed[:3] == [4, "a", "InternalError"]
    assert again[:2] == [3, "a"]
    assert len(csms.store.open_transactions("CHARGER-001")) == 1


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("9223372036854775808", "PropertyConstraintViolation"),
        ("1e30", "TypeConstraintViolation"),
        ("123456789012345678901234567890", "TypeConstraintViolation"),
    ],
)
async def test_a_number_too_large_to_be_kept_is_refused(csms: CentralSystem, number: str, code: str) -> None:
    """Schemas set no upper bound, so the CSMS refuses the whole CALL; the session continues."""
    status = f'{{"connectorId":{number},"errorCode":"NoError","status":"Available"}}'
    async with connected(csms.address, "1.6") as charge_point:
        answer = await charge_point.ask(f'[2,"a","StatusNotification",{status}]')
        assert answer[:3] == [4, "a", code]
        await charge_point.silence_until_heartbeat()
    assert csms.store.rows("SELECT * FROM connectors") == []


@pytest.mark.parametrize("depth", [101, 252, 300, 900])
@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_what_is_nested_too_deep_is_refused(csms: CentralSystem, version: str, depth: int) -> None:
    """A hundred nested lists are accepted and shown; deeper nesting is a FormatViolation and is not stored."""
    async with connected(csms.address, version) as charge_point:
        await charge_point.call("DataTransfer", {"vendorId": "V", "data": nested(99)})
        refused = await charge_point.ask([2, "a", "DataTransfer", {"vendorId": "V", "data": nested(depth)}])
        assert refused[:3] == [4, "a", "FormatViolation"]
        await charge_point.silence_until_heartbeat()
    shown = overview.charge_point(csms.context, csms.connections, "CHARGER-001")
    assert shown is not None and len(shown["notices"]) == 1


async def test_a_send_that_cannot_be_kept_does_not_end_the_session(
    csms: CentralSystem, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither a too deeply nested SEND nor one whose handling fails ends it; the log reports both."""
    send = {"id": 1, "pending": 0, "basetime": "2026-01-01T00:00:00Z", "data": [{"t": 1, "v": "x"}]}

    def failing(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async with connected(csms.address, "2.1") as charge_point:
        deep = send | {"customData": {"vendorId": "V", "deep": nested(253)}}
        await charge_point.send([6, "a", "NotifyPeriodicEventStream", deep])
        await charge_point.silence_until_heartbeat()
        monkeypatch.setattr(csms.store, "notice", failing)
        await charge_point.send([6, "b", "NotifyPeriodicEventStream", send])
        await charge_point.silence_until_heartbeat()
    assert "nested deeper" in caplog.text and "disk I/O error" in caplog.text


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text(),
    lambda inner: strategies.lists(inner, max_size=5) | strategies.dictionaries(strategies.text(), inner, max_size=3),
    max_leaves=10,
)


@given(
    frame=strategies.text()
    | strategies.binary()
    | JSON.map(json.dumps)
    | strategies.tuples(strategies.integers(0, 7), JSON, JSON, JSON).map(json.dumps),
    version=strategies.sampled_from(schemas.VERSIONS),
)
def test_no_frame_makes_the_reader_fail(frame: str | bytes, version: schemas.Version) -> None:
    """Every input is parsed as a message or as malformed, and the answer to a malformed one is a valid CALLERROR."""
    message = frames.parse(frame, version)
    if isinstance(message, frames.Malformed) and message.message_id is not None:
        assert message.code is not None
        answer = json.loads(frames.call_error(version, message.message_id, message.code, message.reason))
        assert (len(answer), answer[0], answer[1], answer[4]) == (5, 4, message.message_id, {})
