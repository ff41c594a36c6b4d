"""One change in the peer is reported with frame and field, unless it has no meaning."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from inspector.replay.outcome import Outcome
from inspector.replay.text_report import excerpt
from tests.replay.changed_peer import TIMEOUT_S, Change, Step, replayed_to_charge_point, replayed_to_csms

CSMS, CHARGE_POINT = "csms", "charge-point"  # the peer with the change
REPLAY: dict[str, Callable[[str, Change], Outcome]] = {
    CSMS: replayed_to_csms,
    CHARGE_POINT: replayed_to_charge_point,
}


def find(steps: list[Step], action: str, kind: int = 3, nth: int = 0) -> Step:
    """Return the nth frame of the peer about an action; `kind` is 2 for its CALLs, 3 for its answers."""
    return [step for step in steps if step.sends and step.action == action and step.message[0] == kind][nth]


def place(message: list[Any], pointer: str) -> tuple[Any, Any]:
    *way, last = [int(part) if part.isdigit() else part for part in pointer[1:].split("/")]
    inner: Any = message
    for part in way:
        inner = inner[part]
    return inner, last


def put(action: str, pointer: str, value: Any, kind: int = 3, nth: int = 0) -> Change:
    """Change a value in the frame."""

    def change(steps: list[Step]) -> None:
        inner, last = place(find(steps, action, kind, nth).message, pointer)
        assert inner.get(last) != value if isinstance(inner, dict) else inner[last] != value
        inner[last] = value

    return change


def drop(action: str, pointer: str, kind: int = 3, nth: int = 0) -> Change:
    """Remove a member from the frame."""

    def change(steps: list[Step]) -> None:
        inner, last = place(find(steps, action, kind, nth).message, pointer)
        del inner[last]

    return change


def lose(action: str, kind: int = 3, nth: int = 0) -> Change:
    """Do not send a frame; if it is a CALL, do not wait for its answer either."""

    def change(steps: list[Step]) -> None:
        lost = find(steps, action, kind, nth)
        steps[:] = [step for step in steps if step is not lost]

    return change


def double(action: str, kind: int = 3, nth: int = 0, new_id: bool = False) -> Change:
    """Send a frame twice."""

    def change(steps: list[Step]) -> None:
        step = find(steps, action, kind, nth)
        again = Step(True, ["", *step.message[1:]], step.action)
        again.message = [step.message[0], "once-more" if new_id else step.message[1], *step.message[2:]]
        steps.insert(steps.index(step) + 1, again)

    return change


def late(action: str, nth: int = 0) -> Change:
    """Send an answer so late that the player no longer waits for it."""

    def change(steps: list[Step]) -> None:
        find(steps, action, 3, nth).delay_s = 3 * TIMEOUT_S

    return change


def refuse(action: str, code: str = "InternalError") -> Change:
    """Send a CALLERROR instead of an answer."""

    def change(steps: list[Step]) -> None:
        step = find(steps, action)
        step.message = [4, step.message[1], code, "", {}]

    return change


def close(action: str, kind: int = 3, code: int = 1011) -> Change:
    """Close the connection instead of sending a frame."""

    def change(steps: list[Step]) -> None:
        find(steps, action, kind).close_code = code

    return change


def insert(raw: str, before: str, kind: int = 3) -> Change:
    """Send an additional frame before a step."""

    def change(steps: list[Step]) -> None:
        step = find(steps, before, kind)
        more = Step(True, [0, ""], None)
        more.raw = raw
        steps.insert(steps.index(step), more)

    return change


def at_the_end(raw: str) -> Change:
    """Send an additional frame after all others."""

    def change(steps: list[Step]) -> None:
        more = Step(True, [0, ""], None)
        more.raw = raw
        steps.append(more)

    return change


def swap(first: str, second: str) -> Change:
    """Exchange two CALLs, but not their answers."""

    def change(steps: list[Step]) -> None:
        one, other = steps.index(find(steps, first, 2)), steps.index(find(steps, second, 2))
        steps[one], steps[other] = steps[other], steps[one]

    return change


def spell(write: Callable[[Any], str]) -> Change:
    """Write every frame as equivalent JSON in another style."""

    def change(steps: list[Step]) -> None:
        for step in steps:
            step.message = json.loads(write(step.message))

    return change


def everywhere(member: str, value: Any) -> Change:
    """Change a member to another value in every frame of the peer."""

    def walk(found: Any) -> None:
        if isinstance(found, dict) and member in found:
            found[member] = value
        for inner in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
            walk(inner)

    def change(steps: list[Step]) -> None:
        for step in steps:
            if step.sends:
                walk(step.message)

    return change


def reverse(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: reverse(value[name]) for name in reversed(value)}
    return [reverse(inner) for inner in value] if isinstance(value, list) else value


C16, C201, SMART = "charging-1.6", "charging-2.0.1", "smart-charging-1.6"
NOW = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
IN_HOURS = (datetime.now(UTC) + timedelta(hours=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
FAULTED = '[2,"more","StatusNotification",{"connectorId":1,"errorCode":"GroundFailure","status":"Faulted"}]'
LIMIT = "/3/csChargingProfiles/chargingSchedule/chargingSchedulePeriod/0/limit"

# ruff: noqa: E501
CAUGHT: list[tuple[str, str, Change, str | None, str | None]] = [
    # the peer with the change, the recording, the change, the action of the frame and the place that are named
    (CSMS, C16, put("BootNotification", "/2/status", "Pending"), "BootNotification", "/2/status"),
    (CSMS, C16, drop("BootNotification", "/2/status"), "BootNotification", "/2/status"),
    (CSMS, C16, drop("BootNotification", "/2/currentTime"), "BootNotification", "/2/currentTime"),
    (CSMS, C16, put("BootNotification", "/2/currentTime", 12), "BootNotification", "/2/currentTime"),
    (CSMS, C16, put("BootNotification", "/2/interval", "300"), "BootNotification", "/2/interval"),
    (CSMS, C16, put("Authorize", "/2/idTagInfo/status", "Blocked"), "Authorize", "/2/idTagInfo/status"),
    (CSMS, C16, drop("Authorize", "/2/idTagInfo"), "Authorize", "/2/idTagInfo"),
    (CSMS, C16, put("Authorize", "/2/idTagInfo", []), "Authorize", "/2/idTagInfo"),
    (CSMS, C16, put("StartTransaction", "/2/idTagInfo/status", "ConcurrentTx"), "StartTransaction", "/2/idTagInfo/status"),
    (CSMS, C16, drop("StartTransaction", "/2/transactionId"), "StartTransaction", "/2/transactionId"),
    (CSMS, C16, put("StartTransaction", "/2/transactionId", "7"), "StartTransaction", "/2/transactionId"),
    (CSMS, C16, put("StopTransaction", "/2/idTagInfo/status", "Invalid"), "StopTransaction", "/2/idTagInfo/status"),
    (CSMS, C16, refuse("StopTransaction"), "StopTransaction", None),
    (CSMS, C16, refuse("BootNotification", "NotSupported"), "BootNotification", None),
    (CSMS, C16, lose("StatusNotification", nth=2), "StatusNotification", None),
    (CSMS, C16, lose("StartTransaction"), "StartTransaction", None),
    (CSMS, C16, late("Authorize"), "Authorize", None),
    (CSMS, C16, double("Authorize"), "Authorize", None),
    (CSMS, C16, close("StartTransaction"), "StartTransaction", None),
    (CSMS, C16, close("StopTransaction", code=1000), "StopTransaction", None),
    (CSMS, C16, insert('[3,"nobody-asked",{}]', "Authorize"), None, None),
    (CSMS, C16, insert('[3,"half"', "Authorize"), None, None),
    (CSMS, C16, insert('[2,"more","Reset",{"type":"Soft"}]', "Authorize"), "Reset", None),
    (CSMS, C201, put("Authorize", "/2/idTokenInfo/status", "Invalid"), "Authorize", "/2/idTokenInfo/status"),
    (CSMS, C201, drop("TransactionEvent", "/2/idTokenInfo"), "TransactionEvent", "/2/idTokenInfo"),
    (CSMS, C201, lose("TransactionEvent", nth=1), "TransactionEvent", None),
    (CSMS, SMART, put("SetChargingProfile", LIMIT, 3.5, kind=2), "SetChargingProfile", LIMIT),
    (CSMS, SMART, put("SetChargingProfile", "/3/connectorId", 9, kind=2), "SetChargingProfile", "/3/connectorId"),
    (CSMS, SMART, lose("SetChargingProfile", kind=2), "SetChargingProfile", None),
    (CSMS, SMART, double("SetChargingProfile", kind=2, nth=1, new_id=True), "SetChargingProfile", None),
    (CSMS, SMART, swap("SetChargingProfile", "ClearChargingProfile"), "SetChargingProfile", None),
    (CHARGE_POINT, C16, put("StatusNotification", "/3/status", "Faulted", 2, 1), "StatusNotification", "/3/status"),
    (CHARGE_POINT, C16, put("StatusNotification", "/3/errorCode", "GroundFailure", 2), "StatusNotification", "/3/errorCode"),
    (CHARGE_POINT, C16, put("BootNotification", "/3/chargePointModel", "Other", 2), "BootNotification", "/3/chargePointModel"),
    (CSMS, C16, put("BootNotification", "/2/currentTime", "2031-01-01T00:00:00Z"), "BootNotification", "/2/currentTime"),
    (CSMS, C16, put("BootNotification", "/2/interval", 0), "BootNotification", "/2/interval"),
    (CHARGE_POINT, C16, put("StartTransaction", "/3/idTag", "OTHER", 2), "StartTransaction", "/3/idTag"),
    (CHARGE_POINT, C16, put("StartTransaction", "/3/connectorId", 2, 2), "StartTransaction", "/3/connectorId"),
    (CHARGE_POINT, C16, drop("StartTransaction", "/3/meterStart", 2), "StartTransaction", "/3/meterStart"),
    (CHARGE_POINT, C16, put("StopTransaction", "/3/transactionId", 1, 2), "StopTransaction", "/3/transactionId"),
    (CHARGE_POINT, C16, put("StopTransaction", "/3/reason", "EVDisconnected", 2), "StopTransaction", "/3/reason"),
    (CHARGE_POINT, C16, put("MeterValues", "/3/connectorId", 2, 2), "MeterValues", "/3/connectorId"),
    (
        CHARGE_POINT,
        C16,
        put("MeterValues", "/3/meterValue/0/sampledValue/0/unit", "kWh", 2),
        "MeterValues",
        "/3/meterValue/0/sampledValue/0/unit",
    ),
    (CHARGE_POINT, C16, at_the_end(FAULTED), "StatusNotification", None),
    (CHARGE_POINT, C16, lose("Authorize", 2), "Authorize", None),
    (CHARGE_POINT, C16, double("StopTransaction", 2, new_id=True), "StopTransaction", None),
    (CHARGE_POINT, C16, swap("Authorize", "StartTransaction"), "Authorize", None),
    (CHARGE_POINT, C16, close("StopTransaction", 2), "StopTransaction", None),
    (CHARGE_POINT, C201, put("TransactionEvent", "/3/triggerReason", "CablePluggedIn", 2), "TransactionEvent", "/3/triggerReason"),
    (CHARGE_POINT, C201, put("TransactionEvent", "/3/transactionInfo/chargingState", "Idle", 2, 1), "TransactionEvent", "/3/transactionInfo/chargingState"),
    (CHARGE_POINT, C201, put("TransactionEvent", "/3/transactionInfo/transactionId", "another", 2, 1), "TransactionEvent", "/3/transactionInfo/transactionId"),
    (CHARGE_POINT, SMART, put("SetChargingProfile", "/2/status", "Rejected"), "SetChargingProfile", "/2/status"),
    (CHARGE_POINT, SMART, refuse("ClearChargingProfile", "NotSupported"), "ClearChargingProfile", None),
    (CHARGE_POINT, SMART, lose("SetChargingProfile"), "SetChargingProfile", None),
]  # fmt: skip

HARMLESS: list[tuple[str, str, Change]] = [
    (CSMS, C16, put("StartTransaction", "/2/transactionId", 4711)),
    (CSMS, C16, put("BootNotification", "/2/currentTime", IN_HOURS)),
    (CSMS, C16, put("BootNotification", "/2/interval", 60)),
    (CHARGE_POINT, C16, put("BootNotification", "/3/firmwareVersion", "2.0", 2)),
    (CSMS, C16, put("Authorize", "/2/idTagInfo/expiryDate", "2031-01-01T00:00:00Z")),
    (CSMS, C16, spell(lambda message: json.dumps(reverse(message)))),
    (CSMS, C201, put("Authorize", "/2/customData", {"vendorId": "com.example"})),
    (CSMS, SMART, spell(lambda message: json.dumps(reverse(message)))),
    (CHARGE_POINT, C16, spell(lambda message: json.dumps(reverse(message)))),
    (CHARGE_POINT, C16, insert('[2,"more","Heartbeat",{}]', "StartTransaction", 2)),
    (CHARGE_POINT, C16, everywhere("timestamp", NOW)),
    (
        CHARGE_POINT,
        C16,
        at_the_end(
            '[2,"more","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available",'
            f'"timestamp":"{NOW}"}}]'
        ),
    ),
    (CHARGE_POINT, C16, put("MeterValues", "/3/meterValue/0/sampledValue/0/value", "1125", 2)),
    (CHARGE_POINT, C16, put("StopTransaction", "/3/meterStop", 1618, 2)),
    (CHARGE_POINT, C201, everywhere("transactionId", "00000000-0000-4000-8000-000000000000")),
    (
        CHARGE_POINT,
        C16,
        insert(
            '[2,"more","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Charging",'
            f'"timestamp":"{NOW}"}}]',
            "StopTransaction",
            2,
        ),
    ),
]


@pytest.mark.parametrize(("side", "name", "change", "action", "pointer"), CAUGHT)
def test_a_change_that_matters_is_named(
    side: str, name: str, change: Change, action: str | None, pointer: str | None
) -> None:
    outcome = REPLAY[side](name, change)
    assert not outcome.equal
    named = [
        (frame.action if (frame := row.recorded or row.live) is not None else None, difference.pointer)
        for row, difference in outcome.differences
    ]
    assert (action, pointer) in named, excerpt(outcome)
    if action is not None:
        assert any(action in sentence for sentence in outcome.sentences())


@pytest.mark.parametrize(("side", "name", "change"), HARMLESS)
def test_a_change_that_means_nothing_passes(side: str, name: str, change: Change) -> None:
    outcome = REPLAY[side](name, change)
    assert outcome.equal, excerpt(outcome)


@pytest.mark.parametrize("side", [CSMS, CHARGE_POINT])
@pytest.mark.parametrize("name", [C16, C201, SMART])
def test_a_peer_without_a_change_does_as_recorded(side: str, name: str) -> None:
    """Otherwise the tests of changes would prove nothing."""
    outcome = REPLAY[side](name, lambda steps: None)
    assert outcome.equal, excerpt(outcome)
