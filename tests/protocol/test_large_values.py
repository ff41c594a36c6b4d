"""A payload of any size is judged in bounded time, and a finding says which part was not judged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.protocol.large_values import VALUES_LIMIT, first_values, is_large, shorten, shorten_text
from inspector.protocol.schemas import UNEXPECTED_LIMIT, SchemaFault, faults
from inspector.protocol.vocabulary import OcppVersion
from tests.growth import measured

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.text(min_size=60)),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@given(JSON, st.integers(1, 80))
def test_a_value_is_shortened_to_the_beginning_of_its_json(value: Any, most: int) -> None:
    assert shorten(value, most) == shorten_text(json.dumps(value, ensure_ascii=False), most)


@given(st.dictionaries(st.text(), JSON), st.integers(0, 30))
def test_of_a_payload_with_too_many_values_only_the_first_are_judged(payload: dict[str, Any], most: int) -> None:
    cut = first_values(payload, most)
    assert count(cut) == min(count(payload), most)
    assert is_beginning(cut, payload)
    assert (cut is payload) == (count(payload) <= most)


def count(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(1 + count(one) for one in inner)


def is_beginning(part: Any, whole: Any) -> bool:
    """Return whether `part` is `whole` cut off at the end: at each level only the last value may be incomplete."""
    if isinstance(part, dict) and isinstance(whole, dict):
        part, whole = list(part.items()), list(whole.items())
        return [name for name, _ in part] == [name for name, _ in whole[: len(part)]] and all(
            is_beginning(one, other) for (_, one), (_, other) in zip(part, whole, strict=False)
        )
    if isinstance(part, list) and isinstance(whole, list):
        return len(part) <= len(whole) and all(
            is_beginning(one, other) for one, other in zip(part, whole, strict=False)
        )
    return bool(part == whole)


def local_list(*entries: Any) -> dict[str, Any]:
    return {"listVersion": 1, "updateType": "Full", "localAuthorizationList": list(entries)}


def found(payload: Any) -> list[SchemaFault]:
    return list(faults(OcppVersion.V16, "SendLocalList", "request", payload))


@pytest.mark.parametrize("entry", [1, {}, {"idTag": 1}, {"idTag": "A", "x": 1}, []], ids=json.dumps)
def test_a_list_of_a_hundred_thousand_wrong_elements_gives_some_findings_soon(entry: Any) -> None:
    growth = measured(lambda size: local_list(*[entry] * size), found, VALUES_LIMIT)
    assert not growth.too_fast and growth.large < 1, growth
    named = found(local_list(*[entry] * 100_000))
    assert 100 <= len(named) <= 201
    assert "only the first elements of its lists" in named[-1].text
    assert "100" not in {fault.pointer.rpartition("/")[2] for fault in named}


def test_the_number_of_elements_is_that_of_the_whole_list() -> None:
    report = {"certificateHashDataChain": [{}] * 20_000, "status": "Accepted"}
    payload = {"status": "Accepted", "getLocalListVersion": 1, **report}
    named = list(faults(OcppVersion.V201, "GetInstalledCertificateIds", "response", payload))
    assert any(fault.pointer == "/certificateHashDataChain/0" for fault in named)
    schedule = {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1.0}] * 20_000}
    composite = {"status": "Accepted", "schedule": {"evseId": 1, "duration": 1, "scheduleStart": "t", **schedule}}
    composite["schedule"]["chargingRateUnit"] = "x"
    named = list(faults(OcppVersion.V201, "GetCompositeSchedule", "response", composite))
    assert {fault.keyword for fault in named} == {"enum", ""}


def test_what_is_wrong_behind_the_first_elements_is_not_taken_for_right() -> None:
    (fault,) = found(local_list(*[{"idTag": "A"}] * 20_000, 1))
    assert fault.text.startswith("it violates its schema; it is so large that only the first elements")


def test_of_many_unknown_members_the_first_are_named_and_the_others_counted() -> None:
    named = found({**local_list(), **{f"m{number}": 1 for number in range(2000)}})
    assert len(named) == UNEXPECTED_LIMIT + 1
    assert named[-1].text == "at least 1500 more unknown properties"


def test_a_payload_of_a_usual_size_is_looked_through_as_a_whole() -> None:
    payload = local_list(*[{"idTag": "A" * 20}] * 3000, {"idTag": "A" * 21})
    assert not is_large(payload)
    (fault,) = found(payload)
    assert fault.pointer == "/localAuthorizationList/3000/idTag"
