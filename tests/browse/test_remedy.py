"""What to change in a frame that its schema refuses: the member to add, or the value to send."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.browse.examples import script_for
from inspector.browse.remedy import remedy
from inspector.browse.remedy_by_example import _measured
from inspector.browse.views.serialize import RULES
from inspector.protocol import schemas
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.playback import play


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


def findings_of_examples() -> list[tuple[str, str, Any, str, str, str, str]]:
    """Findings of bad examples that name a place: rule, pointer, value, message, version, action, frame."""
    found = []
    for slug, rule in RULES.items():
        for name in dict.fromkeys([*rule.bad, *rule.good]):
            version = next((str(each) for each in sorted(rule.versions) if str(each).startswith(name[:1])), None)
            if version is None:
                continue
            script = script_for(rule.bad, name)
            frames = [
                line.strip().partition(" ")[2] for line in script.splitlines() if line.strip()[:2] in ("> ", "< ")
            ]
            actions = {frame[1]: frame[2] for frame in map(read, frames) if frame and frame[0] == 2}
            for one in play(script, OcppVersion(version)):
                if one.rule_id != slug or not one.pointer or one.frame_id is None or one.frame_id > len(frames):
                    continue
                raw = frames[one.frame_id - 1]
                frame = read(raw)
                if frame:
                    value = at(frame, one.pointer)
                    found.append((slug, one.pointer, value, one.message, version, str(actions.get(frame[1])), raw))
    return found


def read(raw: str) -> list[Any] | None:
    try:
        frame = json.loads(raw)
    except ValueError:
        return None
    return frame if isinstance(frame, list) and len(frame) > 2 else None


def at(value: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        value = value[int(part)] if isinstance(value, list) else value.get(part)
    return value


NO_WRONG_VALUE = re.compile(r"but no |has not |within \d+ s|never ")
"""Messages about frames that are missing: no value of the frame is wrong."""


def test_most_findings_at_a_wrong_value_come_with_a_good_one_or_a_member_to_add() -> None:
    """The value that is called good is never the one that is there."""
    found = [
        one
        for one in findings_of_examples()
        if not (one[0].startswith("rpc.") or NO_WRONG_VALUE.search(one[3]) or _measured(one[2], one[1]))
    ]
    assert len(found) > 250
    changes = [(value, remedy(slug, pointer, *rest)) for slug, pointer, value, *rest in found]
    known = [(value, one) for value, one in changes if one is not None]
    assert len(known) > 0.5 * len(found)
    for value, one in known:
        assert one.text or (one.bad and one.good)
        assert one.good is None or one.good != json.dumps(value)


@pytest.mark.parametrize(
    ("rule", "payload", "pointer", "said", "bad", "good"),
    [
        (
            "meter.register-falls",
            {"value": "300"},
            "/3/value",
            "the register falls from 500 Wh to 300 Wh",
            '"300"',
            "500 Wh or more",
        ),
        ("meter.not-a-number", {"value": "1,7"}, "/3/value", "with a decimal comma", '"1,7"', '"1.7"'),
        ("meter.unit", {"unit": "KWH"}, "/3/unit", "the unit is 'KWH'; the list spells it kWh", '"KWH"', '"kWh"'),
        ("event.sequence", {"seqNo": 1}, "/3/seqNo", "seqNo is 1; expected 0", "1", "0"),
        ("payload.x", {"limit": 3}, "/3/limit", "operationMode is Idle, but limit is given", "3", "leave limit out"),
        ("any.rule", {"a": "x"}, "/3/a", "expected a string", None, None),
    ],
)
def test_a_message_that_says_what_belongs_there_is_believed(
    rule: str, payload: dict[str, Any], pointer: str, said: str, bad: str | None, good: str | None
) -> None:
    """On the frame that the message is about; on a later one the message is about other values."""
    raw = json.dumps([2, "1", "MeterValues", payload])
    one = remedy(rule, pointer, said, "1.6", "MeterValues", raw)
    assert (one.bad if one else None, one.good if one else None) == (bad, good)
    later = remedy(rule, pointer, said, "1.6", "MeterValues", raw, first=False)
    assert later is None or later.good != good or good == '"1.7"'
