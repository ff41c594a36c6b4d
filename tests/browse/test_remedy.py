"""What to change in a frame that its schema refuses: the member to add, or the value to send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.browse.remedy import remedy
from inspector.protocol import schemas
from inspector.protocol.vocabulary import OcppVersion


def mended(payload: dict[str, Any], action: str = "StatusNotification", version: str = "1.6") -> list[Any]:
    raw = json.dumps([2, "1", action, payload])
    found = schemas.faults(OcppVersion(version), action, "request", payload)
    return [remedy("payload.schema", f"/3{each.pointer}", each.text, version, action, raw) for each in found]


def test_a_missing_member_is_named_with_what_it_may_be() -> None:
    """The remedy names the member and its allowed values."""
    (one,) = mended({"connectorId": 1, "errorCode": "NoError"})
    assert one.text.startswith("Add status: one of Available, Preparing, Charging")


def test_a_value_of_no_list_gets_the_nearest_one() -> None:
    """The remedy shows the bad value, and the nearest allowed one beside it."""
    (one,) = mended({"connectorId": 1, "errorCode": "NoErorr", "status": "Available"})
    assert (one.bad, one.good) == ('"NoErorr"', '"NoError"')


@pytest.mark.parametrize(
    ("payload", "bad", "good"),
    [
        ({"connectorId": "1", "errorCode": "NoError", "status": "Available"}, '"1"', "1"),
        ({"connectorId": 1, "errorCode": "NoError", "status": "Available", "info": 5}, "5", '"5"'),
        ({"connectorId": "one", "errorCode": "NoError", "status": "Available"}, '"one"', None),
    ],
)
def test_a_value_of_another_type_is_converted_where_it_can_be(payload: dict[str, Any], bad: str, good: Any) -> None:
    """A number written as a string, and the other way round."""
    (one,) = mended(payload)
    assert (one.bad, one.good) == (bad, good)


def test_too_long_a_value_is_cut_and_an_unknown_member_renamed() -> None:
    """A long value is cut to the length that fits; an unknown member gets the nearest known name."""
    (long,) = mended({"idTag": "A" * 25}, "Authorize")
    assert json.loads(long.good) == "A" * 20
    (unknown,) = mended({"idTag": "A", "idTags": "B"}, "Authorize")
    assert unknown.text == "Remove idTags, or rename it to idTag."


def test_a_time_without_zone_gets_one() -> None:
    """The remedy adds the missing Z."""
    raw = '[2,"1","X",{"timestamp":"2026-01-01T12:00:00"}]'
    one = remedy("time.zone", "/3/timestamp", "", "1.6", "X", raw)
    assert one is not None
    assert one.good == '"2026-01-01T12:00:00Z"'


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@given(
    payload=st.fixed_dictionaries({}, optional=dict.fromkeys(("connectorId", "errorCode", "status", "x"), VALUES)),
    pointer=st.sampled_from(["/3", "/3/status", "/3/connectorId", "/3/x", "/9", "", "/3/a/b"]),
)
def test_nothing_a_peer_sends_makes_it_fail(payload: dict[str, Any], pointer: str) -> None:
    """Whatever the payload is, the function returns a remedy or None."""
    raw = json.dumps([2, "1", "StatusNotification", payload])
    for message in (raw, "[3", raw.encode(), None, '"2"', "[]", "[2,1]"):
        remedy("payload.schema", pointer, "status is missing", "1.6", "StatusNotification", message)
    mended(json.loads(json.dumps(payload, default=str).replace("NaN", "0").replace("Infinity", "0")))
