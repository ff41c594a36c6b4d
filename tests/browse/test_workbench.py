"""The session as a workbench in a real Chromium: the chosen row is in the window, the page does not scroll."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browse import faulty
from tests.browse.charging import Recording
from tests.processes import Program

pytestmark = pytest.mark.system

DESKTOP = ((1440, 900), (1280, 720))
SIZES = (*DESKTOP, (768, 1024), (360, 740))

IN_WINDOW = """() => {
  const row = document.querySelector(".row.chosen");
  if (!row) return "no row is chosen";
  const box = row.getBoundingClientRect();
  const ladder = document.getElementById("ladder").getBoundingClientRect();
  const sheet = document.querySelector(".panel.sheet")?.getBoundingClientRect().top ?? innerHeight;
  const [top, bottom] = [Math.max(0, ladder.top), Math.min(innerHeight, sheet, ladder.bottom)];
  const seen = box.top >= top - 1 && box.bottom <= bottom + 1;
  return seen ? "" : `row at ${box.top}-${box.bottom}, seen is ${top}-${bottom}`;
}"""


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faulty.several(tmp_path_factory.mktemp("bench") / "several.db")


@pytest.fixture(scope="module")
def home(several: Path) -> object:
    with Program("browse", several, "--listen", "0") as browse:
        yield browse.wait_for(r"browse at (\S+)")[1]


def chosen(page: Page, frame: int | None = None) -> None:
    """Wait until a frame is chosen, laid out in the panel, and its row in the window."""
    if frame is not None:
        expect(page.locator(".row.chosen")).to_have_id(f"f{frame}")
        expect(page.locator("article.frame")).to_have_attribute("data-frame", str(frame))
    said = page.evaluate(IN_WINDOW)
    for _ in range(40):
        if not said:
            return
        page.wait_for_timeout(50)
        said = page.evaluate(IN_WINDOW)
    raise AssertionError(said)


def falls(page: Page, home: str) -> list[int]:
    plot = page.request.get(f"{home}/ocpp/sessions/1/plot.json").json()
    return sorted(each["frame_id"] for each in plot["findings"] if each["rule_id"] == "meter.register-falls")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_chosen_row_is_in_the_window(page: Page, home: str, width: int, height: int) -> None:
    """After a deep link, a key, or a click on a finding, a chip or the plot, on every screen size."""
    page.set_viewport_size({"width": width, "height": height})
    at = falls(page, home)
    for frame in (1, at[1], 62):
        page.goto(f"{home}/ocpp/sessions/1#f{frame}")
        page.reload()
        chosen(page, frame)
        expect(page.locator("#plot svg")).to_be_visible()
        chosen(page, frame)
    for key in "kkjjnNp":
        page.keyboard.press(key)
        chosen(page)
    page.goto(f"{home}/ocpp/sessions/1")
    page.locator("button.chip[data-rule='meter.register-falls']").click()
    for number, frame in enumerate(at, 1):
        chosen(page, frame)
        expect(page.locator("#chips output")).to_have_text(f"{number} of 4")
        if number < 4:
            page.get_by_role("button", name="Next occurrence").first.click()
    page.goto(f"{home}/ocpp/sessions/1")
    page.locator(f"path.p-finding[data-frame='{at[2]}']").click()
    chosen(page, at[2])
    page.goto(f"{home}/ocpp/sessions/1")
    page.get_by_role("link", name=re.compile("meter.register-falls")).click()
    chosen(page, at[0])


@pytest.mark.parametrize(("width", "height"), DESKTOP)
def test_the_page_does_not_scroll_on_a_desktop(page: Page, home: str, width: int, height: int) -> None:
    """Ladder and panel scroll by themselves; each shows at least five rows."""
    page.set_viewport_size({"width": width, "height": height})
    for path in ("/ocpp/sessions/1", "/ocpp/sessions/1#f40", "/ocpp/sessions/3", "/ocpp/sessions/2#f100"):
        page.goto(home + path)
        expect(page.locator(".row").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollHeight") <= height, path
        assert page.evaluate("document.body.scrollHeight") <= height, path
        room = page.locator("#ladder").bounding_box()
        assert room is not None
        assert room["height"] >= 5 * 28
        assert room["y"] + room["height"] <= height


def test_findings_beyond_the_loaded_frames_are_reached(page: Page, tmp_path: Path) -> None:
    """n and N lead to findings whose frames are not loaded yet; at the last finding the page says so."""
    path = faulty.long(tmp_path / "long.db")
    with Program("browse", path, "--listen", "0") as browse:
        page.goto(f"{browse.wait_for(r'browse at (\S+)')[1]}/ocpp/sessions/1")
        expect(page.locator(".row").first).to_be_visible()
        page.keyboard.press("n")
        expect(page.locator(".row.missing.chosen")).to_contain_text("boot.no-status")
        page.keyboard.press("n")
        chosen(page, 43)
        page.keyboard.press("n")
        chosen(page, 2923)
        page.keyboard.press("n")
        expect(page.locator("#count")).to_contain_text("No finding after")
        page.keyboard.press("N")
        chosen(page, 43)
        page.locator("button.chip[data-rule='payload.schema']").click()
        expect(page.locator("#count")).to_contain_text("2 of 3,002 frames match")
        page.goto("about:blank")


def test_each_occurrence_says_why_it_is_red_and_leads_to_the_next(page: Page, home: str) -> None:
    """The panel and the frame's page show its number among all occurrences, and links to its neighbours."""
    at = falls(page, home)
    page.goto(f"{home}/ocpp/sessions/1#f{at[2]}")
    panel = page.locator("article.frame .verdict").filter(has_text="meter.register-falls")
    expect(panel).to_contain_text("3 of 4")
    panel.get_by_role("link", name="Next occurrence").click()
    chosen(page, at[3])
    expect(panel).to_contain_text("4 of 4")
    expect(panel.get_by_role("link", name="Next occurrence")).to_have_count(0)
    page.goto(f"{home}/ocpp/frames/{at[3]}")
    page.get_by_role("link", name="Previous occurrence").click()
    page.wait_for_url(f"**/ocpp/frames/{at[2]}")


