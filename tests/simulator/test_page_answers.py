"""What the page answers the CSMS: every action, to the schema's satisfaction, and with the effect it promises."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.simulator.page_csms import PageCsms
from tests.simulator.schemas import example, violations
from tests.simulator.test_charge_point_answers import CSMS_ACTIONS

pytestmark = pytest.mark.browser

VERSIONS = ("1.6", pytest.param("2.0.1", marks=pytest.mark.long), "2.1")
"""2.0.1 and 2.1 are answered by the same scripts: one of them in the fast suite is enough."""


@pytest.fixture
def csms(page_csms: PageCsms) -> PageCsms:
    return page_csms


@pytest.fixture
def saved(saved_page: str) -> str:
    return saved_page


def connect(page: Page, saved: str, csms: PageCsms, version: str) -> None:
    page.goto(f"{saved}?url={csms.url}/CP-1&version={version}&lang=en&sampleInterval=1&autostart=1")
    expect(page.locator("#state-text")).to_have_text("Connected")


@pytest.mark.parametrize("version", CSMS_ACTIONS)
def test_every_action_of_the_csms_is_answered_by_the_book(page: Page, saved: str, version: str) -> None:
    """Least and fullest request of every action: a CALLRESULT that its schema accepts."""
    page.goto(f"{saved}?version={version}&lang=en")
    page.evaluate("station.boot.status = 'Accepted'")
    for action in CSMS_ACTIONS[version]:
        for optional in (False, True):
            decided = page.evaluate(
                "([action, payload]) => { const { then, ...said } = decide(station, action, payload); return said; }",
                [action, example(version, action, optional)],
            )
            assert "answer" in decided, (action, decided)
            assert violations(version, action, "response", decided["answer"]) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_requests_that_break_the_schema_get_a_callerror(page: Page, saved: str, csms: PageCsms, version: str) -> None:
    """Unknown actions, missing and misshapen members are told apart by the error code of the version."""
    connect(page, saved, csms, version)
    missing = "OccurenceConstraintViolation" if version == "1.6" else "OccurrenceConstraintViolation"
    assert csms.ask("MakeCoffee", {})[2] == "NotImplemented"
    assert csms.ask("Reset", {})[2] == missing
    assert csms.ask("Reset", {"type": 7})[2] == "TypeConstraintViolation"
    assert csms.ask("Reset", {"type": "Lukewarm"})[2] == "PropertyConstraintViolation"


@pytest.mark.parametrize(("version", "code"), [("1.6", "FormationViolation"), ("2.1", "RpcFrameworkError")])
def test_frames_that_are_no_messages_are_told_so(
    page: Page, saved: str, csms: PageCsms, version: str, code: str
) -> None:
    """A misshapen CALL gets a CALLERROR in every version; 2.x has one for what cannot be read at all, too."""
    connect(page, saved, csms, version)
    csms.send('[2,"shape","Reset"]')
    assert csms.wait(lambda frame: frame[1] == "shape")[2] == code
    csms.send("not json")
    csms.send('[9,"type",{}]')
    csms.send('[2,"after","ClearCache",{}]')
    csms.wait(lambda frame: frame[1] == "after")
    errors = [json.loads(text)[1:3] for direction, text in csms.frames if direction == "cp-to-csms" and text[1] == "4"]
    unreadable = [["-1", code], ["type", "MessageTypeNotSupported"]]
    assert errors == [["shape", code]] + (unreadable if version == "2.1" else [])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_pending_station_is_quiet_until_it_is_accepted(page: Page, saved: str, csms: PageCsms, version: str) -> None:
    """Nothing but what was triggered goes out; remote starts are refused; a triggered boot may be accepted."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    csms.answers["BootNotification"] = {"currentTime": now, "interval": 60, "status": "Pending"}
    page.goto(f"{saved}?url={csms.url}/CP-1&version={version}&lang=en&autostart=1")
    expect(page.locator("#state-text")).to_have_text("Pending")
    page.click("#plug")
    page.click("[data-core=heartbeat]")
    if version == "1.6":
        refusal = csms.ask("RemoteStartTransaction", {"idTag": "REMOTE"})
    else:
        refusal = csms.ask(
            "RequestStartTransaction", {"idToken": {"idToken": "R", "type": "Central"}, "remoteStartId": 1}
        )
    assert refusal[2]["status"] == "Rejected"
    csms.ask("TriggerMessage", {"requestedMessage": "StatusNotification"})
    csms.wait(lambda frame: frame[0] == 2 and frame[2] == "StatusNotification")
    assert csms.calls("Heartbeat") == []
    csms.answers["BootNotification"] = {"currentTime": now, "interval": 60, "status": "Accepted"}
    assert csms.ask("TriggerMessage", {"requestedMessage": "BootNotification"})[2]["status"] == "Accepted"
    expect(page.locator("#state-text")).to_have_text("Connected")
    assert len(csms.calls("BootNotification")) == 2


