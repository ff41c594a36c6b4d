"""A frame that never came has a place on every page: in the ladder, the plot, the chips, the rule and an address."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browse.charging import Recording
from tests.browse.conftest import Get, client
from tests.browse.test_workbench import chosen
from tests.processes import Program


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A charge point that leaves out heartbeats three times."""
    recording = Recording(tmp_path_factory.mktemp("silent") / "silent.db")
    link = recording.connect("CP-SILENT")
    link.boot()
    link.status("Available", 0)
    link.status("Available")
    for pause in (300, 1500, 300, 2000, 1200, 300):
        recording.wait(pause)
        link.call("Heartbeat", {}, {"currentTime": link.clock})
    link.close()
    return recording.finish()


@pytest.fixture(scope="module")
def ask(silent: Path) -> Get:
    return client(silent)


def times(path: Path) -> list[int]:
    with sqlite3.connect(path) as db:
        found = [ns for (ns,) in db.execute("SELECT ts_ns FROM absences ORDER BY 1")]
    db.close()
    return found


async def test_each_time_is_between_its_frames_once(silent: Path, ask: Get) -> None:
    """Over all pages of frames, whatever their size, and by what is filtered for."""
    whole = (await ask("/ocpp/sessions/1/frames.json?limit=1000")).json()
    expected = [each["id"] for each in whole["missing"]]
    assert expected == ["m1.1", "m1.2", "m1.3"]
    at = {each["id"]: each["ts"] for each in whole["frames"]}
    for each in whole["missing"]:
        following = min((ts for ts in at.values() if ts > each["ts"]), default=None)
        assert at[each["after_frame_id"]] <= each["ts"]
        assert following is None or each["after_frame_id"] == max(i for i, ts in at.items() if ts < following)
    for limit in (1, 4, 7):
        found, after = [], 0
        while True:
            page = (await ask(f"/ocpp/sessions/1/frames.json?limit={limit}&after={after}")).json()
            found += [each["id"] for each in page["missing"]]
            if not page["more_after"]:
                break
            after = page["frames"][-1]["id"]
        assert found == expected
    only = (await ask("/ocpp/sessions/1/frames.json?rule=heartbeat.gap")).json()
    assert (only["frames"], [each["id"] for each in only["missing"]]) == ([], expected)
    for query in ("rule=rpc.no-answer", "severity=error", "q=Heartbeat", "action=Heartbeat", "direction=csms-to-cp"):
        assert (await ask(f"/ocpp/sessions/1/frames.json?{query}")).json()["missing"] == [], query


async def test_each_has_a_mark_an_address_and_a_link_of_the_rule(silent: Path, ask: Get) -> None:
    """As many marks, addresses and links as the finding counts, at the times that are stored."""
    plot = (await ask("/ocpp/sessions/1/plot.json")).json()
    assert [each["ms"] for each in plot["findings"]] == [ns / 1e6 for ns in times(silent)]
    assert [each["number"] for each in plot["findings"]] == [1, 2, 3]
    (finding,) = (await ask("/ocpp/sessions/1.json")).json()["findings"]
    assert finding["count"] == 3
    for number in (1, 2, 3):
        one = (await ask(f"/ocpp/missing/1/{number}.json")).json()
        assert one["finding"]["occurrence"]["number"] == number
        assert one["before"] < one["after"]
    assert (await ask("/ocpp/missing/1/4")).status_code == 404
    assert (await ask("/ocpp/missing/99/1")).status_code == 404
    rule = (await ask("/ocpp/rules/heartbeat.gap")).text
    for number in (1, 2, 3):
        assert f'href="/ocpp/sessions/1#m1.{number}"' in rule


@pytest.mark.system
def test_keys_chips_links_and_the_plot_lead_to_missing_frames(page: Page, silent: Path) -> None:
    """Each of them chooses the row, brings it into the window, and shows which of how many it is."""
    with Program("browse", silent, "--listen", "0") as browse:
        home = browse.wait_for(r"browse at (\S+)")[1]
        row = page.locator(".row.chosen")
        panel = page.locator("article.frame")
        for width, height in ((1280, 720), (360, 740)):
            page.set_viewport_size({"width": width, "height": height})
            page.goto(f"{home}/ocpp/sessions/1#m1.2")
            page.reload()
            expect(row).to_have_attribute("data-id", "m1.2")
            expect(panel).to_contain_text("2 of 3")
            chosen(page)
            panel.get_by_role("link", name="Next occurrence").click()
            expect(row).to_have_attribute("data-id", "m1.3")
            chosen(page)
            page.goto(f"{home}/ocpp/sessions/1")
            expect(page.locator(".row").first).to_be_visible()
            for number in (1, 2, 3):
                page.keyboard.press("n")
                expect(row).to_have_attribute("data-id", f"m1.{number}")
                chosen(page)
            page.locator("button.chip[data-rule='heartbeat.gap']").click()
            expect(page.locator(".row[data-id]")).to_have_count(3)
            expect(page.locator("#chips output")).to_have_text("1 of 3")
            page.goto(f"{home}/ocpp/sessions/1")
            page.locator("path.p-silent").nth(1).click()
            expect(row).to_have_attribute("data-id", "m1.2")
            chosen(page)
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")
        page.wait_for_url("**/ocpp/missing/1/2")
        page.get_by_role("link", name="In its session").click()
        expect(row).to_have_attribute("data-id", "m1.2")
        page.goto("about:blank")
