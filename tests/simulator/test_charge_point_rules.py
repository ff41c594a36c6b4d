"""The charge point obeys the specification: what it refuses, sends again, and compares case-insensitively."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.simulator.listening import VERSIONS, ListeningCsms
from tests.simulator.powered import ACCEPTED, TOKEN, PowerOn, charge, events

V2 = VERSIONS[1:]


@pytest.mark.parametrize("version", VERSIONS)
async def test_after_a_rejected_boot_a_call_gets_no_answer_in_1_6_and_security_error_in_2_x(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    """1.6, 4.2; B03.FR.08. After a later acceptance it answers CALLs."""
    boots = [{**ACCEPTED, "status": "Rejected", "interval": 1}, ACCEPTED]
    csms.answers["BootNotification"] = lambda _: boots.pop(0)
    station = await power_on(version, on=False)
    booting = asyncio.create_task(station.power_on())
    await csms.until(lambda: len(boots) == 1)
    while station.registration != "Rejected":
        await asyncio.sleep(0.01)
    await csms.send([2, "while-rejected", "ClearCache", {}])
    await asyncio.wait_for(booting, 10)
    assert (await csms.ask("ClearCache", {}))[2] == {"status": "Accepted"}
    answers = [frame for side, frame in csms.frames if side == "cp" and frame[1] == "while-rejected"]
    assert [frame[:3] for frame in answers] == ([] if version == "1.6" else [[4, "while-rejected", "SecurityError"]])


@pytest.mark.parametrize("version", V2)
@pytest.mark.parametrize(("refusals", "sent"), [(2, [0, 0, 0, 1]), (3, [0, 0, 0, 1])])
async def test_a_refused_transaction_event_is_sent_again_before_the_next_one(
    csms: ListeningCsms, power_on: PowerOn, version: str, refusals: int, sent: list[int]
) -> None:
    """E13.FR.02, E13.FR.03: up to MessageAttempts times, each time as a new CALL, in order."""
    station = await power_on(version)
    station.settings.by_key["TransactionMessageRetryInterval"].value = "0"
    csms.errors["TransactionEvent"] = ["InternalError"] * refusals
    await charge(station)
    await station.stop(1)
    await csms.until(lambda: events(csms)[-1]["eventType"] == "Ended")
    assert [event["seqNo"] for event in events(csms)][:4] == sent
    ids = [frame[1] for side, frame in csms.frames if side == "cp" and frame[2:3] == ["TransactionEvent"]]
    assert len(set(ids)) == len(ids)
    assert len(station.failures) == (1 if refusals == 3 else 0)


async def test_names_of_keys_are_compared_without_case(csms: ListeningCsms, power_on: PowerOn) -> None:
    await power_on("1.6")
    change = {"key": "heartbeatINTERVAL", "value": "77"}
    assert (await csms.ask("ChangeConfiguration", change))[2] == {"status": "Accepted"}
    found = (await csms.ask("GetConfiguration", {"key": ["HEARTBEATinterval"]}))[2]
    assert found == {"configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "77"}]}


@pytest.mark.parametrize("version", V2)
async def test_names_of_variables_are_compared_without_case(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    await power_on(version)
    place = {
        "component": {"name": "ocppcommctrlr"},
        "variable": {"name": "MESSAGEATTEMPTS", "instance": "transactionevent"},
    }
    asked = {"setVariableData": [{**place, "attributeValue": "5"}]}
    assert (await csms.ask("SetVariables", asked))[2]["setVariableResult"][0]["attributeStatus"] == "Accepted"
    found = (await csms.ask("GetVariables", {"getVariableData": [place]}))[2]["getVariableResult"][0]
    assert (found["attributeStatus"], found["attributeValue"]) == ("Accepted", "5")
    report = {"requestId": 1, "componentVariable": [place]}
    assert (await csms.ask("GetReport", report))[2]["status"] == "Accepted"
    twice = [
        {
            "component": {"name": name},
            "variable": {"name": "HeartbeatInterval"},
            "type": "Delta",
            "value": 1,
            "severity": 5,
        }
        for name in ("OCPPCommCtrlr", "ocppCOMMctrlr")
    ]
    results = (await csms.ask("SetVariableMonitoring", {"setMonitoringData": twice}))[2]["setMonitoringResult"]
    assert [result["status"] for result in results] == ["Accepted", "Duplicate"]


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_a_remote_start_on_connector_0_is_rejected(csms: ListeningCsms, power_on: PowerOn, version: str) -> None:
    """1.6, 6.33: connectorId is above 0; the schema of 2.1 forbids 0 itself."""
    await power_on(version)
    asked: dict[str, Any] = {"connectorId": 0, "idTag": TOKEN}
    action = "RemoteStartTransaction"
    if version != "1.6":
        action = "RequestStartTransaction"
        asked = {"evseId": 0, "remoteStartId": 1, "idToken": {"idToken": TOKEN, "type": "Central"}}
    assert (await csms.ask(action, asked))[2]["status"] == "Rejected"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("entries", "kind", "status"),
    [
        ([("A", True), ("B", True)], "Full", "Accepted"),
        ([("A", True), ("B", False)], "Full", "Failed"),
        ([("A", True), ("a", True)], "Full", "Failed"),
        ([("A", True), ("a", False)], "Differential", "Failed"),
        ([("A", False)], "Differential", "Accepted"),
    ],
)
async def test_a_local_list_with_a_token_twice_or_a_full_one_without_its_status_fails(
    csms: ListeningCsms,
    power_on: PowerOn,
    version: str,
    entries: list[tuple[str, bool]],
    kind: str,
    status: str,
) -> None:
    """Tokens are compared case-insensitively."""
    await power_on(version)
    info = {"status": "Accepted"}
    listed: list[dict[str, Any]]
    if version == "1.6":
        listed = [{"idTag": tag} | ({"idTagInfo": info} if known else {}) for tag, known in entries]
    else:
        listed = [
            {"idToken": {"idToken": tag, "type": "ISO14443"}} | ({"idTokenInfo": info} if known else {})
            for tag, known in entries
        ]
    member = "listVersion" if version == "1.6" else "versionNumber"
    asked = {member: 1, "updateType": kind, "localAuthorizationList": listed}
    assert (await csms.ask("SendLocalList", asked))[2]["status"] == status


@pytest.mark.parametrize("version", V2)
async def test_external_constraints_from_a_csms_are_rejected(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    """K01.FR.22."""
    await power_on(version)
    profile = {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "ChargingStationExternalConstraints",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [
            {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1.0}]}
        ],
    }
    for evse in (0, 1):
        answer = await csms.ask("SetChargingProfile", {"evseId": evse, "chargingProfile": profile})
        assert answer[2]["status"] == "Rejected"


@pytest.mark.parametrize("version", V2)
async def test_a_local_list_that_is_switched_off_takes_no_update(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    station = await power_on(version)
    station.settings.by_key["LocalAuthListEnabled"].value = "false"
    asked = {"versionNumber": 3, "updateType": "Full"}
    assert (await csms.ask("SendLocalList", asked))[2]["status"] == "Failed"
    assert (await csms.ask("GetLocalListVersion", {}))[2] == {"versionNumber": 0}


def profile(**more: Any) -> dict[str, Any]:
    """Return a 2.x profile with purpose TxDefaultProfile that is accepted."""
    schedule = {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1000.0}]}
    return {
        "id": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
    } | more  # fmt: skip


def schedule_of(start: bool = False, **period: Any) -> list[dict[str, Any]]:
    periods = [{"startPeriod": 0, **period}]
    schedule: dict[str, Any] = {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": periods}
    return [schedule | ({"startSchedule": "2026-01-01T00:00:00Z"} if start else {})]


CURVE = [{"frequency": 49.8, "power": 100.0}, {"frequency": 50.2, "power": -100.0}]
PROFILES: list[tuple[str, int, dict[str, Any], dict[str, Any], str]] = [
    # version, EVSE, a profile that is rejected, one that is accepted, the reasonCode
    ("2.0.1", 0, profile(chargingProfilePurpose="ChargingStationMaxProfile"),
     profile(chargingProfilePurpose="ChargingStationMaxProfile", chargingProfileKind="Absolute",
             chargingSchedule=schedule_of(start=True, limit=9000.0)), "InvalidProfile"),  # K01.FR.38
    ("2.0.1", 1, profile(chargingProfileKind="Absolute"),
     profile(chargingProfileKind="Absolute", chargingSchedule=schedule_of(start=True, limit=1000.0)),
     "InvalidSchedule"),  # K01.FR.40
    ("2.1", 1, profile(chargingProfileKind="Recurring", recurrencyKind="Daily"),
     profile(chargingProfileKind="Recurring", recurrencyKind="Daily",
             chargingSchedule=schedule_of(start=True, limit=1000.0)), "InvalidSchedule"),  # K01.FR.40
    ("2.1", 1, profile(chargingSchedule=schedule_of(start=True, limit=1.0)), profile(), "InvalidSchedule"),  # K01.FR.41
    ("2.1", 1, profile(dynUpdateInterval=60), profile(chargingProfileKind="Dynamic", dynUpdateInterval=60),
     "InvalidProfile"),  # K28.FR.04
    ("2.1", 1, profile(chargingSchedule=schedule_of(operationMode="LocalFrequency", v2xBaseline=0.0)),
     profile(chargingSchedule=schedule_of(operationMode="LocalFrequency", v2xBaseline=0.0, v2xFreqWattCurve=CURVE)),
     "NoFreqWattCurve"),  # Q08.FR.03
    ("2.1", 1, profile(chargingSchedule=schedule_of(operationMode="Idle", limit=0.0)),
     profile(chargingSchedule=schedule_of(operationMode="Idle")), "InvalidSchedule"),  # Q10.FR.02
    ("2.1", 1, profile(chargingSchedule=schedule_of(
        operationMode="LocalFrequency", v2xBaseline=0.0, v2xFreqWattCurve=CURVE, limit=5.0)), profile(),
     "InvalidSchedule"),  # Q08.FR.04
    ("2.0.1", 1, profile(chargingSchedule=schedule_of(limit=5.0, numberPhases=1, phaseToUse=2)), profile(),
     "InvalidSchedule"),  # K01.FR.48
    ("2.1", 1, profile(chargingProfileKind="Dynamic", chargingSchedule=[{"id": 1, "chargingRateUnit": "W",
     "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1.0}, {"startPeriod": 9, "limit": 2.0}]}]),
     profile(chargingProfileKind="Dynamic"), "InvalidSchedule"),  # K28.FR.03
    ("2.1", 1, profile(dynUpdateTime="2026-01-01T00:00:00Z"), profile(), "InvalidProfile"),  # K01.FR.122
    ("2.1", 1, profile(chargingSchedule=schedule_of(operationMode="ExternalLimits", limit=5.0)),
     profile(chargingSchedule=schedule_of(operationMode="ChargingOnly", limit=5.0)),
     "InvalidOperationMode"),  # K01.FR.115
    ("2.1", 1, profile(chargingProfilePurpose="LocalGeneration"), profile(chargingProfilePurpose="PriorityCharging"),
     "UnsupportedPurpose"),  # K01.FR.120
    ("2.1", 1, profile(chargingSchedule=[schedule_of(limit=5.0)[0] | {"limitAtSoC": {"soc": 80, "limit": 1.0}}]),
     profile(), "InvalidSchedule"),  # K01.FR.125
    ("2.1", 1, profile(chargingSchedule=[schedule_of(limit=5.0)[0] | {"randomizedDelay": 5}]), profile(),
     "InvalidSchedule"),  # K01.FR.124
    ("2.1", 0, profile(chargingProfilePurpose="PriorityCharging",
     chargingSchedule=[schedule_of(limit=5.0)[0] | {"duration": 60}]),
     profile(chargingProfilePurpose="PriorityCharging"), "InvalidProfile"),  # K01.FR.70
    ("2.1", 0, profile(chargingProfilePurpose="PriorityCharging", chargingSchedule=schedule_of(operationMode="Idle")),
     profile(chargingProfilePurpose="PriorityCharging"), "InvalidProfile"),  # K01.FR.71
    ("2.1", 1, profile(chargingSchedule=schedule_of(limit=5.0, limit_L2=5.0)), profile(),
     "PhaseConflict"),  # K01.FR.144
    ("2.1", 1, profile(chargingSchedule=schedule_of(limit=5.0, evseSleep=True)), profile(),
     "InvalidSchedule"),  # K01.FR.126
]  # fmt: skip


@pytest.mark.parametrize(("version", "evse", "wrong", "right", "code"), PROFILES)
async def test_a_charging_profile_that_breaks_a_rule_is_rejected_with_its_reason(
    csms: ListeningCsms,
    power_on: PowerOn,
    version: str,
    evse: int,
    wrong: dict[str, Any],
    right: dict[str, Any],
    code: str,
) -> None:
    await power_on(version)
    refused = (await csms.ask("SetChargingProfile", {"evseId": evse, "chargingProfile": wrong}))[2]
    assert (refused["status"], refused["statusInfo"]["reasonCode"]) == ("Rejected", code)
    assert (await csms.ask("SetChargingProfile", {"evseId": evse, "chargingProfile": right}))[2]["status"] == "Accepted"


@pytest.mark.parametrize("version", V2)
async def test_a_default_profile_for_all_evses_excludes_one_for_a_single_evse(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    """K01.FR.52, K01.FR.53: with the same stackLevel, in both directions."""
    await power_on(version)

    async def ask(evse: int, number: int, level: int) -> tuple[str, str | None]:
        asked = {"evseId": evse, "chargingProfile": profile(id=number, stackLevel=level)}
        answer = (await csms.ask("SetChargingProfile", asked))[2]
        return answer["status"], answer.get("statusInfo", {}).get("reasonCode")

    assert await ask(1, 1, 0) == ("Accepted", None)
    assert await ask(0, 2, 0) == ("Rejected", "DuplicateProfile")
    assert await ask(0, 2, 1) == ("Accepted", None)
    assert await ask(1, 3, 1) == ("Rejected", "DuplicateProfile")
    assert await ask(1, 3, 2) == ("Accepted", None)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_schedule_has_at_most_as_many_periods_as_the_charge_point_reports(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    station = await power_on(version)
    most = int(station.settings.number("ChargingScheduleMaxPeriods"))
    for count, status in ((most + 1, "Rejected"), (most, "Accepted")):
        periods = [{"startPeriod": number, "limit": 1000.0} for number in range(count)]
        held = profile(chargingSchedule=[{"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": periods}])
        asked: dict[str, Any] = {"evseId": 1, "chargingProfile": held}
        if version == "1.6":
            schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": periods}
            held = {key: value for key, value in held.items() if key != "id"} | {"chargingSchedule": schedule}
            asked = {"connectorId": 1, "csChargingProfiles": held | {"chargingProfileId": 1}}
        assert (await csms.ask("SetChargingProfile", asked))[2]["status"] == status


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_reservation_ends_when_its_connector_becomes_inoperative(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    """H01.FR.17: 2.x reports Removed."""
    await power_on(version)
    until = "2999-01-01T00:00:00Z"
    reserve: dict[str, Any] = {"connectorId": 1, "expiryDate": until, "idTag": TOKEN, "reservationId": 4}
    change: dict[str, Any] = {"connectorId": 1, "type": "Inoperative"}
    if version != "1.6":
        token = {"idToken": TOKEN, "type": "ISO14443"}
        reserve = {"id": 4, "evseId": 1, "expiryDateTime": until, "idToken": token}
        change = {"evse": {"id": 1}, "operationalStatus": "Inoperative"}
    assert (await csms.ask("ReserveNow", reserve))[2]["status"] == "Accepted"
    shown = "status" if version == "1.6" else "connectorStatus"
    await csms.until(lambda: csms.calls("StatusNotification")[-1][shown] == "Reserved")
    assert (await csms.ask("ChangeAvailability", change))[2]["status"] == "Accepted"
    await csms.until(lambda: csms.calls("StatusNotification")[-1][shown] == "Unavailable")
    removed = {"reservationId": 4, "reservationUpdateStatus": "Removed"}
    assert csms.calls("ReservationStatusUpdate") == ([] if version == "1.6" else [removed])
    assert (await csms.ask("CancelReservation", {"reservationId": 4}))[2]["status"] == "Rejected"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_remote_start_with_a_central_token_asks_for_no_authorization_in_2_x(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    """C03.FR.01; in 1.6, AuthorizeRemoteTxRequests decides, because tokens have no type."""
    station = await power_on(version)
    station.settings.by_key["AuthorizeRemoteTxRequests"].value = "true"
    await station.plug_in(1)
    action, asked = "RemoteStartTransaction", {"connectorId": 1, "idTag": TOKEN}
    if version != "1.6":
        action = "RequestStartTransaction"
        asked = {"evseId": 1, "remoteStartId": 1, "idToken": {"idToken": TOKEN, "type": "Central"}}
    assert (await csms.ask(action, asked))[2]["status"] == "Accepted"
    await csms.until(lambda: csms.calls("StartTransaction") or events(csms))
    assert len(csms.calls("Authorize")) == (1 if version == "1.6" else 0)


@pytest.mark.parametrize("version", V2)
async def test_a_network_profile_with_soap_is_rejected(csms: ListeningCsms, power_on: PowerOn, version: str) -> None:
    await power_on(version)
    data = {
        "ocppCsmsUrl": "ws://127.0.0.1:9/", "ocppInterface": "Wired0", "securityProfile": 1, "messageTimeout": 30,
        "ocppVersion": "OCPP20",
    }  # fmt: skip
    for transport, status in (("SOAP", "Rejected"), ("JSON", "Accepted")):
        asked = {"configurationSlot": 1, "connectionData": data | {"ocppTransport": transport}}
        assert (await csms.ask("SetNetworkProfile", asked))[2]["status"] == status


async def test_a_monitor_whose_stream_is_refused_sends_events(csms: ListeningCsms, power_on: PowerOn) -> None:
    """N11.FR.07."""
    await power_on("2.1")
    csms.answers["OpenPeriodicEventStream"] = lambda _: {"status": "Rejected"}
    monitor = {
        "component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}, "type": "Periodic",
        "value": 10, "severity": 5, "periodicEventStream": {"interval": 10, "values": 1},
    }  # fmt: skip
    answer = await csms.ask("SetVariableMonitoring", {"setMonitoringData": [monitor]})
    assert answer[2]["setMonitoringResult"][0]["status"] == "Accepted"
    await csms.until(lambda: csms.calls("NotifyEvent"))