def test_configuration_of_1_6_is_read_set_and_takes_effect(page: Page, saved: str, csms: PageCsms) -> None:
    connect(page, saved, csms, "1.6")
    page.click("#tab-variables")
    shown = page.get_by_label("HeartbeatInterval", exact=True)
    expect(shown).to_have_value("300")
    asked = csms.ask("GetConfiguration", {"key": ["HeartbeatInterval", "NoSuchKey"]})[2]
    assert asked == {
        "configurationKey": [{"key": "HeartbeatInterval", "readonly": False, "value": "300"}],
        "unknownKey": ["NoSuchKey"],
    }
    assert csms.ask("ChangeConfiguration", {"key": "NumberOfConnectors", "value": "9"})[2]["status"] == "Rejected"
    assert csms.ask("ChangeConfiguration", {"key": "NoSuchKey", "value": "9"})[2]["status"] == "NotSupported"
    assert csms.ask("ChangeConfiguration", {"key": "HeartbeatInterval", "value": "1"})[2]["status"] == "Accepted"
    expect(shown).to_have_value("1")
    csms.wait(lambda frame: frame[0] == 2 and frame[2] == "Heartbeat")


def test_variables_of_2_x_are_read_set_reported_and_take_effect(page: Page, saved: str, csms: PageCsms) -> None:
    connect(page, saved, csms, "2.0.1")
    interval = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    secret = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    unknown = {"component": {"name": "Toaster"}, "variable": {"name": "Heat"}}
    results = csms.ask("GetVariables", {"getVariableData": [interval, secret, unknown]})[2]["getVariableResult"]
    assert [each["attributeStatus"] for each in results] == ["Accepted", "Rejected", "UnknownComponent"]
    assert results[0]["attributeValue"] == "300" and "attributeValue" not in results[1]
    csms.ask("SetVariables", {"setVariableData": [interval | {"attributeValue": "1"}]})
    csms.wait(lambda frame: frame[0] == 2 and frame[2] == "Heartbeat")
    csms.ask("GetBaseReport", {"requestId": 5, "reportBase": "FullInventory"})
    csms.wait(lambda frame: frame[0] == 2 and frame[2] == "NotifyReport" and not frame[3].get("tbc"))
    reports = csms.calls("NotifyReport")
    assert [report["seqNo"] for report in reports] == list(range(len(reports)))
    assert [violations("2.0.1", "NotifyReport", "request", report) for report in reports] == [[]] * len(reports)


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_triggered_comes_after_the_answer(page: Page, saved: str, csms: PageCsms, version: str) -> None:
    connect(page, saved, csms, version)
    for message in ("Heartbeat", "StatusNotification", "MeterValues", "FirmwareStatusNotification"):
        answer = csms.ask("TriggerMessage", {"requestedMessage": message})
        assert answer[2]["status"] == "Accepted"
        sent = [text for direction, text in csms.frames if direction == "cp-to-csms"]
        at = next(index for index, text in enumerate(sent) if answer[1] in text)
        before = sum(f'"{message}"' in text for text in sent[:at])
        csms.wait(lambda frame, message=message: frame[0] == 2 and frame[2] == message)
        deadline = datetime.now(UTC) + timedelta(seconds=5)
        while len(csms.calls(message)) <= before and datetime.now(UTC) < deadline:
            page.wait_for_timeout(20)
        assert len(csms.calls(message)) > before
    assert csms.ask("TriggerMessage", {"requestedMessage": "BootNotification"})[2]["status"] == "Rejected"


