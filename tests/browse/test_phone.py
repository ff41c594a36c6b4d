"""The pages on a screen of 360 pixels, in a real Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


def test_a_chosen_frame_rises_over_the_ladder_on_a_phone(page: Page, address: str) -> None:
    """The ladder stays in sight above it; closed, it is gone."""
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{address}/ocpp/sessions/2#f215")
    expect(page.locator("article.frame mark").first).to_be_visible()
    expect(page.locator("#plot svg")).to_be_visible()
    expect(page.locator(".row.chosen")).to_be_in_viewport()
    expect(page.locator("aside.sheet")).to_be_in_viewport()
    page.get_by_role("button", name="Close").click()
    expect(page.locator("aside.sheet")).to_have_count(0)


PHONE = (
    *("/", "/ocpp/sessions/2", "/ocpp/frames/215", "/ocpp/-/dashboards", "/ocpp/rules", "/ocpp/-/live", "/ocpp"),
    *("/ocpp/-/compare?a=1&b=2", "/ocpp/charge_points/CP-DEPOT-07", "/ocpp/transactions/1", "/ocpp/rules/time.format"),
    *("/ocpp/frames", "/ocpp/sessions/99", "/ocpp/connections"),
)


@pytest.mark.parametrize("path", PHONE)
def test_a_phone_is_wide_enough(page: Page, address: str, path: str) -> None:
    """At 360 px nothing sticks out of the page, and the ladder still shows its arrows."""
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{address}{path}")
    if path == "/ocpp/sessions/2":
        expect(page.locator(".row").first).to_be_visible()
        expect(page.locator(".lanes")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
