"""The operator's page in a real browser, with a real charge point's connection behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from csms.central_system import CentralSystem
from csms.configuration import PageAddress
from csms.web import serving
from tests.chromium import FLAGS
from tests.csms.peer import connected

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=document.title='owned'>"


@pytest.fixture
async def page(csms: CentralSystem, chromium: Path) -> AsyncIterator[Page]:
    """The page as an operator opens it; fails on any error in its scripts and any foreign request."""
    errors: list[str] = []
    async with serving(csms, PageAddress(port=0)) as url, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        context = await browser.new_context(base_url=url, viewport={"width": 390, "height": 800})
        page = await context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: request.url.startswith(url) or errors.append(request.url))
        yield page
        await browser.close()
    assert errors == []


async def test_a_form_made_from_the_schema_sends_its_action(csms: CentralSystem, page: Page) -> None:
    """What is filled in reaches the charge point as a schema-valid CALL, and its answer is shown."""
    async with connected(csms.address, "1.6") as charge_point:
        await page.goto("/#CHARGER-001")
        await page.locator("#action").select_option("ReserveNow")
        await page.get_by_label("idTag", exact=True).fill("TAG-7")
        await page.get_by_label("reservationId").fill("12")
        await page.get_by_label("Add an optional member of ReserveNow").select_option("parentIdTag")
        await page.get_by_label("parentIdTag", exact=True).fill("FLEET")
        await page.get_by_role("button", name="Send").click()
        call = await charge_point.receive()
        await charge_point.send([3, call[1], {"status": "Occupied"}])
        await expect(page.locator("#answer")).to_contain_text("Occupied")
    assert call[2] == "ReserveNow"
    assert (call[3]["idTag"], call[3]["reservationId"], call[3]["parentIdTag"]) == ("TAG-7", 12, "FLEET")


async def test_buttons_start_and_stop(csms: CentralSystem, page: Page) -> None:
    async with connected(csms.address, "2.0.1") as charge_point:
        await page.goto("/#CHARGER-001")
        await page.get_by_role("button", name="Start").click()
        call = await charge_point.receive()
        assert (call[2], call[3]["evseId"]) == ("RequestStartTransaction", 1)
        await charge_point.send([3, call[1], {"status": "Accepted"}])
        event = {
            "eventType": "Started",
            "timestamp": "2026-01-01T00:00:00Z",
            "triggerReason": "RemoteStart",
            "seqNo": 0,
            "transactionInfo": {"transactionId": "tx-1", "chargingState": "Charging"},
            "evse": {"id": 1, "connectorId": 1},
        }
        await charge_point.call("TransactionEvent", event)
        await page.get_by_role("button", name="Stop").click()
        call = await charge_point.receive()
        await charge_point.send([3, call[1], {"status": "Accepted"}])
    assert call[2:] == ["RequestStopTransaction", {"transactionId": "tx-1"}]


async def test_what_a_charge_point_says_is_shown_as_text(csms: CentralSystem, page: Page) -> None:
    """Identity, vendor, status and frames may hold markup; none of it becomes part of the page."""
    name = "%3Cimg%20src=x%20onerror=alert(1)%3E"
    boot = {"chargePointVendor": HOSTILE[:20], "chargePointModel": HOSTILE[:20], "firmwareVersion": HOSTILE}
    async with connected(csms.address, "1.6", name, boot=False) as charge_point:
        await charge_point.call("BootNotification", boot)
        await charge_point.send(f'["{HOSTILE}"]')
        await charge_point.silence_until_heartbeat()
        await page.goto(f"/#{name}")
        await expect(page.locator("#frames")).to_contain_text(HOSTILE)
        assert await page.locator("#detail img, nav img").count() == 0
        assert "owned" not in await page.title()


async def test_it_fits_a_phone_and_follows_what_happens(csms: CentralSystem, page: Page) -> None:
    """A charge point that connects appears by itself; nothing is wider than the screen."""
    await page.goto("/")
    await expect(page.get_by_text("No charge point yet")).to_be_visible()
    async with connected(csms.address, "2.1") as charge_point:
        await page.get_by_role("link", name="CHARGER-001").click()
        await expect(page.locator("#fields fieldset").first).to_be_visible()
        status = {
            "evseId": 1,
            "connectorId": 1,
            "connectorStatus": "Occupied",
            "timestamp": "2026-01-01T00:00:00Z",
        }
        await charge_point.call("StatusNotification", status)
        await expect(page.locator("#connectors")).to_contain_text("Occupied")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    await expect(page.locator("#facts")).to_contain_text("not connected")


async def test_misbehaviour_is_ordered_and_withdrawn(csms: CentralSystem, page: Page) -> None:
    async with connected(csms.address, "1.6") as charge_point:
        await page.goto("/#CHARGER-001")
        await page.get_by_label("When answering").select_option("Heartbeat")
        await page.get_by_label("do this").select_option("error")
        await page.get_by_role("button", name="Order").click()
        await expect(page.locator("#orders")).to_contain_text("error on Heartbeat")
        assert (await charge_point.ask([2, "a", "Heartbeat", {}]))[2] == "InternalError"
        await page.get_by_role("button", name="Withdraw").click()
        await expect(page.locator("#orders li")).to_have_count(0)
        await asyncio.wait_for(charge_point.silence_until_heartbeat(), 10)