def reservation(version: str, connector: int, number: int, seconds: float = 60) -> dict[str, Any]:
    until = (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    if version == "1.6":
        return {"connectorId": connector, "expiryDate": until, "idTag": "HOLDER", "reservationId": number}
    token = {"idToken": "HOLDER", "type": "Central"}
    return {"id": number, "expiryDateTime": until, "idToken": token, "evseId": connector}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_reservation_is_shown_kept_for_its_card_and_cancelled(
    page: Page, saved: str, csms: PageCsms, version: str
) -> None:
    connect(page, saved, csms, version)
    assert csms.ask("ReserveNow", reservation(version, 1, 3))[2]["status"] == "Accepted"
    expect(page.locator("#status")).to_have_text("Reserved")
    page.click("#tap")
    expect(page.locator("#log-rows")).to_contain_text("Reserved for another card")
    assert csms.ask("CancelReservation", {"reservationId": 4})[2]["status"] == "Rejected"
    assert csms.ask("CancelReservation", {"reservationId": 3})[2]["status"] == "Accepted"
    expect(page.locator("#status")).to_have_text("Available")
    assert csms.ask("ReserveNow", reservation(version, 1, 5, seconds=1.5))[2]["status"] == "Accepted"
    expect(page.locator("#status")).to_have_text("Reserved")
    expect(page.locator("#status")).to_have_text("Available")


@pytest.mark.parametrize("version", VERSIONS)
def test_availability_waits_for_the_session_and_reset_boots_again(
    page: Page, saved: str, csms: PageCsms, version: str
) -> None:
    """ChangeAvailability during a session is Scheduled; a reset ends the session, then boots with its reason."""
    connect(page, saved, csms, version)
    page.click("#plug")
    page.click("#tap")
    expect(page.locator("#status")).to_have_text("Charging")
    is16 = version == "1.6"
    change = (
        {"connectorId": 1, "type": "Inoperative"} if is16 else {"operationalStatus": "Inoperative", "evse": {"id": 1}}
    )
    assert csms.ask("ChangeAvailability", change)[2]["status"] == "Scheduled"
    assert csms.ask("Reset", {"type": "Soft" if is16 else "Immediate"})[2]["status"] == "Accepted"
    csms.wait(
        lambda frame: frame[0] == 2 and frame[2] == "BootNotification" and len(csms.calls("BootNotification")) == 2
    )
    expect(page.locator("#status")).to_have_text("Unavailable")
    if is16:
        assert csms.calls("StopTransaction")[0]["reason"] == "SoftReset"
    else:
        ended = csms.calls("TransactionEvent")[-1]
        assert (ended["eventType"], ended["transactionInfo"]["stoppedReason"]) == ("Ended", "ImmediateReset")
        assert csms.calls("BootNotification")[1]["reason"] == "RemoteReset"


@pytest.mark.parametrize("version", ["1.6", "2.1"])
def test_firmware_is_updated_in_order_and_the_new_version_boots(
    page: Page, saved: str, csms: PageCsms, version: str
) -> None:
    connect(page, saved, csms, version)
    page.evaluate("station.sequences.step = 0.1")
    place, when = "https://example.com/firmware-2.0.0", "2020-01-01T00:00:00Z"
    if version == "1.6":
        csms.ask("UpdateFirmware", {"location": place, "retrieveDate": when})
    else:
        csms.ask("UpdateFirmware", {"requestId": 8, "firmware": {"location": place, "retrieveDateTime": when}})
    csms.wait(
        lambda frame: frame[0] == 2 and frame[2] == "FirmwareStatusNotification" and frame[3]["status"] == "Installed",
        20,
    )
    told = csms.calls("FirmwareStatusNotification")
    assert [each["status"] for each in told] == ["Downloading", "Downloaded", "Installing", "Installed"]
    boot = csms.calls("BootNotification")[1]
    assert (boot if version == "1.6" else boot["chargingStation"])["firmwareVersion"] == "firmware-2.0.0"
    if version == "2.1":
        assert {each["requestId"] for each in told} == {8}


def test_a_local_list_decides_offline(page: Page, saved: str, csms: PageCsms) -> None:
    """Versions of the list are held against each other; a listed card charges while the CSMS is away."""
    connect(page, saved, csms, "1.6")
    entry = {"idTag": "CARD-001", "idTagInfo": {"status": "Accepted"}}
    full = {"listVersion": 3, "updateType": "Full", "localAuthorizationList": [entry]}
    assert csms.ask("SendLocalList", full)[2]["status"] == "Accepted"
    stale = {"listVersion": 3, "updateType": "Differential", "localAuthorizationList": []}
    assert csms.ask("SendLocalList", stale)[2]["status"] == "VersionMismatch"
    assert csms.ask("GetLocalListVersion", {})[2] == {"listVersion": 3}
    page.click("#disconnect")
    page.click("#plug")
    page.click("#tap")
    expect(page.locator("#status")).to_have_text("Charging")
    page.click("#connect")
    csms.wait(lambda frame: frame[0] == 2 and frame[2] == "MeterValues")
    start, values = csms.calls("StartTransaction")[0], csms.calls("MeterValues")[0]
    assert start["idTag"] == "CARD-001" and values["transactionId"] == 4711


@pytest.mark.parametrize("version", VERSIONS)
def test_profiles_outside_the_rules_are_refused_and_the_rest_make_a_schedule(
    page: Page, saved: str, csms: PageCsms, version: str
) -> None:
    connect(page, saved, csms, version)
    is16 = version == "1.6"

    def install(connector: int, purpose: str, periods: list[tuple[int, float]], number: int = 1) -> str:
        schedule = {
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{"startPeriod": start, "limit": limit} for start, limit in periods],
            "startSchedule": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        profile = {"stackLevel": 0, "chargingProfilePurpose": purpose, "chargingProfileKind": "Absolute"}
        if is16:
            profile |= {"chargingProfileId": number, "chargingSchedule": schedule}
            return str(
                csms.ask("SetChargingProfile", {"connectorId": connector, "csChargingProfiles": profile})[2]["status"]
            )
        profile |= {"id": number, "chargingSchedule": [schedule | {"id": 1}]}
        return str(csms.ask("SetChargingProfile", {"evseId": connector, "chargingProfile": profile})[2]["status"])

    station_maximum = "ChargePointMaxProfile" if is16 else "ChargingStationMaxProfile"
    assert install(1, "TxProfile", [(0, 5000)]) == "Rejected"
    assert install(1, station_maximum, [(0, 5000)]) == "Rejected"
    assert install(0, "TxDefaultProfile", [(60, 5000)]) == "Rejected"
    assert install(9, "TxDefaultProfile", [(0, 5000)]) == "Rejected"
    assert install(0, "TxDefaultProfile", [(0, 5000), (600, 2000)]) == "Accepted"
    assert install(0, station_maximum, [(0, 4000)], number=2) == "Accepted"
    target = {"connectorId": 1} if is16 else {"evseId": 1}
    answer = csms.ask("GetCompositeSchedule", target | {"duration": 1200, "chargingRateUnit": "W"})[2]
    periods = answer["chargingSchedule" if is16 else "schedule"]["chargingSchedulePeriod"]
    assert [period["limit"] for period in periods] == [4000, 2000]
    assert abs(periods[1]["startPeriod"] - 600) <= 2
    assert csms.ask("ClearChargingProfile", {"id": 1} if is16 else {"chargingProfileId": 1})[2]["status"] == "Accepted"
    assert csms.ask("ClearChargingProfile", {"id": 1} if is16 else {"chargingProfileId": 1})[2]["status"] == "Unknown"
