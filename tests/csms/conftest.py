"""A CSMS on a free port, in this process, for tests that talk to it over real sockets, and its page in a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright

from csms.central_system import CentralSystem
from csms.configuration import PageAddress
from csms.web import serving
from tests.chromium import FLAGS


@pytest.fixture
async def csms() -> AsyncIterator[CentralSystem]:
    """A CSMS with default settings; `address` is where it listens."""
    system = CentralSystem()
    async with system.listening("127.0.0.1", 0):
        yield system
    system.close()


@pytest.fixture
async def page_address(csms: CentralSystem) -> AsyncIterator[str]:
    """The URL of the operator's page."""
    async with serving(csms, PageAddress(port=0)) as url:
        yield url


@pytest.fixture
async def chromium_of_its_own(chromium: Path) -> AsyncIterator[Browser]:
    """A Chromium that async tests can drive."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest.fixture
async def page(page_address: str, chromium_of_its_own: Browser) -> AsyncIterator[Page]:
    """The page as an operator with a phone opens it; fails on any error of its scripts and any foreign request."""
    errors: list[str] = []
    context = await chromium_of_its_own.new_context(base_url=page_address, viewport={"width": 390, "height": 800})
    page = await context.new_page()
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: request.url.startswith(page_address) or errors.append(request.url))
    yield page
    await context.close()
    assert errors == []
