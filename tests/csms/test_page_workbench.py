"""The operator's page on a desk: sidebar, start page, tabs, and the panel of answers and messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route, expect

from csms.central_system import CentralSystem
from tests.csms.peer import connected
from tests.csms.test_page import STATUS_2X, event

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def desk(page_address: str, async_chromium: Browser) -> AsyncIterator[Page]:
    """The page on a small desk; the test fails if the console says anything."""
    said: list[str] = []
    context = await async_chromium.new_context(base_url=page_address, viewport={"width": 1280, "height": 720})
    page = await context.new_page()
    page.set_default_timeout(15_000)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    await context.close()
    assert said == []


def fleet(csms: CentralSystem, size: int) -> None:
    """Add charge points that never connected."""
    for number in range(size):
        csms.store.set_charge_point(f"AWAY-{number:03d}", boot_policy="Accepted")


async def test_the_sidebar_scrolls_by_itself_and_folds_who_is_away(csms_with_page: CentralSystem, desk: Page) -> None:
    """Rows of 40 pixels; the document never scrolls; a search opens the fold."""
    fleet(csms_with_page, 60)
    async with connected(csms_with_page.address, "2.0.1"):
        await desk.goto("/#CHARGER-001")
        here = desk.locator("#charge-points a")
        await expect(here).to_have_count(1)
        box = await here.bounding_box()
        assert box is not None and box["height"] == 40
        away = desk.locator("#offline-points a").first
        await expect(away).to_be_hidden()
        await desk.get_by_text("Not connected", exact=True).click()
        await expect(away).to_be_visible()
        await desk.locator("#offline-points a").last.scroll_into_view_if_needed()
        assert await desk.evaluate("document.querySelector('#list').scrollTop") > 0
        assert await desk.evaluate("[document.documentElement.scrollHeight, scrollY]") == [720, 0]
        await desk.get_by_text("Not connected", exact=True).click()
        await desk.get_by_label("Search charge points").fill("AWAY-059")
        await expect(desk.locator("#offline-points a")).to_have_text(["AWAY-059"])
        await expect(away).to_be_visible()


async def test_the_start_page_is_a_table_of_the_fleet(csms_with_page: CentralSystem, desk: Page) -> None:
    """Who is connected comes first, with connectors and what charges; a name leads to its page."""
    fleet(csms_with_page, 1)
    async with connected(csms_with_page.address, "2.0.1") as charge_point:
        await charge_point.call("StatusNotification", STATUS_2X)
        await charge_point.call("TransactionEvent", event("Started", 0, "Authorized", 100))
        await desk.goto("/")
        rows = desk.locator("#fleet-table tbody tr")
        await expect(rows).to_have_count(2)
        await expect(rows.first).to_contain_text("CHARGER-001")
        await expect(rows.first).to_contain_text("1 Charging")
        await expect(rows.first).to_contain_text("since")
        await expect(rows.last).to_contain_text("not connected")
        await rows.first.get_by_role("link", name="CHARGER-001").click()
        await expect(desk.locator("#name")).to_have_text("CHARGER-001")
        await expect(desk.locator("#fleet")).to_be_hidden()


async def test_a_tab_is_in_the_address_and_arrow_keys_move_between_tabs(
    csms_with_page: CentralSystem, desk: Page
) -> None:
    async with connected(csms_with_page.address, "1.6"):
        await desk.goto("/#CHARGER-001")
        tabs = desk.get_by_role("tab")
        await expect(tabs).to_have_text(["Operate", "Send", "Transactions", "Configuration", "Misbehave"])
        await tabs.first.focus()
        await desk.keyboard.press("ArrowRight")
        await expect(desk.locator("#sending")).to_be_visible()
        await expect(desk.locator("#operate")).to_be_hidden()
        assert desk.url.endswith("#CHARGER-001/sending")
        await desk.reload()
        await expect(desk.get_by_role("tab", name="Send")).to_have_attribute("aria-selected", "true")
        await expect(desk.locator("#action")).to_be_visible()


async def test_an_answer_appears_in_the_panel_on_the_right_on_every_tab(
    csms_with_page: CentralSystem, desk: Page
) -> None:
    """Beside what was pressed and within the window, with the request folded below it."""
    async with connected(csms_with_page.address, "1.6") as charge_point:
        await desk.goto("/#CHARGER-001")
        await desk.get_by_role("button", name="Reset", exact=True).click()
        call = await charge_point.receive()
        await charge_point.send([3, call[1], {"status": "Accepted"}])
        answer = desk.locator("#answer")
        await expect(answer).to_contain_text("Reset Accepted after")
        await expect(answer.locator("pre").first).to_contain_text('"status": "Accepted"')
        await desk.get_by_role("tab", name="Misbehave").click()
        await expect(answer).to_be_visible()
        box, tab = await answer.bounding_box(), await desk.locator("#misbehave").bounding_box()
        assert box is not None and tab is not None
        assert box["x"] >= tab["x"] + tab["width"] and box["y"] + box["height"] <= 720


async def test_messages_are_rows_of_the_ladder_and_the_newest_is_at_the_end(
    csms_with_page: CentralSystem, desk: Page
) -> None:
    """The summaries of the ladder, a latency, a button that counts news while somebody reads further up."""
    async with connected(csms_with_page.address, "2.0.1") as charge_point:
        await charge_point.call("StatusNotification", STATUS_2X)
        await charge_point.call("TransactionEvent", event("Started", 0, "Authorized", 100))
        await desk.goto("/#CHARGER-001")
        rows = desk.locator("#frames .row")
        call = rows.filter(has_text="TransactionEvent").first
        await expect(call.locator(".what")).to_contain_text("Started #0 · Authorized · Charging · 7.4 kW · 100 Wh")
        await expect(rows.filter(has_text="StatusNotification").first).to_contain_text(
            "EVSE 1 · connector 1 · Occupied"
        )
        await expect(rows.last).to_have_class("row answer")
        await expect(rows.last.locator(".latency")).to_contain_text("ms")
        for number in range(1, 16):
            await charge_point.call("TransactionEvent", event("Updated", number, "MeterValuePeriodic", 100 + number))
        await expect(rows.filter(has_text="Updated #15")).to_be_in_viewport()
        await desk.locator("#frames").evaluate("(list) => { list.scrollTop = 0; }")
        await charge_point.call("TransactionEvent", event("Updated", 16, "MeterValuePeriodic", 200))
        await expect(desk.locator("#news")).to_have_text("↓ 2 new")
        assert await desk.locator("#frames").evaluate("(list) => list.scrollTop") == 0
        await desk.locator("#news").click()
        await expect(rows.filter(has_text="Updated #16")).to_be_in_viewport()
        await expect(desk.locator("#news")).to_be_hidden()


async def test_language_time_zone_and_theme_are_switched_and_remembered(
    csms_with_page: CentralSystem, desk: Page
) -> None:
    """A charge point's own words stay as they are; no word of the page stays English."""
    async with connected(csms_with_page.address, "1.6") as charge_point:
        await charge_point.call("StatusNotification", {"connectorId": 1, "status": "Charging", "errorCode": "NoError"})
        await desk.goto("/#CHARGER-001")
        await expect(desk.locator(".place")).to_contain_text("Connector 1")
        await desk.locator("#language").click()
        await expect(desk.locator(".place")).to_contain_text("Konnektör 1")
        await expect(desk.locator(".place .chip")).to_have_text("Charging")
        await expect(desk.get_by_role("tab")).to_have_text(
            ["Kullan", "Gönder", "İşlemler", "Ayarlar", "Kural dışı davran"]
        )
        await desk.locator("#theme").click()
        await desk.locator("#zone").click()
        await expect(desk.locator("#zone")).to_have_text("Yerel saat")
        await desk.reload()
        await expect(desk.locator("html")).to_have_attribute("lang", "tr")
        await expect(desk.locator("html")).to_have_attribute("data-theme", "light")
        await expect(desk.locator("#zone")).to_have_text("Yerel saat")
        await expect(desk.locator(".place")).to_contain_text("Konnektör 1")


async def test_a_language_switched_while_the_forms_load_leaves_no_error(
    csms_with_page: CentralSystem, desk: Page
) -> None:
    """The actions arrive after the click; the forms of the new language are complete."""
    asked, clicked = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        asked.set()
        await clicked.wait()
        await route.continue_()

    await desk.route("**/api/actions/1.6", late)
    async with connected(csms_with_page.address, "1.6"):
        await desk.goto("/#CHARGER-001")
        await asked.wait()
        await desk.locator("#language").click()
        clicked.set()
        await expect(desk.locator("#order-action option").first).to_have_text("her eylem")
        await expect(desk.locator("#action option", has_text="RemoteStartTransaction")).to_have_count(1)


async def test_links_lead_to_the_pages_that_the_address_names_and_nowhere_else(page_address: str, desk: Page) -> None:
    """A port or an address on this machine, kept until the browser is closed."""
    await desk.goto("/?recordings=8001&simulator=http://evil.example/")
    await expect(desk.locator("#apps a")).to_have_text(["Recordings"])
    await desk.goto("/")
    link = desk.locator("#apps a")
    await expect(link).to_have_attribute("href", "http://127.0.0.1:8001/")
