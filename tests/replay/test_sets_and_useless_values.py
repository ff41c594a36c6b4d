"""Lists without a meaningful order may come in any order; values that may differ must stay usable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.protocol.schemas import schema
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.replay.compare import compare_scripts
from inspector.replay.matching import Difference, compare
from inspector.replay.policy import MODES, SHAPE, STRICT, Policy
from inspector.replay.unordered import KEYS, pair

from .test_false_passes import BOOTED, scripts_of

NOW_S = 1_767_268_800
NOON = {"currentTime": "2026-01-01T12:00:00Z"}  # the time NOW_S


def differences(
    action: str, recorded: Any, live: Any, policy: Policy | None = None, version: str = "1.6"
) -> list[Difference]:
    """Return the differences between two answers to one CALL; the second one comes 300 days later."""
    frames = []
    for payload, at_s in ((recorded, NOW_S), (live, NOW_S + 300 * 86_400)):
        session, at = Session(f"ocpp{version}"), at_s * 1_000_000_000
        session.frame(1, at, at, Direction.FROM_CHARGE_POINT, json.dumps([2, "1", action, {}]).encode())
        frames.append(session.frame(2, at, at, Direction.FROM_CSMS, json.dumps([3, "1", payload]).encode()))
    one, other = frames
    return compare(one, one.payload, other, policy or Policy())


def keys(*pairs: tuple[str, str]) -> dict[str, Any]:
    return {"configurationKey": [{"key": key, "readonly": False, "value": value} for key, value in pairs]}


@pytest.mark.parametrize("mode", MODES)
def test_configuration_keys_in_another_order_are_as_recorded(mode: str) -> None:
    recorded, live = keys(("A", "1"), ("B", "2"), ("C", "3")), keys(("C", "3"), ("A", "1"), ("B", "2"))
    assert differences("GetConfiguration", recorded, live, Policy(mode)) == []


def test_configuration_key_with_another_value_is_found_wherever_it_stands() -> None:
    (one,) = differences("GetConfiguration", keys(("A", "1"), ("B", "2")), keys(("B", "9"), ("A", "1")))
    assert one.pointer == "/2/configurationKey/0/value"
    assert one.sentence == 'value is "9", recorded "2"'


def test_elements_that_lack_or_are_new_are_named() -> None:
    (lacking,) = differences("GetConfiguration", keys(("A", "1"), ("B", "2")), keys(("B", "2")))
    assert lacking.sentence == "configurationKey lacks A"
    (extra,) = differences("GetConfiguration", keys(("B", "2")), keys(("A", "1"), ("B", "2")))
    assert extra.sentence == "configurationKey has A, which was not recorded"
    assert extra.pointer == "/2/configurationKey/0"


def test_variables_of_another_component_are_another_element() -> None:
    def results(*components: str) -> dict[str, Any]:
        return {
            "getVariableResult": [
                {
                    "attributeStatus": "Accepted",
                    "attributeValue": name,
                    "component": {"name": name},
                    "variable": {"name": "X"},
                }
                for name in components
            ]
        }

    assert differences("GetVariables", results("A", "B"), results("B", "A"), version="2.0.1") == []
    assert len(differences("GetVariables", results("A", "B"), results("B", "C"), version="2.0.1")) == 2


@given(st.permutations(["Voltage", "Current.Import", "Energy.Active.Import.Register", "SoC"]))
def test_sampled_values_may_come_in_any_order(order: list[str]) -> None:
    def sampled(names: list[str]) -> list[dict[str, str]]:
        return [{"measurand": name, "value": str(len(name))} for name in names]

    recorded = sampled(sorted(order))
    found = pair("sampledValue", recorded, sampled(order))
    assert found is not None and not found.missing and not found.extra
    assert all(recorded[one]["measurand"] == order[other] for one, other in found.pairs)


def test_lists_with_an_order_keep_it() -> None:
    periods = [{"startPeriod": 0, "limit": 16}, {"startPeriod": 60, "limit": 8}]
    assert pair("chargingSchedulePeriod", periods, periods[::-1]) is None


def test_every_list_without_an_order_is_a_list_of_the_schemas() -> None:
    known = "".join(
        json.dumps(schema(version, action, kind))  # type: ignore[arg-type]
        for version in OcppVersion
        for action in ("GetConfiguration", "SendLocalList", "MeterValues", "Authorize", "NotifyReport", "GetVariables")
        for kind in ("request", "response")
        if schema(version, action, kind) is not None  # type: ignore[arg-type]
    )
    for member in ("configurationKey", "unknownKey", "localAuthorizationList", "sampledValue", "reportData"):
        assert f'"{member}"' in known and member in KEYS


@pytest.mark.parametrize(
    ("action", "recorded", "live", "said"),
    [
        ("Heartbeat", {"currentTime": "2026-01-01T12:00:00Z"}, {"currentTime": "2026-01-01T12:00:00Z"}, "off the time"),
        (
            "Heartbeat",
            {"currentTime": "2026-01-01T12:00:00Z"},
            {"currentTime": "1970-01-01T00:00:00Z"},
            "before the year",
        ),
        ("BootNotification", {"interval": 300}, {"interval": 0}, "interval is 0, recorded 300"),
        (
            "Authorize",
            {"idTagInfo": {"status": "Accepted", "expiryDate": "2026-06-01T00:00:00Z"}},
            {"idTagInfo": {"status": "Accepted", "expiryDate": "2026-06-01T00:00:00Z"}},
            "in the past",
        ),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_values_that_have_become_useless_are_differences(
    action: str, recorded: Any, live: Any, said: str, mode: str
) -> None:
    found = [one.sentence for one in differences(action, recorded, live, Policy(mode)) if one.matcher == "useless"]
    assert [said in sentence for sentence in found] == ([] if mode == SHAPE else [True])


def test_values_of_use_and_those_the_user_leaves_open_are_not() -> None:
    later = {"currentTime": "2026-10-28T11:00:00Z"}
    assert differences("Heartbeat", {"currentTime": "2026-01-01T12:00:00Z"}, later) == []
    assert differences("BootNotification", {"interval": 300}, {"interval": 60}) == []
    stale = {"currentTime": "2026-01-01T12:00:00Z"}
    assert differences("Heartbeat", stale, stale, Policy(volatile={"*": frozenset({"currentTime"})})) == []
    assert differences("Heartbeat", stale, stale, Policy(ignore={"Heartbeat": frozenset({"/currentTime"})})) == []


def test_another_serial_number_or_firmware_is_a_difference_only_in_strict_mode(tmp_path: Path) -> None:
    boot = '[2,"b","BootNotification",{{"chargePointVendor":"V","chargePointModel":"{}","firmwareVersion":"{}"}}]'
    (recorded,) = scripts_of(tmp_path, (">", boot.format("M", "1.0")), BOOTED)
    (updated,) = scripts_of(tmp_path, (">", boot.format("M", "2.0")), BOOTED, name="updated")
    (other,) = scripts_of(tmp_path, (">", boot.format("N", "1.0")), BOOTED, name="other")
    assert compare_scripts(recorded, updated, Policy()).equal
    assert not compare_scripts(recorded, updated, Policy(STRICT)).equal
    assert not compare_scripts(recorded, other, Policy()).equal
