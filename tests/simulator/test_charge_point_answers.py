"""Every CALL that a CSMS may send, in every version, over a real socket, gets an answer that fits the schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulator import charge_point as simulated
from simulator import coverage
from tests.simulator.listening import ListeningCsms
from tests.simulator.schemas import example, violations

CSMS_ACTIONS = {
    "1.6": """
        CancelReservation CertificateSigned ChangeAvailability ChangeConfiguration ClearCache ClearChargingProfile
        DataTransfer DeleteCertificate ExtendedTriggerMessage GetCompositeSchedule GetConfiguration GetDiagnostics
        GetInstalledCertificateIds GetLocalListVersion GetLog InstallCertificate RemoteStartTransaction
        RemoteStopTransaction ReserveNow Reset SendLocalList SetChargingProfile SignedUpdateFirmware TriggerMessage
        UnlockConnector UpdateFirmware
    """.split(),
    "2.0.1": """
        CancelReservation CertificateSigned ChangeAvailability ClearCache ClearChargingProfile ClearDisplayMessage
        ClearVariableMonitoring CostUpdated CustomerInformation DataTransfer DeleteCertificate GetBaseReport
        GetChargingProfiles GetCompositeSchedule GetDisplayMessages GetInstalledCertificateIds GetLocalListVersion
        GetLog GetMonitoringReport GetReport GetTransactionStatus GetVariables InstallCertificate PublishFirmware
        RequestStartTransaction RequestStopTransaction ReserveNow Reset SendLocalList SetChargingProfile
        SetDisplayMessage SetMonitoringBase SetMonitoringLevel SetNetworkProfile SetVariableMonitoring SetVariables
        TriggerMessage UnlockConnector UnpublishFirmware UpdateFirmware
    """.split(),
}
CSMS_ACTIONS["2.1"] = (
    CSMS_ACTIONS["2.0.1"]
    + """
        AFRRSignal AdjustPeriodicEventStream ChangeTransactionTariff ClearDERControl ClearTariffs GetDERControl
        GetPeriodicEventStream GetTariffs NotifyAllowedEnergyTransfer NotifyWebPaymentStarted RequestBatterySwap
        SetDERControl SetDefaultTariff UpdateDynamicSchedule UsePriorityCharging
    """.split()
)


def everything_sent_is_valid(csms: ListeningCsms, version: str) -> None:
    """Fail unless each CALL and SEND of the charge point fits its schema."""
    wrong = [
        fault
        for side, frame in csms.frames
        if side == "cp" and frame[0] in (2, 6)
        for fault in violations(version, frame[2], "request", frame[3])
    ]
    assert wrong == []


@pytest.mark.parametrize(("version", "action"), [(v, a) for v, actions in CSMS_ACTIONS.items() for a in actions])
async def test_every_action_of_the_csms_is_answered_by_the_book(csms: ListeningCsms, version: str, action: str) -> None:
    for optional in (False, True):
        station = simulated.make(version, simulated.Identity(url=csms.url, id="CP-1", speed=3000, timeout=5))
        await station.power_on()
        answer = await csms.ask(action, example(version, action, optional))
        assert answer[0] == 3, answer
        assert violations(version, action, "response", answer[2]) == []
        await station.power_off()
        assert station.failures == []
    everything_sent_is_valid(csms, version)


async def test_a_message_that_is_always_in_front_replaces_the_one_before(csms: ListeningCsms) -> None:
    """Only the latest of the messages with priority AlwaysFront is kept, beside those with other priorities."""
    station = simulated.make("2.1", simulated.Identity(url=csms.url, id="CP-1"))
    await station.power_on()
    for number, priority in enumerate(("NormalCycle", "AlwaysFront", "AlwaysFront"), 1):
        message = {"id": number, "priority": priority, "message": {"format": "UTF8", "content": "Hello"}}
        assert (await csms.ask("SetDisplayMessage", {"message": message}))[2]["status"] == "Accepted"
    for number, status in ((1, "Accepted"), (2, "Unknown"), (3, "Accepted")):
        assert (await csms.ask("ClearDisplayMessage", {"id": number}))[2]["status"] == status
    await station.power_off()


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_a_display_message_that_cannot_be_shown_is_refused(csms: ListeningCsms, version: str) -> None:
    """O01.FR.01 to O01.FR.03, O01.FR.07, O02; messages whose time is over are gone."""
    station = simulated.make(version, simulated.Identity(url=csms.url, id="CP-1"))
    await station.power_on()

    async def shown(**more: Any) -> Any:
        text = {"format": more.pop("format", "UTF8"), "content": "hello"}
        message = {"id": 1, "priority": "NormalCycle", "message": text} | more
        return (await csms.ask("SetDisplayMessage", {"message": message}))[2]["status"]

    assert await shown(format="HTML") == "NotSupportedMessageFormat"
    assert await shown(transactionId="none") == "UnknownTransaction"
    if version == "2.1":
        assert await shown(state="Discharging") == "NotSupportedState"
        assert await shown(messageExtra=[{"format": "UTF8", "content": "hallo"}]) == "Rejected"
    assert await shown(endDateTime="2026-01-01T00:00:00Z") == "Accepted"
    assert (await csms.ask("GetDisplayMessages", {"requestId": 1}))[2]["status"] == "Unknown"
    for number in range(20):
        assert await shown(id=number) == "Accepted"
    assert await shown(id=20) == "Rejected"
    assert await shown(id=3) == "Accepted"
    await station.power_off()


@pytest.mark.parametrize("version", CSMS_ACTIONS)
async def test_the_charge_point_serves_these_actions_and_no_others(csms: ListeningCsms, version: str) -> None:
    station = simulated.make(version, simulated.Identity(url=csms.url, id="CP-1"))
    assert sorted(station.answering.routes) == sorted(CSMS_ACTIONS[version])


def test_the_table_of_actions_is_what_the_code_does() -> None:
    """docs/charge-point-actions.md is what `python -m simulator.coverage` writes; every cell says something."""
    written = (Path(__file__).parents[2] / "docs" / "charge-point-actions.md").read_text("utf-8")
    assert written == coverage.table() + "\n", "run: python -m simulator.coverage > docs/charge-point-actions.md"
    actions = written.partition("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in actions.splitlines() if line.startswith("|")]
    assert all(len(row) == 4 and all(cell.strip() for cell in row) for row in rows)
    for version, served in CSMS_ACTIONS.items():
        assert {
            a for a in coverage.actions(version) if coverage.cell(version, a).startswith(("answers", "refuses"))
        } == {*served}


@pytest.mark.parametrize("action", coverage.REFUSED)
async def test_what_the_table_calls_refused_is_rejected(csms: ListeningCsms, action: str) -> None:
    station = simulated.make("2.1", simulated.Identity(url=csms.url, id="CP-1"))
    await station.power_on()
    assert (await csms.ask(action, example("2.1", action, True)))[2]["status"] == "Rejected"
    await station.power_off()


@pytest.mark.parametrize(
    ("version", "action", "payload", "code"),
    [
        ("1.6", "MakeCoffee", {}, "NotImplemented"),
        ("1.6", "StatusNotification", {}, "NotImplemented"),
        ("1.6", "Reset", {}, "OccurenceConstraintViolation"),
        ("2.1", "Reset", {}, "OccurrenceConstraintViolation"),
        ("1.6", "Reset", {"type": 3}, "TypeConstraintViolation"),
        ("1.6", "Reset", {"type": "Gentle"}, "PropertyConstraintViolation"),
        ("1.6", "Reset", {"type": "Soft", "please": True}, "FormationViolation"),
        ("2.0.1", "Reset", {"type": "Immediate", "please": True}, "FormatViolation"),
        ("2.1", "AFRRSignal", {"timestamp": "2026-01-01T00:00:00Z", "signal": "up"}, "TypeConstraintViolation"),
    ],
)
async def test_a_wrong_call_is_answered_with_the_error_code_of_its_version(
    csms: ListeningCsms, version: str, action: str, payload: dict[str, object], code: str
) -> None:
    station = simulated.make(version, simulated.Identity(url=csms.url, id="CP-1"))
    await station.power_on()
    answer = await csms.ask(action, payload)
    await station.power_off()
    assert answer[0] == 4
    assert answer[2] == code
    assert isinstance(answer[3], str) and len(answer[3]) <= 255
    assert answer[4] == {}
