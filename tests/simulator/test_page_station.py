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
    expect(page.locator("[data-scenario=needs]")).to_be_hidden()  # only 2.x has the messages
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


def primary(page: Page) -> str | None:
    """Return the id of the primary button among those that somebody may press next."""
    found = page.locator(".main:is(#connect, #plug, #tap, #fault)")
    expect(found).to_have_count(1)
    return found.get_attribute("id")


def test_the_primary_button_is_what_comes_next(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """Connect, plug in, tap, tap again, unplug: each is primary when its turn comes, and so is Recover."""
    page.goto(f"{saved_page}?url={page_csms.url}/CP-1&lang=en&sampleInterval=1")
    seen = []
    for button in ("connect", "plug", "tap"):
        seen.append(primary(page))
        page.click(f"#{button}")
        if button == "connect":
            expect(page.locator("#state-text")).to_have_text("Connected")
    expect(page.locator("#status")).to_have_text("Charging")
    seen.append(primary(page))
    page.click("#tap")
    expect(page.locator("#status")).to_have_text("Finishing")
    seen.append(primary(page))
    page.click("#plug")
    page.click("#fault")
    expect(page.locator("#status")).to_have_text("Faulted")
    seen.append(primary(page))
    assert seen == ["connect", "plug", "tap", "tap", "plug", "fault"]


def test_the_connection_folds_once_and_opens_when_it_is_needed(
    page: Page, saved_page: str, page_csms: PageCsms
) -> None:
    """It names the station when folded, stays open for whoever opened it, and opens after Disconnect."""
    connect(page, saved_page, page_csms)
    panel = page.locator("#connection-details")
    expect(panel).not_to_have_attribute("open", "")
    expect(page.locator("#connection-summary")).to_have_text("CP-1 · 1.6")
    page.click("#connection-details > summary")
    page.click("#plug")
    expect(page.locator("#status")).to_have_text("Preparing")
    expect(panel).to_have_attribute("open", "")
    page.click("#connection-details > summary")
    page.click("#disconnect")
    expect(panel).to_have_attribute("open", "")


def test_active_overrides_are_counted_in_the_tab_and_in_the_bar(
    page: Page, saved_page: str, page_csms: PageCsms
) -> None:
    """Nobody wonders for long why the station answers strangely; the count leads to the tab."""
    connect(page, saved_page, page_csms)
    count, badge = page.locator("#active"), page.locator("#answers-count")
    expect(count).to_be_hidden()
    page.click("#tab-answers")
    page.click("#override-form button")
    expect(count).to_have_text("1 override active")
    page.locator("#misbehaviours input").first.check()
    expect(count).to_have_text("2 overrides active")
    expect(badge).to_have_text("2")
    page.click("#tab-messages")
    count.click()
    expect(page.locator("#panel-answers")).to_be_visible()
    page.locator("#overrides button").click()
    page.locator("#misbehaviours input").first.uncheck()
    expect(count).to_be_hidden()
    expect(badge).to_have_text("")


def test_the_chart_says_what_was_under_the_pointer(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """Time, power, limit and energy of the nearest moment, which equals a point of the session."""
    connect(page, saved_page, page_csms)
    page.click("#plug")
    page.click("#tap")
    page.wait_for_function("() => station.connectors[0].history.length > 4")
    box = page.locator("#chart").bounding_box()
    assert box is not None
    page.locator("#chart").hover(position={"x": 60, "y": box["height"] / 2})
    expect(page.locator("#chart-reading")).to_contain_text("kW · limit 7.40 kW")
    expect(page.locator("#chart .pointed circle")).to_have_count(2)
    said = page.inner_text("#chart-reading")
    words = "`${figure(point.power / 1000, 2)} kW · limit ${figure(point.limit / 1000, 2)} kW`"
    known = page.evaluate(f"stationView.drawn.map((point) => {words})")
    assert any(each in said for each in known)
    page.mouse.move(0, 0)
    expect(page.locator("#chart-reading")).to_have_text("")
    expect(page.locator("#chart .pointed")).to_have_count(0)


def connect_and_start(page: Page, address: str, csms: PageCsms) -> None:
    """Connect, and wait until the boot and the statuses of three connectors are answered."""
    connect(page, address, csms)
    expect(page.locator(".entry")).to_have_count(1 + 2 + 3 * 2)


def test_the_log_follows_the_newest_until_somebody_scrolls_up(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """Oldest first, like the ladder; what came meanwhile is counted, and one click leads to it."""
    connect_and_start(page, saved_page, page_csms)
    for _ in range(20):
        page_csms.ask("ClearCache", {})
    last = page.locator(".entry").last
    expect(last).to_contain_text("ClearCache")
    expect(last).to_be_in_viewport()
    times = page.locator(".entry time").all_inner_texts()
    assert times == sorted(times)
    page.locator("#log-rows").evaluate("(rows) => { rows.scrollTop = 0; }")
    expect(page.locator(".entry").first).to_contain_text("Connected to")
    page_csms.ask("ClearCache", {})
    expect(page.locator("#log-news")).to_have_text("↓ 2 new")
    page.click("#log-news")
    expect(page.locator("#log-news")).to_be_hidden()
    assert page.locator("#log-rows").evaluate("(rows) => rows.scrollHeight - rows.clientHeight - rows.scrollTop") < 2


def test_on_a_phone_the_newest_message_is_in_sight_and_the_log_one_tap_away(
    page: Page, saved_page: str, page_csms: PageCsms
) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    connect_and_start(page, saved_page, page_csms)
    page_csms.ask("ClearCache", {})
    peek = page.locator("#peek")
    expect(peek).to_be_in_viewport(ratio=1)
    expect(peek).to_contain_text("ClearCache")
    peek.click()
    expect(page.locator(".entry").last).to_be_in_viewport()
    expect(peek).to_have_attribute("aria-expanded", "true")
    page.click("#log-fold")
    expect(page.locator("#log-rows")).not_to_be_in_viewport()
    expect(peek).to_be_visible()
