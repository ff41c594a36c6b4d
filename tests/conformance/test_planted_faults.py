"""Against a charge point with one planted fault, the case that asks for it fails, and says why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.bench import conform

pytestmark = [pytest.mark.system, pytest.mark.long]


def edited(action: str, pointer: str, value: str, kind: str = "CALLRESULT", more: str = "") -> str:
    """Return a rule that changes one value in what the charge point sends; `value` is TOML."""
    return (
        '[[intervention]]\nname = "fault"\n'
        f'match = {{ from = "charge_point", action = "{action}", type = "{kind}"{more} }}\n'
        f'do = {{ edit = [{{ pointer = "{pointer}", value = {value} }}] }}\n'
    )


def swallowed(action: str, payload: str = "", answer: str = "{}") -> str:
    """Return a rule that answers a CALL of the charge point in the CSMS's place; `payload` is a test in TOML."""
    tests = f", payload = [{payload}]" if payload else ""
    return (
        '[[intervention]]\nname = "fault"\n'
        f'match = {{ from = "charge_point", action = "{action}", type = "CALL"{tests} }}\n'
        f"do = {{ answer = {answer} }}\n"
    )


def status(value: str) -> str:
    return edited_status.format(value)


edited_status = '{{ pointer = "/status", equals = "{}" }}'
status_2x = '{{ pointer = "/connectorStatus", equals = "{}" }}'
BOOT = '{ currentTime = "{now}", interval = 300, status = "Accepted" }'

FAULTS_16: list[tuple[str, str]] = [
    ("soft-reset", swallowed("BootNotification", answer=BOOT)),
    ("hard-reset", edited("Reset", "/status", '"Rejected"')),
    ("hard-reset-while-charging", edited("StopTransaction", "/reason", '"PowerLoss"', "CALL")),
    ("soft-reset-while-charging", edited("StopTransaction", "/reason", '"HardReset"', "CALL")),
    ("charge-plug-in-first", edited("StopTransaction", "/reason", '"Other"', "CALL")),
    ("charge-card-first", swallowed("StatusNotification", status("Preparing"))),
    ("unplug-while-charging", edited("StopTransaction", "/reason", '"Local"', "CALL")),
    ("remote-start-cable-first", edited("StartTransaction", "/idTag", '"SOMEBODY"', "CALL")),
    ("remote-stop", edited("StopTransaction", "/reason", '"Local"', "CALL")),
    ("remote-stop-of-nothing", edited("RemoteStopTransaction", "/status", '"Accepted"')),
    ("remote-start-of-connector-0", edited("RemoteStartTransaction", "/status", '"Accepted"')),
    ("get-some-keys", edited("GetConfiguration", "/unknownKey", "[]", more=", after = 1")),
    ("change-unknown-key", edited("ChangeConfiguration", "/status", '"Rejected"')),
    ("change-read-only-key", edited("ChangeConfiguration", "/status", '"Accepted"')),
    ("change-availability", swallowed("StatusNotification", status("Unavailable"))),
    ("unavailable-after-charging", edited("ChangeAvailability", "/status", '"Accepted"')),
    ("unlock-unknown-connector", edited("UnlockConnector", "/status", '"Unlocked"')),
    ("data-of-unknown-vendor", edited("DataTransfer", "/status", '"Accepted"')),
    ("sampled-meter-values", swallowed("MeterValues")),
    ("register-of-a-transaction", edited("StopTransaction", "/meterStop", "1", "CALL")),
    ("trigger-heartbeat", swallowed("Heartbeat", answer='{ currentTime = "{now}" }')),
    ("outdated-local-list", edited("SendLocalList", "/status", '"Accepted"')),
    ("full-local-list", edited("GetLocalListVersion", "/listVersion", "4")),
    ("use-a-reservation", edited("StartTransaction", "/reservationId", "1", "CALL")),
    ("cancel-an-unknown-reservation", edited("CancelReservation", "/status", '"Accepted"')),
    ("default-profile", edited("GetCompositeSchedule", "/chargingSchedule/chargingSchedulePeriod/0/limit", "32")),
    ("transaction-profile-without-transaction", edited("SetChargingProfile", "/status", '"Accepted"')),
    ("firmware-update", swallowed("FirmwareStatusNotification", status("Downloaded"))),
    ("stop-while-offline", edited("StopTransaction", "/timestamp", '"{now+1m}"', "CALL")),
]
FAULTS_201: list[tuple[str, str]] = [
    ("reset-when-idle", edited("BootNotification", "/reason", '"Unknown"', "CALL", ", after = 1")),
    ("reset-on-idle-while-charging", edited("Reset", "/status", '"Accepted"')),
    ("get-of-unknown-component", edited("GetVariables", "/getVariableResult/0/attributeStatus", '"UnknownVariable"')),
    ("set-to-impossible-value", edited("SetVariables", "/setVariableResult/0/attributeStatus", '"Accepted"')),
    ("report-of-nothing", edited("GetReport", "/status", '"Accepted"')),
    ("charge-plug-in-first", swallowed("StatusNotification", status_2x.format("Occupied"))),
    ("sequence-numbers", edited("TransactionEvent", "/seqNo", "77", "CALL", ", after = 2, times = 1")),
    ("remote-stop-of-nothing", edited("RequestStopTransaction", "/status", '"Accepted"')),
    ("remote-start-cable-first", edited("TransactionEvent", "/transactionInfo/remoteStartId", "1", "CALL")),
    ("unlock-while-charging", edited("UnlockConnector", "/status", '"Unlocked"')),
    ("trigger-boot", edited("TriggerMessage", "/status", '"Accepted"')),
    ("evse-availability", swallowed("StatusNotification", status_2x.format("Unavailable"))),
    ("outdated-local-list", edited("SendLocalList", "/status", '"Accepted"')),
    ("reservation-expires", swallowed("ReservationStatusUpdate")),
    ("default-profile", edited("GetCompositeSchedule", "/schedule/chargingSchedulePeriod/0/limit", "32")),
    ("report-no-profiles", edited("GetChargingProfiles", "/status", '"Accepted"')),
    ("diagnostics-log", swallowed("LogStatusNotification", status("Uploaded"))),
    ("monitoring-level", edited("SetMonitoringLevel", "/status", '"Accepted"')),
    ("stop-while-offline", edited("TransactionEvent", "/offline", "false", "CALL")),
]


def played(tmp_path: Path, version: str, name: str, fault: str) -> None:
    """Play a case with a fault: it fails, and each problem says what is wrong and where that is written."""
    report = conform(tmp_path, version, "--cases", name, faults=fault, exit_code=1)
    [one] = report["cases"]
    assert one["verdict"] == "FAIL"
    assert one["problems"]
    assert all(problem["why"] and problem["clause"] for problem in one["problems"])


@pytest.mark.parametrize(("name", "fault"), FAULTS_16, ids=[name for name, _ in FAULTS_16])
def test_a_planted_fault_fails_its_case_in_1_6(tmp_path: Path, name: str, fault: str) -> None:
    played(tmp_path, "1.6", name, fault)


@pytest.mark.parametrize(("name", "fault"), FAULTS_201, ids=[name for name, _ in FAULTS_201])
def test_a_planted_fault_fails_its_case_in_2_0_1(tmp_path: Path, name: str, fault: str) -> None:
    played(tmp_path, "2.0.1", name, fault)
