"""How the operator's page looks: nothing wider than a phone, nothing serious for axe-core, light and dark."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from csms.central_system import CentralSystem
from tests.csms.peer import Peer, connected
from tests.csms.test_page import STATUS_2X, event

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

WIDTHS = (360, 1440)
OPEN_ALL = "document.querySelectorAll('main details').forEach((details) => { details.open = true; })"


@asynccontextmanager
async def opened(browser: Browser, url: str, theme: Any) -> AsyncIterator[Page]:
    context = await browser.new_context(base_url=url, color_scheme=theme, reduced_motion="reduce")
    page = await context.new_page()
    page.set_default_timeout(15_000)
    yield page
    await context.close()


async def busy(csms: CentralSystem, charge_point: Peer) -> None:
    """Fill every part of the page: a transaction, a fault, a report, an ordered misbehaviour, a token."""
    await charge_point.call("StatusNotification", STATUS_2X)
    await charge_point.call("StatusNotification", {**STATUS_2X, "evseId": 2, "connectorStatus": "Faulted"})
    await charge_point.call("TransactionEvent", event("Started", 0, "Authorized", 100))
    await charge_point.call("NotifyReport", {"requestId": 1, "generatedAt": STATUS_2X["timestamp"], "seqNo": 0})
    await charge_point.ask([2, "bad", "Nonsense", {}])
    csms.store.reserve("CHARGER-001", 7, 2, "TAG", "2030-01-01T00:00:00Z")
    csms.store.variable("CHARGER-001", "Connector@1.2", "Available", "Actual", "true " * 60, "ReadOnly")
    csms.store.set_token("A-TOKEN-OF-THIRTY-SIX-CHARACTERS-ID1", "Blocked")


async def faults(page: Page) -> list[str]:
    """Return what axe-core calls serious or critical at phone and desktop size, and what is wider than the screen."""
    found = []
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 900})
        if (wide := await page.evaluate("document.documentElement.scrollWidth")) > width:
            found.append(f"{wide} pixels wide on {width}")
        found += [
            f"{width}: {each['id']}: {each['nodes'][0]['html'][:160]} {each['nodes'][0]['failureSummary'][:300]}"
            for each in (await Axe().run(page)).response["violations"]
            if each["impact"] in ("serious", "critical")
        ]
    return found


@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.long)])
async def test_axe_finds_nothing_serious_and_nothing_is_too_wide(
    csms_with_page: CentralSystem, page_address: str, async_chromium: Browser, theme: str
) -> None:
    """The page shows a running transaction with everything unfolded and a deep form, then tokens, then the list."""
    async with (
        connected(csms_with_page.address, "2.1") as charge_point,
        opened(async_chromium, page_address, theme) as page,
    ):
        await busy(csms_with_page, charge_point)
        await page.goto("/#CHARGER-001/sending")
        await page.locator("#action").select_option("SetChargingProfile")
        await page.get_by_label("Add an optional member of chargingProfile", exact=True).select_option("validFrom")
        await page.get_by_role("tab", name="Misbehave").click()
        await page.get_by_role("button", name="Order").click()
        await expect(page.locator("#orders li")).to_have_count(1)
        for tab in await page.get_by_role("tab").all():
            await tab.click()
            await page.evaluate(OPEN_ALL)
            assert await faults(page) == []
        await page.goto("/#/tokens")
        await expect(page.locator("#token-list td").first).to_be_visible()
        assert await faults(page) == []
        await page.goto("/#")
        await expect(page.get_by_role("link", name="CHARGER-001").first).to_be_visible()
        assert await faults(page) == []
