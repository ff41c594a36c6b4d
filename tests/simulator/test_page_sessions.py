"""How sessions on the page end: each cause by its own words, in 1.6 and in 2.1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.simulator.page_csms import PageCsms

pytestmark = pytest.mark.browser


def charge(page: Page, address: str, csms: PageCsms, version: str, **settings: str) -> None:
    more = "".join(f"&{name}={value}" for name, value in settings.items())
    page.goto(f"{address}?url={csms.url}/CP-1&version={version}&lang=en&sampleInterval=1&autostart=1{more}")
    expect(page.locator("#state-text")).to_have_text("Connected")
    page.click("#plug")
    page.click("#tap")


def ended(csms: PageCsms, version: str) -> dict[str, Any]:
    """Wait for the session's last message."""
    if version == "1.6":
        return dict(csms.wait(lambda frame: frame[0] == 2 and frame[2] == "StopTransaction", 20)[3])
    last = csms.wait(
        lambda frame: frame[0] == 2 and frame[2] == "TransactionEvent" and frame[3]["eventType"] == "Ended", 20
    )
    return dict(last[3])


def reason(last: dict[str, Any]) -> tuple[str, str | None]:
    """The reason, and in 2.x what triggered the event."""
    if "reason" in last:
        return str(last["reason"]), None
    return str(last["transactionInfo"]["stoppedReason"]), str(last["triggerReason"])


ENDS: list[tuple[str, str, Callable[[Page], None], tuple[str, str | None], str]] = [
    ("1.6", "card", lambda page: page.click("#tap"), ("Local", None), "Finishing"),
    ("2.1", "card", lambda page: page.click("#tap"), ("Local", "StopAuthorized"), "Occupied"),
    ("1.6", "cable", lambda page: page.click("#plug"), ("EVDisconnected", None), "Available"),
    ("2.1", "cable", lambda page: page.click("#plug"), ("EVDisconnected", "EVCommunicationLost"), "Available"),
    ("1.6", "fault", lambda page: page.click("#fault"), ("Other", None), "Faulted"),
    ("2.1", "fault", lambda page: page.click("#fault"), ("Other", "AbnormalCondition"), "Faulted"),
]


@pytest.mark.parametrize(
    ("version", "end", "told", "status"),
    [pytest.param(version, end, told, status, id=f"{cause}-{version}") for version, cause, end, told, status in ENDS],
)
def test_each_end_of_a_session_has_its_reason(
    page: Page,
    saved_page: str,
    page_csms: PageCsms,
    version: str,
    end: Callable[[Page], None],
    told: tuple[str, str | None],
    status: str,
) -> None:
    charge(page, saved_page, page_csms, version)
    expect(page.locator("#status")).to_have_text("Charging")
    end(page)
    assert reason(ended(page_csms, version)) == told
    expect(page.locator("#status")).to_have_text(status)
    # The card that began the session ends it unasked (1.6 section 4.1).
    assert len(page_csms.calls("Authorize")) == 1


@pytest.mark.parametrize(("version", "told"), [("1.6", ("Other", None)), ("2.1", ("EnergyLimitReached",) * 2)])
def test_an_energy_limit_ends_the_session(
    page: Page, saved_page: str, page_csms: PageCsms, version: str, told: tuple[str, str | None]
) -> None:
    charge(page, saved_page, page_csms, version, energyLimit="0.002")
    assert reason(ended(page_csms, version)) == told


@pytest.mark.parametrize("version", ["1.6", "2.1"])
def test_a_session_the_csms_does_not_authorize_is_ended(
    page: Page, saved_page: str, page_csms: PageCsms, version: str
) -> None:
    """A start that is answered Blocked charges nothing in 1.6, and ends as DeAuthorized in both."""
    page_csms.answers["StartTransaction"] = {"transactionId": 5, "idTagInfo": {"status": "Blocked"}}
    page_csms.answers["TransactionEvent"] = lambda event: (
        {"idTokenInfo": {"status": "Blocked"}} if event["eventType"] == "Started" else {}
    )
    charge(page, saved_page, page_csms, version)
    last = ended(page_csms, version)
    assert reason(last)[0] == "DeAuthorized"
    if version == "1.6":
        assert "Charging" not in [each["status"] for each in page_csms.calls("StatusNotification")]
        assert last["transactionId"] == 5


def test_a_vehicle_that_pauses_and_a_limit_of_nothing_suspend(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """SuspendedEV when the vehicle pauses, SuspendedEVSE when a profile gives nothing, Charging in between."""
    charge(page, saved_page, page_csms, "1.6")
    status = page.locator("#status")
    expect(status).to_have_text("Charging")
    page.click("#pause")
    expect(status).to_have_text("Suspended by vehicle")
    page.click("#pause")
    expect(status).to_have_text("Charging")
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 0}]}
    profile = {"chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile"}
    profile |= {"chargingProfileKind": "Relative", "chargingSchedule": schedule}
    page_csms.ask("SetChargingProfile", {"connectorId": 0, "csChargingProfiles": profile})
    expect(status).to_have_text("Suspended by station")
    offered = "station.connectors[0].meter.sample(['Power.Offered', 'Current.Offered'], station.supply)"
    assert [each["value"] for each in page.evaluate(offered)] == [0, 0]
    page_csms.ask("ClearChargingProfile", {})
    expect(status).to_have_text("Charging")
    # The page shows a status a moment before the CSMS hears of it.
    wanted = ["Preparing", "Charging", "SuspendedEV", "Charging", "SuspendedEVSE", "Charging"]

    def told() -> list[str]:
        return [each["status"] for each in page_csms.calls("StatusNotification") if each["connectorId"] == 1][1:]

    page_csms.wait(lambda _: len(told()) >= len(wanted))
    assert told() == wanted


def test_two_connectors_charge_at_the_same_time(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """Each has its own session, meter and status."""
    numbers = iter((11, 12))
    page_csms.answers["StartTransaction"] = lambda _: {
        "transactionId": next(numbers),
        "idTagInfo": {"status": "Accepted"},
    }
    charge(page, saved_page, page_csms, "1.6")
    expect(page.locator("#status")).to_have_text("Charging")
    page.click("#connectors button:nth-child(2)")
    page.click("#plug")
    page.fill("#token", "CARD-002")
    page.click("#tap")
    expect(page.locator("#status")).to_have_text("Charging")
    page_csms.wait(lambda frame: frame[0] == 2 and frame[2] == "MeterValues" and frame[3]["connectorId"] == 2)
    values = {each["connectorId"]: each["transactionId"] for each in page_csms.calls("MeterValues")}
    assert values == {1: 11, 2: 12}
    assert [each["idTag"] for each in page_csms.calls("StartTransaction")] == ["CARD-001", "CARD-002"]
