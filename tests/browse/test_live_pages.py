"""Pages that grow while somebody looks at them: a session, the home page and the feed, in a real Chromium."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browse.charging import Recording
from tests.processes import Program

pytestmark = pytest.mark.system


def test_the_feed_is_filtered_where_it_stands(page: Page, address: str) -> None:
    """Charge point, severity and text narrow the feed without loading the page anew; the address can be shared."""
    page.goto(f"{address}/ocpp/-/live")
    rows = page.locator("#feed tr")
    page.evaluate("window.still = true")
    page.locator("#charge_point").fill("depot")
    expect(rows.first).to_contain_text("CP-DEPOT-07")
    expect(rows.filter(has_text="CP-DEPOT-07")).to_have_count(rows.count())
    page.keyboard.press("Tab")
    page.locator("#severity").select_option("warning")
    expect(rows).to_have_count(1)
    page.locator("#severity").select_option("")
    expect(rows).not_to_have_count(1)
    page.locator("#q").fill("nobody-asked")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile("q=nobody-asked"))
    assert page.evaluate("window.still")
    page.reload()
    expect(rows).to_have_count(1)
    page.locator("#q").fill("nothing like this")
    expect(page.locator("#feed")).to_contain_text("No frame of late matches")


def test_a_call_knows_of_an_answer_that_comes_later(page: Page, tmp_path: Path) -> None:
    """A live CALL is shown as waiting until its answer comes; then the two are linked."""
    recording = Recording(tmp_path / "live.db", start_ns=time.time_ns())
    link = recording.connect("CP-LIVE")
    link.say(True, '[2,"1","Heartbeat",{}]')
    recording.commit()
    with Program("browse", recording.path, "--listen", "0") as browse:
        page.goto(f"{browse.wait_for(r'browse at (\S+)')[1]}/ocpp/sessions/1")
        call = page.locator("#f1")
        expect(call.locator(".latency")).to_have_text("waiting")
        link.say(False, '[3,"1",{"currentTime":"2026-01-01T12:00:00Z"}]', after=0.25)
        recording.commit()
        expect(page.locator("#f2 .latency")).to_have_text("250 ms")
        expect(call.locator(".latency")).to_have_text("")
        page.keyboard.press("j")
        page.keyboard.press("p")
        expect(page.locator(".row.chosen")).to_have_id("f2")
        page.goto("about:blank")
    link.close()
    recording.finish()


POLLS = 4
"""How often a page may ask for news until it shows them. A page asks every second at least."""


def test_new_frames_and_sessions_appear_by_themselves(page: Page, tmp_path: Path) -> None:
    """While the recording grows, the session page and the home page grow with it, unless they are paused."""
    polls: list[str] = []
    page.on("request", lambda asked: polls.append(asked.url) if asked.resource_type == "fetch" else None)
    recording = Recording(tmp_path / "live.db", start_ns=time.time_ns())
    link = recording.connect("CP-LIVE")
    link.boot()
    recording.commit()
    with Program("browse", recording.path, "--listen", "0") as browse:
        home = browse.wait_for(r"browse at (\S+)")[1]
        page.goto(f"{home}/ocpp/sessions/1")
        expect(page.locator(".row[data-id]")).to_have_count(2)
        expect(page.locator("#state")).to_have_text("live")
        link.status("Available")
        recording.commit()
        polls.clear()
        expect(page.locator(".row[data-id]")).to_have_count(4)
        assert len(polls) <= POLLS
        page.get_by_role("button", name="Pause").click()
        link.status("Preparing")
        recording.commit()
        page.wait_for_timeout(1600)
        expect(page.locator(".row[data-id]")).to_have_count(4)
        page.get_by_role("button", name="Resume").click()
        expect(page.locator(".row[data-id]")).to_have_count(6)

        page.goto(home)
        recording.connect("CP-LATER").boot()
        recording.commit()
        polls.clear()
        expect(page.get_by_role("row", name="CP-LATER")).to_be_visible()
        assert len(polls) <= POLLS

        page.goto(f"{home}/ocpp/-/live")
        link.status("Charging")
        recording.commit()
        polls.clear()
        expect(page.locator("#feed tr").first).to_contain_text("StatusNotification")
        expect(page.locator("#feed")).to_contain_text("Charging")
        assert len(polls) <= POLLS
        page.goto("about:blank")
    link.close()
    recording.finish()


@pytest.mark.long
def test_a_fleet_is_watched_while_it_charges(page: Page, tmp_path: Path) -> None:
    """While twenty charge points of all versions charge through the real proxy, home, feed and a session page grow."""
    db = tmp_path / "fleet.db"
    with Program("csms", "--listen", "0") as csms:
        upstream = csms.wait_for(r"csms at (ws://\S+)")[1]
        with Program("proxy", "--upstream", upstream, "--listen", "0", "--db", db) as proxy:
            url = proxy.wait_for(r"listening on (ws://\S+)")[1]
            fleet = ("--count", 20, "--rate", 5, "--duration", 30, "--ocpp", "mixed", "--id", "FLEET")
            with (
                Program("browse", db, "--listen", "0") as browse,
                Program("charge-point", "--url", url, *fleet) as charge_points,
            ):
                home = browse.wait_for(r"browse at (\S+)")[1]
                page.goto(home)
                live = page.locator("#totals dd.live")
                expect(live).to_have_text("20", timeout=30_000)
                page.goto(f"{home}/ocpp/-/live")
                first = page.locator("#feed tr").first.inner_text()
                expect(page.locator("#feed tr").first).not_to_have_text(first)
                page.goto(f"{home}/ocpp/-/home?state=live")
                page.locator("#sessions tbody a.strong").first.click()
                rows = page.locator("#count")
                before = rows.inner_text()
                expect(rows).not_to_have_text(before)
                page.goto("about:blank")
                assert charge_points.finish(90) == 0
