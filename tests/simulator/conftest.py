"""Fixtures for the tests of both charge points: the headless one and the page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from simulator import charge_point as simulated
from simulator.page_server.page import assemble
from simulator.station import Station
from tests.journeys.page_bench import watched
from tests.simulator.listening import ListeningCsms
from tests.simulator.page_csms import PageCsms
from tests.simulator.powered import PowerOn


@pytest.fixture
async def csms() -> AsyncIterator[ListeningCsms]:
    """Start a CSMS on a free port."""
    listening = ListeningCsms()
    await listening.start()
    yield listening
    await listening.stop()


@pytest.fixture
async def power_on(csms: ListeningCsms) -> AsyncIterator[PowerOn]:
    """Return a function that makes charge points and switches them on; switch them off after the test."""
    made: list[Station] = []
    url = csms.url

    async def build(version: str, on: bool = True, **more: Any) -> Station:
        options = {"speed": 600.0, "timeout": 5.0} | more
        station = simulated.make(version, simulated.Identity(url=url, id="CP-1", **options))
        made.append(station)
        if on:
            await station.power_on()
        return station

    yield build
    for station in made:
        await station.power_off()


@pytest.fixture(scope="module")
def saved_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the file:// address of the saved page."""
    target = tmp_path_factory.mktemp("page") / "charge point.html"
    target.write_text(assemble(), encoding="utf-8")
    return target.as_uri()


@pytest.fixture
def page_csms() -> Iterator[PageCsms]:
    """Start a CSMS in a separate thread, for pages."""
    with PageCsms() as csms:
        yield csms


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Open an empty page; the test fails if the page reports an error."""
    with browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True) as context:
        page = context.new_page()
        errors = watched(page)
        yield page
        assert errors == []
