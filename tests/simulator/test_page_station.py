"""The station on the page: its controls work, and it shows the settings of the CSMS.

tests/page_logic tests the station's behaviour without a browser.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.simulator.page_csms import PageCsms, connect

pytestmark = pytest.mark.system


def test_each_control_at_the_station_does_what_it_says(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """Click on each control: cable, card, pause, fault, connectors, core messages and scenarios."""
    page_csms.answers["Authorize"] = lambda asked: {
        "idTagInfo": {"status": "Invalid" if asked["idTag"] == "INVALID" else "Accepted"}
    }
    connect(page, saved_page, page_csms)
    status = page.locator("#status")
    page.click("#plug")
    page.click("#tap")
    expect(status).to_have_text("Charging")
    page.click("#pause")
    expect(status).to_have_text("Suspended by vehicle")
    expect(page.locator("#power")).to_have_text("0.00")
    page.click("#connectors button:nth-child(2)")
    expect(status).to_have_text("Available")
    page.click("#plug")
    page.fill("#token", "CARD-002")
    page.click("#tap")
    expect(status).to_have_text("Charging")
    expect(page.locator("#facts")).to_contain_text("CARD-002")
    page.click("#fault")
    expect(status).to_have_text("Faulted")
    page.click("#fault")
    expect(status).to_have_text("Finishing")
    page.click("#plug")
    expect(status).to_have_text("Available")
    page.click("[data-core=heartbeat]")
    page_csms.wait(lambda frame: frame[0] == 2 and frame[2] == "Heartbeat")
    page.click("[data-scenario=rejected]")
    expect(page.locator("#scenario-step")).to_contain_text("done")
    expect(page.locator("#log-rows")).to_contain_text("INVALID")
    expect(status).to_have_text("Available")
    assert [each["idTag"] for each in page_csms.calls("StartTransaction")] == ["CARD-001", "CARD-002"]


def test_what_the_csms_sets_is_shown(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """The instrument shows reservations, display messages and the cost; a tab shows the variables."""
    connect(page, saved_page, page_csms, "2.1")
    display = page.locator("#display")
    expect(display).to_be_hidden()
    text = {"format": "UTF8", "content": "Welcome <b>home</b>"}
    message = {"id": 1, "priority": "NormalCycle", "message": text}
    assert page_csms.ask("SetDisplayMessage", {"message": message})[2]["status"] == "Accepted"
    expect(display).to_have_text("Welcome <b>home</b>")
    token = {"idToken": "HOLDER", "type": "Central"}
    reservation = {"id": 3, "expiryDateTime": "2099-01-01T00:00:00Z", "idToken": token, "evseId": 1}
    assert page_csms.ask("ReserveNow", reservation)[2]["status"] == "Accepted"
    expect(page.locator("#status")).to_have_text("Reserved")
    page.click("#tap")
    expect(page.locator("#log-rows")).to_contain_text("Reserved for another card")
    assert page_csms.ask("CancelReservation", {"reservationId": 3})[2]["status"] == "Accepted"
    page.click("#plug")
    page.click("#tap")
    expect(page.locator("#status")).to_have_text("Charging")
    running = page.evaluate("station.connectors[0].transaction.id")
    page_csms.ask("CostUpdated", {"totalCost": 1.25, "transactionId": running})
    expect(page.locator("#facts")).to_contain_text("cost 1.25")
    page_csms.ask("ClearDisplayMessage", {"id": 1})
    expect(display).to_be_hidden()
    page.click("#tab-variables")
    shown = page.get_by_label("OCPPCommCtrlr.HeartbeatInterval", exact=True)
    expect(shown).to_have_value("300")
    place = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    page_csms.ask("SetVariables", {"setVariableData": [place | {"attributeValue": "1"}]})
    expect(shown).to_have_value("1")


def test_a_station_that_is_not_accepted_says_so(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """The badge says Pending until the CSMS accepts the station."""
    boot = {"currentTime": "2026-01-01T00:00:00Z", "interval": 60}
    page_csms.answers["BootNotification"] = boot | {"status": "Pending"}
    page.goto(f"{saved_page}?url={page_csms.url}/CP-1&lang=en&autostart=1")
    expect(page.locator("#state-text")).to_have_text("Pending")
    page_csms.answers["BootNotification"] = boot | {"status": "Accepted"}
    page_csms.ask("TriggerMessage", {"requestedMessage": "BootNotification"})
    expect(page.locator("#state-text")).to_have_text("Connected")
