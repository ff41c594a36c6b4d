"""The parser accepts any input and says exactly what is wrong with it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.protocol.messages import (
    PROBLEM_KINDS,
    Call,
    CallError,
    CallResult,
    CallResultError,
    Malformed,
    Send,
    parse,
)
from inspector.protocol.vocabulary import OcppVersion
from tests.protocol import strategies
from tests.protocol.real_messages import REAL

V16, V201, V21 = OcppVersion.V16, OcppVersion.V201, OcppVersion.V21


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'[2,"1","Heartbeat",{}]', Call("1", "Heartbeat", {})),
        (b'[3,"1",{"a":1}]', CallResult("1", {"a": 1})),
        (b'[4,"1","GenericError","why",{"a":1}]', CallError("1", "GenericError", "why", {"a": 1})),
        (b'[5,"1","FormatViolation","",{}]', CallResultError("1", "FormatViolation", "", {})),
        (b'[6,"1","NotifyPeriodicEventStream",{}]', Send("1", "NotifyPeriodicEventStream", {})),
        (b' [ 2 , "1" , "Heartbeat" , { } ]\n', Call("1", "Heartbeat", {})),
        (
            '[2,"é","DataTransfer",{"vendorId":"\\u00e9 \\" "}]'.encode(),
            Call("é", "DataTransfer", {"vendorId": 'é " '}),
        ),
    ],
)
def test_a_right_message_is_read_without_a_problem(raw: bytes, expected: object) -> None:
    """Each of the five message types has its own class, whose members are as sent."""
    assert parse(raw, V21) == expected


@pytest.mark.parametrize(
    ("raw", "kind", "pointer", "found_id", "found_action"),
    [
        (b"", "json", None, None, None),
        (b'[2,"1","Heartbeat",{}', "json", None, "1", "Heartbeat"),
        (b',[2,"1","Heartbeat",{}]', "json", None, "1", "Heartbeat"),
        (b'\xef\xbb\xbf[2,"1","Heartbeat",{}]', "json", None, "1", "Heartbeat"),
        (b'\x00[2,"1","Heartbeat",{}]', "json", None, "1", "Heartbeat"),
        (b'[2,"1","Heartbeat",{}]\x00', "json", None, "1", "Heartbeat"),
        (b'[2,,"1","Heartbeat",{}]', "json", None, "1", "Heartbeat"),
        (b'[2,"1","Heartbeat",{},]', "json", None, "1", "Heartbeat"),
        (b"[2,'1','Heartbeat',{}]", "json", None, "1", "Heartbeat"),
        ("[2,\u201c1\u201d,\u201cHeartbeat\u201d,{}]".encode(), "json", None, "1", "Heartbeat"),
        (b'[3,"1",{"currentTime":"2026-01', "json", None, "1", None),
        (b"[21234", "json", None, None, None),
        (b'[2,"1","Heartbeat",{"a":NaN}]', "json", None, "1", "Heartbeat"),
        (b'[2,"1","Heartbeat",{"a":"\\ud800"}]', "json", None, "1", "Heartbeat"),
        (b'[2,"1","Heartbeat",{"a":"\x00"}]', "json", None, "1", "Heartbeat"),
        (b'[3,"1",{"a":"\xff"}]', "encoding", None, "1", None),
        (b"[2,7,", "json", None, "7", None),
        (b"{}", "shape", "", None, None),
        (b"null", "shape", "", None, None),
        (b"[]", "shape", "", None, None),
        (b'["2","1","Heartbeat",{}]', "shape", "/0", "1", None),
        (b'[true,"1","Heartbeat",{}]', "shape", "/0", "1", None),
        (b'[2.0,"1","Heartbeat",{}]', "shape", "/0", "1", None),
        (b"[2]", "shape", "", None, None),
        (b'[2,null,"Heartbeat",{}]', "message-id", "/1", None, None),
        (b'[7,"1","Heartbeat",{}]', "message-type", "/0", "1", "Heartbeat"),
        (b'[2,"1"]', "shape", "", "1", None),
        (b'[2,"1",5,{}]', "shape", "/2", "1", None),
        (b'[2,"1","Heartbeat"]', "shape", "", "1", "Heartbeat"),
        (b'[3,"1"]', "shape", "", "1", None),
        (b'[4,"1",5,"",{}]', "shape", "/2", "1", None),
    ],
)
def test_what_is_no_message_is_malformed_with_the_place_and_the_best_id(
    raw: bytes, kind: str, pointer: str | None, found_id: str | None, found_action: str | None
) -> None:
    """The result has the reason, the position, and the id and action as far as they could be read."""
    message = parse(raw, V16)
    assert isinstance(message, Malformed)
    assert (message.problems[-1].kind, message.problems[-1].pointer) == (kind, pointer)
    assert (message.message_id, message.action) == (found_id, found_action)


@pytest.mark.parametrize(
    ("raw", "kind", "pointer"),
    [
        (b'[2,1,"Heartbeat",{}]', "message-id", "/1"),
        (b'[2,"","Heartbeat",{}]', "message-id", "/1"),
        (b'[3,"1234567890123456789012345678901234567",{}]', "message-id", "/1"),
        (b'[2,"1","Heartbeat",{},5]', "shape", ""),
        (b'[2,"1","Heartbeat",null]', "payload-null", "/3"),
        (b'[2,"1","Heartbeat",[]]', "shape", "/3"),
        (b'[3,"1",null]', "payload-null", "/2"),
        (b'[3,"1",{},{}]', "shape", ""),
        (b'[4,"1","GenericError","",null]', "error-form", "/4"),
        (b'[4,"1","GenericError",null,{}]', "shape", "/3"),
        (b'[4,"1","GenericError"]', "shape", ""),
        (b'[2,"1","DataTransfer",{"vendorId":"a","vendorId":"b"}]', "duplicate-key", None),
    ],
)
def test_a_faulty_envelope_that_can_be_understood_is_still_a_message(
    raw: bytes, kind: str, pointer: str | None
) -> None:
    """Such a message is paired and judged, and its problem is named."""
    message = parse(raw, V16)
    assert not isinstance(message, Malformed)
    assert [(problem.kind, problem.pointer) for problem in message.problems] == [(kind, pointer)]


def test_binary_messages_are_refused_but_looked_into() -> None:
    """OCPP-J is text only; the parser still finds the id, so that the finding can name it."""
    message = parse(b'[2,"1","Heartbeat",{}]', V16, binary=True)
    assert isinstance(message, Malformed)
    assert (message.problems[0].kind, message.message_id, message.action) == ("binary", "1", "Heartbeat")


@pytest.mark.parametrize(("version", "understood"), [(V16, False), (V201, False), (V21, True), (None, True)])
def test_types_5_and_6_exist_since_2_1(version: OcppVersion | None, understood: bool) -> None:
    """Before 2.1 they are unknown message types; while the version is unknown they are accepted."""
    for raw in (b'[5,"1","FormatViolation","",{}]', b'[6,"1","NotifyPeriodicEventStream",{}]'):
        assert isinstance(parse(raw, version), Malformed) is not understood


@pytest.mark.parametrize("version", OcppVersion)
def test_real_messages_have_no_problem(version: OcppVersion) -> None:
    """Correct messages have no problem, except message types of 2.1 in older versions."""
    for raw in REAL[version]:
        if raw[1:2] in b"56" and version is not V21:
            continue
        message = parse(raw, version)
        assert not isinstance(message, Malformed)
        assert message.problems == ()


@given(st.binary() | strategies.any_json.map(strategies.written), st.none() | strategies.ANY_VERSION, st.booleans())
def test_any_bytes_and_any_json_are_taken_without_an_exception(
    raw: bytes, version: OcppVersion | None, binary: bool
) -> None:
    """The parser never raises; each problem is of a documented kind and can be printed."""
    _is_well_formed(parse(raw, version, binary))


@given(st.data(), strategies.ANY_VERSION)
def test_nearly_right_and_bent_messages_are_taken_without_an_exception(
    data: st.DataObject, version: OcppVersion
) -> None:
    """The parser never raises for inputs that resemble messages either."""
    _is_well_formed(parse(data.draw(strategies.anything(version)), version))


def _is_well_formed(message: Any) -> None:
    assert isinstance(message, Call | CallResult | CallError | CallResultError | Send | Malformed)
    assert str(message)
    for problem in message.problems:
        assert problem.kind in PROBLEM_KINDS
        assert problem.pointer is None or problem.pointer == "" or problem.pointer.startswith("/")
        assert problem.text
        assert len(problem.text) < 1000
    if isinstance(message, Malformed):
        assert message.problems
    else:
        assert isinstance(message.message_id, str)


_members = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=12),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=10,
    ),
    max_size=5,
)


@given(st.text(min_size=1, max_size=36), st.text(max_size=30), _members, st.booleans())
def test_whatever_is_written_as_a_call_is_read_as_that_call(
    message_id: str, action: str, payload: dict[str, Any], escaped: bool
) -> None:
    """Id, action and payload are read back unchanged, however the JSON escapes them."""
    raw = json.dumps([2, message_id, action, payload], ensure_ascii=escaped).encode()
    assert parse(raw, V16) == Call(message_id, action, payload)


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 1_000_000,
        b'[2,"1","A",{"a":' + b"[" * 500_000,
        b'[2,"1","A",' + b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"]",
        b'[2,"' + b"\\\\" * 500_000 + b'","A",{}]',
        b'[2,"1","A",{"a":"' + b"\xc3" * 500_000 + b'"}]',
        b'[2,"1","A",{' + b",".join(b'"a":1' for _ in range(100_000)) + b"}]",
        b'[2,"1","A",[' + b"1e999," * 100_000 + b"1]]",
        b'[2,"1","A",{"n":' + b"9" * 500_000 + b"}]",
    ],
    ids=["arrays", "unclosed", "objects", "escapes", "continuation", "duplicates", "infinity", "digits"],
)
def test_hostile_megabytes_take_no_more_than_a_moment(raw: bytes) -> None:
    """The time is proportional to the size: a hostile megabyte takes at most a second or two."""
    started = time.perf_counter()
    message = parse(raw, V16)
    assert time.perf_counter() - started < 3
    assert len(message.problems) < 5
