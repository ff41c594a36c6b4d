"""A CSMS in this process, on a free port, and its page in a browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from csms.central_system import CentralSystem
from csms.configuration import PageAddress
from csms.operator_api.web import serving
from tests.chromium import FLAGS


@asynccontextmanager
async def listening() -> AsyncIterator[CentralSystem]:
    system = CentralSystem()
    async with system.listening("127.0.0.1", 0):
        yield system
    system.close()


@pytest.fixture
async def csms() -> AsyncIterator[CentralSystem]:
    """Return a running CSMS with default settings; `address` is where it listens."""
    async with listening() as system:
        yield system


# A browser needs the event loop that started it, so all tests with a page share one loop and one Chromium.
in_the_loop_of_pages = pytest_asyncio.fixture(loop_scope="session")


@in_the_loop_of_pages
async def csms_with_page() -> AsyncIterator[CentralSystem]:
    """Return a CSMS for tests that open its page; mark them `asyncio(loop_scope="session")`."""
    async with listening() as system:
        yield system


@in_the_loop_of_pages
async def page_address(csms_with_page: CentralSystem) -> AsyncIterator[str]:
    """Return the URL of the operator's page."""
    async with serving(csms_with_page.context, csms_with_page.connections, PageAddress(port=0)) as url:
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def async_chromium(chromium: Path) -> AsyncIterator[Browser]:
    """Return a running Chromium for async tests, shared by all tests of a worker."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        await browser.close()


@in_the_loop_of_pages
async def page(page_address: str, async_chromium: Browser) -> AsyncIterator[Page]:
    """Open the operator's page at the size of a phone; fail on script errors and on requests to other hosts."""
    errors: list[str] = []
    context = await async_chromium.new_context(base_url=page_address, viewport={"width": 390, "height": 800})
    page = await context.new_page()
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: request.url.startswith(page_address) or errors.append(request.url))
    yield page
    await context.close()
    assert errors == []
