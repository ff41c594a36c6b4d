"""What is easily forgotten in a station: what replaces what, what is told when, and what a display shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.simulator.page_csms import PageCsms
from tests.simulator.schemas import violations

pytestmark = pytest.mark.browser


def connect(page: Page, address: str, csms: PageCsms, version: str, **settings: str) -> None:
    more = "".join(f"&{name}={value}" for name, value in ({"sampleInterval": "1"} | settings).items())
    page.goto(f"{address}?url={csms.url}/CP-1&version={version}&lang=en&autostart=1{more}")
    expect(page.locator("#state-text")).to_have_text("Connected")


def soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def firmware(number: int, place: str, when: float = 0) -> dict[str, Any]:
    return {"requestId": number, "firmware": {"location": place, "retrieveDateTime": soon(when)}}


def test_a_later_firmware_update_takes_the_place_of_one_under_way(
    page: Page, saved_page: str, page_csms: PageCsms
) -> None:
    """The second is answered AcceptedCanceled and is the one that is installed; the first is heard of no more."""
    connect(page, saved_page, page_csms, "2.0.1")
    page.evaluate("station.sequences.step = 0.2")
    assert page_csms.ask("UpdateFirmware", firmware(1, "https://example.com/one", 60))[2]["status"] == "Accepted"
    page_csms.wait(lambda frame: frame[0] == 2 and frame[3].get("status") == "DownloadScheduled")
    again = page_csms.ask("UpdateFirmware", firmware(2, "https://example.com/two"))
    assert again[2]["status"] == "AcceptedCanceled"
    page_csms.wait(lambda frame: frame[0] == 2 and frame[3].get("status") == "Installed", 20)
    told = [(each["requestId"], each["status"]) for each in page_csms.calls("FirmwareStatusNotification")]
    steps = ["Downloading", "Downloaded", "Installing", "Installed"]
    assert told == [(1, "DownloadScheduled"), *((2, status) for status in steps)]
    boot = page_csms.calls("BootNotification")[1]
    assert (boot["chargingStation"]["firmwareVersion"], boot["reason"]) == ("two", "FirmwareUpdate")


@pytest.mark.parametrize("version", ["1.6", pytest.param("2.1", marks=pytest.mark.long)])
def test_what_cannot_be_fetched_or_sent_is_told(page: Page, saved_page: str, page_csms: PageCsms, version: str) -> None:
    """A protocol the station has not: DownloadFailed and a failed upload, and the station goes on."""
    connect(page, saved_page, page_csms, version)
    page.evaluate("station.sequences.step = 0.1")
    if version == "1.6":
        page_csms.ask("UpdateFirmware", {"location": "gopher://example.com/one", "retrieveDate": soon(0)})
        page_csms.ask("GetDiagnostics", {"location": "gopher://example.com/"})
        failed = {"DiagnosticsStatusNotification": "UploadFailed"}
    else:
        page_csms.ask("UpdateFirmware", firmware(1, "gopher://example.com/one"))
        log = {"remoteLocation": "gopher://example.com/"}
        page_csms.ask("GetLog", {"requestId": 2, "logType": "DiagnosticsLog", "log": log})
        failed = {"LogStatusNotification": "UploadFailure"}
    for action, status in (failed | {"FirmwareStatusNotification": "DownloadFailed"}).items():
        page_csms.wait(
            lambda frame, action=action, status=status: (
                frame[0] == 2 and frame[2] == action and frame[3]["status"] == status
            )
        )
    assert len(page_csms.calls("BootNotification")) == 1


@pytest.mark.parametrize("version", ["1.6", pytest.param("2.0.1", marks=pytest.mark.long)])
def test_firmware_signed_by_nothing_is_refused_and_reported(
    page: Page, saved_page: str, page_csms: PageCsms, version: str
) -> None:
    connect(page, saved_page, page_csms, version)
    image = firmware(1, "https://example.com/one")["firmware"] | {"signingCertificate": "none", "signature": "none"}
    action = "SignedUpdateFirmware" if version == "1.6" else "UpdateFirmware"
    assert page_csms.ask(action, {"requestId": 1, "firmware": image})[2]["status"] == "InvalidCertificate"
    event = page_csms.wait(lambda frame: frame[0] == 2 and frame[2] == "SecurityEventNotification")
    assert event[3]["type"] == "InvalidFirmwareSigningCertificate"
    assert page_csms.calls("FirmwareStatusNotification") == []


def test_a_second_log_request_ends_the_first(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """The upload under way is told AcceptedCanceled, the new one runs to its end (2.x N01)."""
    connect(page, saved_page, page_csms, "2.0.1")
    log = {"logType": "DiagnosticsLog", "log": {"remoteLocation": "https://example.com/"}}
    assert page_csms.ask("GetLog", log | {"requestId": 1})[2]["status"] == "Accepted"
    page.evaluate("station.sequences.step = 0.1")
    assert page_csms.ask("GetLog", log | {"requestId": 2})[2]["status"] == "AcceptedCanceled"
    page_csms.wait(lambda frame: frame[0] == 2 and frame[3].get("status") == "Uploaded")
    told = [(each["requestId"], each["status"]) for each in page_csms.calls("LogStatusNotification")]
    assert told == [(1, "Uploading"), (1, "AcceptedCanceled"), (2, "Uploading"), (2, "Uploaded")]


@pytest.mark.parametrize("version", ["1.6", pytest.param("2.0.1", marks=pytest.mark.long)])
def test_meters_are_read_by_the_clock_with_and_without_a_session(
    page: Page, saved_page: str, page_csms: PageCsms, version: str
) -> None:
    """ClockAlignedDataInterval: every connector is told at round seconds; in a session it belongs to it."""
    connect(page, saved_page, page_csms, version, sampleInterval="3600")
    if version == "1.6":
        page_csms.ask("ChangeConfiguration", {"key": "StopTxnAlignedData", "value": "Energy.Active.Import.Register"})
        page_csms.ask("ChangeConfiguration", {"key": "ClockAlignedDataInterval", "value": "2"})
    else:
        setting = {"component": {"name": "AlignedDataCtrlr"}, "variable": {"name": "Interval"}, "attributeValue": "2"}
        page_csms.ask("SetVariables", {"setVariableData": [setting]})
    place = "connectorId" if version == "1.6" else "evseId"
    page_csms.wait(lambda frame: frame[0] == 2 and frame[2] == "MeterValues" and frame[3][place] == 2)
    page.click("#plug")
    page.click("#tap")

    def belongs(frame: list[Any]) -> bool:
        if frame[0] != 2:
            return False
        if version == "1.6":
            return bool(frame[2] == "MeterValues" and frame[3].get("transactionId") == 4711)
        return bool(frame[2] == "TransactionEvent" and frame[3]["triggerReason"] == "MeterValueClock")

    page_csms.wait(belongs)
    page.click("#tap")
    for told in page_csms.calls("MeterValues"):
        assert violations(version, "MeterValues", "request", told) == []
        assert {sample["context"] for sample in told["meterValue"][0]["sampledValue"]} == {"Sample.Clock"}
    if version == "1.6":
        page_csms.wait(lambda frame: frame[0] == 2 and frame[2] == "StopTransaction")
        data = page_csms.calls("StopTransaction")[0]["transactionData"]
        contexts = [each["sampledValue"][0]["context"] for each in data]
        assert contexts[-1] == "Transaction.End" and set(contexts[:-1]) == {"Sample.Clock"}


def test_a_pulled_cable_ends_the_session_only_where_it_should(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """StopTransactionOnEVSideDisconnect false: the session waits as SuspendedEV and goes on with the cable."""
    connect(page, saved_page, page_csms, "1.6")
    page_csms.ask("ChangeConfiguration", {"key": "StopTransactionOnEVSideDisconnect", "value": "false"})
    page.click("#plug")
    page.click("#tap")
    status = page.locator("#status")
    expect(status).to_have_text("Charging")
    page.click("#plug")
    expect(status).to_have_text("Suspended by vehicle")
    expect(page.locator("#facts")).to_contain_text("no vehicle connected")
    expect(page.locator("#power")).to_have_text("0.00")
    page.click("#plug")
    expect(status).to_have_text("Charging")
    assert page_csms.calls("StopTransaction") == []
    page.click("#tap")
    expect(status).to_have_text("Finishing")


@pytest.mark.parametrize(("threshold", "told"), [("0", 2), ("60", 0)])
def test_after_a_long_absence_every_status_is_told_again(
    page: Page, saved_page: str, page_csms: PageCsms, threshold: str, told: int
) -> None:
    """2.x B04.FR.01: longer away than OfflineThreshold means all statuses, otherwise only what changed."""
    connect(page, saved_page, page_csms, "2.0.1")
    place = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "OfflineThreshold"}}
    page_csms.ask("SetVariables", {"setVariableData": [place | {"attributeValue": threshold}]})
    page_csms.wait(lambda frame: frame[0] == 2 and len(page_csms.calls("StatusNotification")) == 2)
    page.evaluate("station.link.drop()")
    page_csms.wait(lambda frame: frame[0] == 2 and frame[2] == "Heartbeat")
    # The answer to a question comes after all that was queued before it.
    page_csms.ask("ClearCache", {})
    expect(page.locator("#state-text")).to_have_text("Connected")
    page.wait_for_function("() => !station.outbox.pending && !station.outbox.queue.length")
    assert len(page_csms.calls("StatusNotification")) - 2 == told


def test_messages_for_the_display_and_the_cost_are_shown(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """Shown by priority and state, listed on request, gone when cleared; the cost stands with the session."""
    connect(page, saved_page, page_csms, "2.1")

    def show(number: int, priority: str, text: str, **more: str) -> str:
        message = {"id": number, "priority": priority, "message": {"format": "UTF8", "content": text}, **more}
        return str(page_csms.ask("SetDisplayMessage", {"message": message})[2]["status"])

    display = page.locator("#display")
    expect(display).to_be_hidden()
    assert show(1, "NormalCycle", "Welcome <b>home</b>") == "Accepted"
    expect(display).to_have_text("Welcome <b>home</b>")
    assert show(2, "AlwaysFront", "Charging for you", state="Charging") == "Accepted"
    expect(display).to_have_text("Welcome <b>home</b>")
    assert show(3, "InFront", "Nobody's", transactionId="none") == "UnknownTransaction"
    page.click("#plug")
    page.click("#tap")
    expect(display).to_have_text("Charging for you")
    running = page.evaluate("station.connectors[0].transaction.id")
    page_csms.ask("CostUpdated", {"totalCost": 1.25, "transactionId": running})
    expect(page.locator("#facts")).to_contain_text("cost 1.25")
    assert page_csms.ask("GetDisplayMessages", {"requestId": 7, "state": "Charging"})[2]["status"] == "Accepted"
    page_csms.wait(lambda frame: frame[0] == 2 and frame[2] == "NotifyDisplayMessages")
    listed = page_csms.calls("NotifyDisplayMessages")[0]
    assert [each["id"] for each in listed["messageInfo"]] == [2]
    assert violations("2.1", "NotifyDisplayMessages", "request", listed) == []
    assert page_csms.ask("ClearDisplayMessage", {"id": 2})[2]["status"] == "Accepted"
    assert page_csms.ask("ClearDisplayMessage", {"id": 2})[2]["status"] == "Unknown"
    expect(display).to_have_text("Welcome <b>home</b>")


def test_an_event_sent_by_hand_leaves_no_hole_in_the_numbers(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """TransactionEvent from the form: the station's own events go on counting behind it."""
    connect(page, saved_page, page_csms, "2.0.1", sampleInterval="3600")
    page.click("#plug")
    page.click("#tap")
    expect(page.locator("#status")).to_have_text("Charging")
    page.wait_for_function("() => !station.outbox.pending && !station.outbox.queue.length")
    page.select_option("#action", "TransactionEvent")
    page.click("#message-form button[type=submit]")
    expect(page.locator("#form-outcome")).to_contain_text("Answer")
    page.click("#tap")
    page_csms.wait(lambda frame: frame[0] == 2 and frame[3].get("eventType") == "Ended")
    numbers = [event["seqNo"] for event in page_csms.calls("TransactionEvent")]
    assert numbers == list(range(len(numbers)))
