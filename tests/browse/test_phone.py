"""The pages on a screen of 360 pixels, in a real Chromium."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browse import charging
from tests.browse.charging import Recording
from tests.processes import Program

pytestmark = pytest.mark.system


def test_a_chosen_frame_rises_over_the_ladder_on_a_phone(page: Page, address: str) -> None:
    """The ladder stays visible above the panel; closing the panel removes it."""
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


def test_a_phone_is_wide_enough(page: Page, address: str) -> None:
    """At 360 px no page is wider than the screen, and the ladder still shows its arrows."""
    page.set_viewport_size({"width": 360, "height": 740})
    for path in PHONE:
        page.goto(f"{address}{path}")
        if path == "/ocpp/sessions/2":
            expect(page.locator(".row").first).to_be_visible()
            expect(page.locator(".lanes")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path


@pytest.mark.long
def test_a_name_of_any_length_breaks_no_page(page: Page, tmp_path: Path) -> None:
    """A very long charge point id is cut or wrapped, and the text beside it stays visible."""
    name = "CP-" + "X" * 250
    recording = Recording(tmp_path / "long.db")
    charging.charge_badly(recording, name)
    charging.charge_201(recording, f"urn:station:{'de-' * 60}", samples=2)
    recording.finish()
    pages = ("/", "/ocpp/sessions/1#f5", "/ocpp/-/dashboards", "/ocpp/-/live", f"/ocpp/charge_points/{name}")
    with Program("browse", recording.path, "--listen", "0") as browse:
        home = browse.wait_for(r"browse at (\S+)")[1]
        for width in (360, 1024, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            for path in (*pages, "/ocpp/-/compare?a=1&b=2", "/ocpp/frames/5", "/ocpp/transactions/1"):
                page.goto(home + path)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
            page.goto(home)
            expect(page.locator("table.sessions td.findings .cs-error").first).to_be_in_viewport()
        page.goto("about:blank")