def test_a_drag_zooms_the_plot_and_moves_the_ladder(page: Page, home: str) -> None:
    """The ladder moves to the frames of the selected time; a double click or the button shows everything again."""
    page.goto(f"{home}/ocpp/sessions/1")
    plot = page.locator("#plot svg")
    expect(plot).to_be_visible()
    box = plot.bounding_box()
    assert box is not None
    whole = page.locator("path.p-line.k-power").get_attribute("d")
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 80, steps=4)
    page.mouse.up()
    expect(page.locator("#zoom-out")).to_be_visible()
    assert page.locator("path.p-line.k-power").get_attribute("d") != whole
    chosen(page)
    first = page.locator(".row.chosen")
    assert int(first.get_attribute("data-id") or "0") > 20
    page.locator("#zoom-out").click()
    expect(page.locator("#zoom-out")).to_be_hidden()
    assert page.locator("path.p-line.k-power").get_attribute("d") == whole


def test_a_live_session_follows_until_one_scrolls_up(page: Page, tmp_path: Path) -> None:
    """New frames appear at the end; after scrolling up, a button counts them and leads there."""
    recording = Recording(tmp_path / "live.db", start_ns=time.time_ns())
    link = recording.connect("CP-LIVE")
    link.boot()
    for _ in range(40):
        link.status("Available")
    recording.commit()
    with Program("browse", recording.path, "--listen", "0") as browse:
        page.goto(f"{browse.wait_for(r'browse at (\S+)')[1]}/ocpp/sessions/1")
        expect(page.locator("#f82")).to_be_in_viewport()
        link.status("Preparing")
        recording.commit()
        expect(page.locator("#f84")).to_be_in_viewport()
        page.locator("#ladder").evaluate("box => { box.scrollTop = 0 }")
        expect(page.locator("#f1")).to_be_in_viewport()
        link.status("Charging")
        link.status("Charging")
        recording.commit()
        button = page.get_by_role("button", name="↓ 4 new")
        expect(button).to_be_visible()
        expect(page.locator("#f1")).to_be_in_viewport()
        button.click()
        expect(page.locator("#f88")).to_be_in_viewport()
        expect(button).to_be_hidden()
        page.goto("about:blank")
    link.close()
    recording.finish()


def test_transactions_have_a_tab(page: Page, home: str) -> None:
    """All of them with energy, duration and reason, and with links to their frames."""
    page.goto(f"{home}/ocpp/sessions/2")
    page.get_by_role("tab", name="Transactions 4").click()
    rows = page.locator("#transactions .verdict")
    expect(rows).to_have_count(4)
    expect(rows.nth(0)).to_contain_text("501")
    expect(rows.nth(0)).to_contain_text("Local")
    rows.nth(2).get_by_role("link", name=re.compile("#")).first.click()
    chosen(page)
    expect(page.locator(".row.chosen")).to_contain_text("StartTransaction")


def test_times_can_be_local_everywhere(page: Page, home: str) -> None:
    """The switch changes ladder, plot and tables, and is remembered."""
    page.goto(f"{home}/ocpp/sessions/1#f1")
    chosen(page, 1)
    utc = page.locator("#f1 .time").inner_text()
    page.evaluate("""() => { const real = Date.prototype.getHours; Date.prototype.getHours = function () {
      return (real.call(this) + 5) % 24; }; }""")
    page.locator("#zone").click()
    expect(page.locator("#zone")).to_have_text("Local time")
    assert page.locator("#f1 .time").inner_text() != utc
    page.goto(f"{home}/")
    expect(page.locator("#zone")).to_have_text("Local time")
    page.locator("#zone").click()
    expect(page.locator("#zone")).to_have_text("UTC")
