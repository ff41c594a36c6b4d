"""The live page in a real Chromium: nothing moves under the pointer, and a chosen frame is shown beside the feed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browse.charging import Link, Recording
from tests.processes import Program

pytestmark = pytest.mark.system


@pytest.fixture
def feed(page: Page, tmp_path: Path) -> Iterator[tuple[Page, Link]]:
    """The live page of a recording to which one charge point still writes."""
    recording = Recording(tmp_path / "live.db", start_ns=time.time_ns())
    link = recording.connect("CP-LIVE")
    link.boot()
    for _ in range(30):
        link.status("Available")
    link.call("StatusNotification", {"connectorId": 1, "errorCode": "Error", "status": "Charging"}, {})
    recording.commit()
    with Program("browse", recording.path, "--listen", "0") as browse:
        page.goto(f"{browse.wait_for(r'browse at (\S+)')[1]}/ocpp/-/live")
        expect(page.locator("#feed tr").first).to_be_visible()
        yield page, link
        page.goto("about:blank")
    link.close()
    recording.finish()


def test_rows_do_not_move_under_the_pointer(feed: tuple[Page, Link]) -> None:
    """While the pointer is in the feed a button counts what came; pressed, or once the pointer left, it is shown."""
    page, link = feed
    rows = page.locator("#feed tr")
    first = rows.first.get_attribute("data-frame")
    rows.nth(3).hover()
    link.status("Charging")
    link.recording.commit()
    news = page.get_by_role("button", name="↑ 2 new")
    expect(news).to_be_visible()
    assert rows.first.get_attribute("data-frame") == first
    link.status("Finishing")
    link.recording.commit()
    expect(page.get_by_role("button", name="↑ 4 new")).to_be_visible()
    page.locator("#news").click()
    expect(rows.nth(1)).to_contain_text("Finishing")
    expect(page.locator("#news")).to_be_hidden()
    page.mouse.move(5, 5)
    link.status("Available")
    link.recording.commit()
    expect(rows.nth(1)).to_contain_text("Available")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (360, 740)])
def test_a_chosen_frame_is_shown_beside_the_feed(feed: tuple[Page, Link], width: int, height: int) -> None:
    """By click and by keys, laid out with its findings and its answer; from there a link leads into its session."""
    page, link = feed
    page.set_viewport_size({"width": width, "height": height})
    bad = page.locator("#feed tr.s-error")
    assert bad.evaluate("row => getComputedStyle(row).backgroundColor") != "rgba(0, 0, 0, 0)"
    bad.locator("td.what").click()
    panel = page.locator("#side")
    expect(panel.locator("mark.cs-error")).to_have_text('"Error"')
    expect(panel).to_be_in_viewport()
    frame = bad.get_attribute("data-frame")
    expect(page.locator("#feed tr.chosen")).to_have_attribute("data-frame", str(frame))
    expect(page.locator("#feed tr.chosen")).to_be_in_viewport()
    link.status("Reserved")
    link.recording.commit()
    expect(page.get_by_role("button", name="↑ 2 new")).to_be_visible()
    page.keyboard.press("j")
    expect(page.locator("#feed tr.chosen")).to_have_attribute("data-frame", str(int(frame or 0) - 1))
    page.keyboard.press("k")
    expect(page.locator("#feed tr.chosen")).to_have_attribute("data-frame", str(frame))
    expect(panel.locator("article.frame")).to_have_attribute("data-frame", str(frame))
    panel.get_by_role("link", name=re.compile(r"^#\d+$")).last.click()
    expect(panel.locator("article.frame")).to_have_attribute("data-frame", str(int(frame or 0) + 1))
    page.keyboard.press("Escape")
    expect(page.locator("#feed tr.chosen")).to_have_count(0)
    bad.locator("td.what").click()
    panel.get_by_role("link", name="Open in its session").click()
    page.wait_for_url(f"**/ocpp/sessions/1#f{frame}")
    expect(page.locator(".row.chosen")).to_have_id(f"f{frame}")
