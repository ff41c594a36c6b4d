"""The pages in a real Chromium: ways from the home page to the faulty frame, by mouse, keyboard and link."""

from __future__ import annotations

import re
import sqlite3
import statistics
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browse import charging
from tests.browse.charging import HOSTILE, Recording
from tests.processes import Program

pytestmark = pytest.mark.system


def test_three_clicks_from_home_to_the_faulty_frame(page: Page, address: str) -> None:
    """A click each on a session, its findings and one finding: the frame opens with the faulty place marked."""
    page.goto(address)
    page.get_by_role("row", name="CP-DEPOT-07").get_by_role("link", name=re.compile(r"\d+ error")).click()
    expect(page.locator("article.frame mark").first).to_contain_text(HOSTILE)
    page.get_by_role("tab", name="Findings").click()
    page.get_by_role("link", name=re.compile("meterStart is 12.5")).click()
    frame = page.locator("article.frame")
    expect(frame.get_by_role("heading", name="StartTransaction")).to_be_visible()
    expect(frame.locator("mark.cs-error").first).to_have_text('"1"')
    expect(frame.locator("mark.cs-error").filter(has_text="12.5")).to_have_count(1)
    expect(frame.get_by_text("What to do").first).to_be_visible()
    expect(frame.get_by_text("FormationViolation")).to_be_visible()
    expect(page.locator(".row.chosen")).to_contain_text("StartTransaction")
    assert page.url.endswith("#f215")


def test_a_link_to_a_frame_opens_it(page: Page, address: str) -> None:
    """#f123 in the address selects and shows the frame, even one far down in the session."""
    page.goto(f"{address}/ocpp/sessions/1#f180")
    expect(page.locator(".row.chosen")).to_have_id("f180")
    expect(page.locator(".row.chosen")).to_be_visible()
    expect(page.locator("article.frame")).to_have_attribute("data-frame", "180")


def test_the_keyboard_is_enough(page: Page, address: str) -> None:
    """j and k move, n goes to the next finding, p to the pair, f filters, Enter opens the frame's page."""
    page.goto(f"{address}/ocpp/sessions/2")
    chosen = page.locator(".row.chosen")
    expect(page.locator(".row").first).to_be_visible()
    page.keyboard.press("j")
    expect(chosen).to_have_id("f205")
    page.keyboard.press("j")
    expect(chosen).to_have_id("f206")
    page.keyboard.press("k")
    expect(chosen).to_have_id("f205")
    for _ in range(9):
        page.keyboard.press("n")
        expect(chosen).to_have_class(re.compile("s-(error|warning|info)"))
        if "f215" in str(chosen.get_attribute("id")):
            break
    page.keyboard.press("p")
    expect(chosen).to_have_id("f216")
    page.keyboard.press("f")
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.type("nobody-asked")
    expect(page.locator(".row[data-id]")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(chosen).to_have_id("f217")
    page.keyboard.press("Enter")
    page.wait_for_url("**/ocpp/frames/217")
    expect(page.get_by_role("link", name="rpc.orphan-answer")).to_be_visible()
    page.keyboard.press("j")
    page.wait_for_url("**/ocpp/frames/218")


def test_filters_narrow_the_ladder_and_stay_in_the_address(page: Page, address: str) -> None:
    """Action, direction and severity filter; a reload or a shared link shows the same."""
    page.goto(f"{address}/ocpp/sessions/1")
    rows = page.locator(".row[data-id]")
    page.locator("#action-summary").click()
    page.get_by_role("checkbox", name=re.compile("StatusNotification")).check()
    expect(page.locator("#count")).to_have_text("14 of 204 frames match")
    page.locator("#direction").select_option("cp-to-csms")
    expect(rows).to_have_count(7)
    assert "action=StatusNotification" in page.url
    page.reload()
    expect(rows).to_have_count(7)
    expect(page.locator("#action-summary")).to_have_text("StatusNotification")
    page.goto(f"{address}/ocpp/sessions/2?severity=error")
    expect(rows.first).to_be_visible()
    assert rows.evaluate_all("rows => rows.every((row) => row.classList.contains('s-error'))")
    assert 5 <= rows.count() < 18


def test_more_frames_load_while_scrolling(page: Page, tmp_path: Path) -> None:
    """A long session loads page by page, only the visible rows are in the document, and the end can be reached."""
    recording = Recording(tmp_path / "long.db")
    charging.charge_well(recording, samples=1500)
    path = recording.finish()
    with Program("browse", path, "--listen", "0") as browse:
        page.goto(f"{browse.wait_for(r'browse at (\S+)')[1]}/ocpp/sessions/1")
        expect(page.locator("#count")).to_have_text("3,024 frames")
        ladder = page.locator("#ladder")
        for _ in range(40):
            ladder.evaluate("box => { box.scrollTop = box.scrollHeight }")
            if page.locator("#f3024").count():
                break
            page.wait_for_timeout(50)
        expect(page.locator("#f3024")).to_be_visible()
        assert page.locator(".row").count() < 120
        ladder.evaluate("box => { box.scrollTop = 0 }")
        expect(page.locator("#f1")).to_be_visible()
        page.goto(page.url.partition("#")[0] + "#f2000")
        page.reload()
        expect(page.locator(".row.chosen")).to_have_id("f2000")
        for _ in range(40):
            ladder.evaluate("box => { box.scrollTop = 0 }")
            if page.locator("#f1").count():
                break
            page.wait_for_timeout(50)
        expect(page.locator("#f1")).to_be_visible()


def test_the_plot_shows_charging_and_leads_to_frames(page: Page, address: str) -> None:
    """Power, current, energy, state of charge and the limit are drawn; a click selects the frame of that moment."""
    page.goto(f"{address}/ocpp/sessions/1")
    plot = page.locator("#plot svg")
    expect(plot).to_be_visible()
    for kind in ("power", "current", "energy", "soc"):
        expect(plot.locator(f"path.p-line.k-{kind}")).to_have_count(1)
    expect(plot.locator("path.p-limit")).to_have_count(1)
    expect(plot.locator("text").filter(has_text="transaction 1017")).to_be_visible()
    box = plot.bounding_box()
    assert box is not None
    plot.hover(position={"x": box["width"] * 0.55, "y": box["height"] / 2})
    expect(page.locator("#legend")).to_contain_text(re.compile(r"Power 5\.\d+ kW.*limit 6\.00 kW"))
    plot.click(position={"x": box["width"] * 0.55, "y": box["height"] / 2})
    expect(page.locator("article.frame h2")).to_contain_text("MeterValues")


def test_hostile_text_is_only_text(page: Page, address: str) -> None:
    """A vendor name that is a script element appears as text on every page, and nothing runs."""
    page.on("dialog", lambda dialog: pytest.fail(f"a script from the wire ran: {dialog.message}"))
    for path in (
        *("/", "/ocpp/charge_points/CP-DEPOT-07", "/ocpp/-/dashboards", "/ocpp/-/live?severity=error"),
        *(
            "/ocpp/frames/205",
            "/ocpp/sessions/2#f205",
            "/ocpp/frames?session_id=2",
            "/ocpp/charge_points",
            "/ocpp/findings",
        ),
    ):
        page.goto(f"{address}{path}")
        expect(page.locator("body")).to_contain_text(HOSTILE)


def test_a_frame_of_a_megabyte_does_no_harm(page: Page, tmp_path: Path) -> None:
    """The page cuts it at a readable length; the JSON has all of it."""
    recording = Recording(tmp_path / "large.db")
    link = recording.connect("CP-BIG")
    link.boot()
    link.call("DataTransfer", {"vendorId": "big", "data": "<b>x</b>" * 131_072}, {"status": "Accepted"})
    link.close()
    path = recording.finish()
    with Program("browse", path, "--listen", "0") as browse:
        home = browse.wait_for(r"browse at (\S+)")[1]
        page.goto(f"{home}/ocpp/sessions/1#f3")
        expect(page.locator("article.frame")).to_contain_text("characters in all")
        page.goto(f"{home}/ocpp/frames/3")
        expect(page.locator("article.frame")).to_contain_text("1.05 MB")
        assert len(page.content()) < 400_000
        page.goto(f"{home}/ocpp/frames")
        expect(page.locator("h1")).to_have_text("Frames")
        whole = page.request.get(f"{home}/ocpp/frames/3.json").json()
        assert whole["frame"]["size"] == len(whole["frame"]["raw"]) > 1_048_576


def test_every_page_of_datasette_keeps_the_policy(page: Page, address: str) -> None:
    """Datasette's own tables, rows, facets, SQL editor and errors work under the CSP and show our top bar."""
    for path in (
        *("/ocpp", "/ocpp/frames?_facet=direction", "/ocpp/recordings/1", "/ocpp/latency-by-action", "/nothing"),
        *("/ocpp?sql=nonsense", "/-/versions", "/-/plugins", "/-/settings", "/-/databases", "/-/threads"),
        *("/-/actor", "/-/permissions", "/-/patterns", "/ocpp/-/home", "/ocpp?sql=select+1"),
    ):
        page.goto(f"{address}{path}")
        if "/-/" not in path:
            expect(page.get_by_role("link", name="ChargeSentinel")).to_be_visible()
    expect(page.locator(".CodeMirror")).to_be_visible()


def test_a_query_reads_as_a_chart(page: Page, address: str) -> None:
    """The numbers of a canned query have bars behind them; the bar of the largest number fills its cell."""
    page.goto(f"{address}/ocpp/latency-by-action")
    bars = page.locator("td.col-p95_us.cs-bar")
    expect(bars.first).to_be_visible()
    shares = bars.evaluate_all("cells => cells.map((cell) => parseFloat(cell.style.getPropertyValue('--share')))")
    assert max(shares) == 100
    assert min(shares) < 30


def test_the_pointer_finds_the_readers_own_time(page: Page, address: str) -> None:
    """Every kind of page shows UTC; the tooltip shows the local time with its zone."""
    for path in ("/", "/ocpp/sessions/2#f215", "/ocpp/frames", "/ocpp/findings", "/ocpp/-/live"):
        page.goto(f"{address}{path}")
        shown = page.locator("main time:visible, section.content time:visible").first
        shown.hover()
        expect(shown).to_have_attribute("title", re.compile(r"2026.*[A-Z]{3}.*\n2026-07-02T"))


def test_the_dashboards_are_charts(page: Page, address: str) -> None:
    """Charts show findings by rule, charge point, model and make, and latency, connections, boots and energy."""
    page.goto(f"{address}/ocpp/-/dashboards")
    for board, drawn in (
        *(("Findings by rule", ".hbar.cs-error"), ("Findings by charge point", ".stack .cs-error")),
        *(("Findings by model and firmware", ".stack .cs-warning"), ("Which make breaks which rule", "td.heat[style]")),
        *(("Latency by action", "svg.range rect"), ("Connections and boots over time", "figure svg rect")),
        *(("Reconnects and boots by charge point", ".hbar"), ("Energy by transaction", ".hbar")),
    ):
        card = page.locator("section.card", has=page.get_by_role("heading", name=board))
        box = card.locator(drawn).first.bounding_box()
        assert box is not None, board
        assert min(box["width"], box["height"]) > 0, board


def test_a_frame_and_a_command_are_copied(page: Page, address: str) -> None:
    """The clipboard holds the frame exactly as it was sent, or the whole command."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{address}/ocpp/sessions/2#f215")
    frame = page.locator("article.frame")
    frame.get_by_role("button", name="Copy").first.click()
    expect(frame.get_by_role("button", name="Copied")).to_be_visible()
    raw = page.request.get(f"{address}/ocpp/frames/215.json").json()["frame"]["raw"]
    assert page.evaluate("navigator.clipboard.readText()") == raw
    frame.get_by_text("Its bytes").click()
    expect(frame.locator("pre.bytes")).to_contain_text("000000  5b 32 2c 22")
    page.get_by_text("Replay, check, export").click()
    page.locator("#lines").get_by_role("button", name="Copy").first.click()
    expect(page.locator("#lines").get_by_role("button", name="Copied")).to_be_visible()
    line = page.request.get(f"{address}/ocpp/sessions/2.json").json()["lines"]["replay"]
    assert page.evaluate("navigator.clipboard.readText()") == line


def test_a_plain_datasette_shows_a_recording_beside_other_files(page: Page, recording: Path, tmp_path: Path) -> None:
    """Under a URL prefix too, the recording has our pages and other files have Datasette's, without CSP violations."""
    import sys

    cats = tmp_path / "cats.db"
    with sqlite3.connect(cats) as connection:
        connection.execute("CREATE TABLE cats (id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("INSERT INTO cats VALUES (1, 'Pancakes')")
    connection.close()
    datasette = Path(sys.executable).with_name("datasette")
    argv = [datasette, recording, cats, "-p", "0", "--setting", "base_url", "/under/"]
    with Program(argv=argv) as plain:
        home = plain.wait_for(r"running on (http://127\.0\.0\.1:\d+)")[1] + "/under"
        page.goto(f"{home}/")
        expect(page.get_by_role("link", name="cats", exact=True).first).to_be_visible()
        page.goto(f"{home}/cats/cats")
        expect(page.locator("body")).to_contain_text("Pancakes")
        expect(page.get_by_role("link", name="ChargeSentinel")).to_have_count(0)
        page.goto(f"{home}/traffic/-/home")
        page.get_by_role("row", name="CP-DEPOT-07").get_by_role("link", name=re.compile(r"\d+ error")).click()
        expect(page.locator("article.frame mark").first).to_contain_text(HOSTILE)
        page.get_by_role("link", name="Tables").click()
        expect(page.get_by_role("heading", name="Tables and queries")).to_be_visible()
        page.goto("about:blank")


STEP = """async () => {
  const box = document.getElementById("ladder");
  const took = [];
  for (let step = 0; step < 60; step++) {
    const begun = performance.now();
    box.scrollTop = (step * 79 * 28 * (box.scrollHeight > 1e6 ? 100 : 1)) % (box.scrollHeight - box.clientHeight);
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    took.push(performance.now() - begun);
  }
  return took.sort((a, b) => a - b)[30];
}"""
"""Jump about in the ladder; the median time of a jump until it is drawn, in ms."""


FIRST_ROW = """() => { const seen = new MutationObserver(() => {
  if (!document.querySelector(".row")) return;
  window.firstRow = performance.now();
  seen.disconnect();
}); seen.observe(document, { childList: true, subtree: true }); }"""
"""Note when the first row of the ladder is in the document, in ms since the navigation began."""

KEY = """(key) => new Promise((done) => {
  const begun = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)));
})"""
"""Press a key; how long until the next picture is drawn, in ms."""


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_a_hundred_thousand_frames_scroll(page: Page, tmp_path: Path) -> None:
    """One key leads to either end; a step of scrolling takes as long with all frames loaded as with the first page."""
    recording = Recording(tmp_path / "huge.db")
    charging.charge_well(recording, samples=50_000)
    path = recording.finish()
    page.set_default_timeout(60_000)
    page.add_init_script(f"({FIRST_ROW})()")
    with Program("browse", path, "--listen", "0") as browse:
        first = []
        for _ in range(5):
            page.goto(f"{browse.wait_for(r'browse at (\S+)')[1]}/ocpp/sessions/1")
            expect(page.locator("#count")).to_have_text("100,024 frames", timeout=30_000)
            first.append(page.evaluate("window.firstRow"))
        # Where something else keeps the machine busy, the smallest page takes its time too.
        page.goto(f"{browse.wait_for(r'browse at (\S+)')[1]}/ocpp/sessions/99")
        page.wait_for_load_state()
        smallest = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        assert statistics.median(first) < max(300, 4 * smallest), (first, smallest)
        page.go_back()
        expect(page.locator(".row").first).to_be_visible()
        expect(page.locator("#plot svg")).to_be_visible()
        pressed = [page.evaluate(KEY, key) for key in "jjjjkkjjjj"]
        assert statistics.median(pressed) < 100, pressed
        few = page.evaluate(STEP)
        page.locator("#ladder").focus()
        page.keyboard.press("End")
        expect(page.locator("#f100024")).to_be_visible()
        page.keyboard.press("Home")
        expect(page.locator("#f1")).to_be_visible()
        page.evaluate(
            """async () => {
              const box = document.getElementById("ladder");
              while (!document.getElementById("f100024")) {
                box.scrollTop = box.scrollHeight;
                await new Promise((done) => setTimeout(done, 5));
              }
            }"""
        )
        expect(page.locator("#f100024")).to_be_visible()
        assert page.locator(".row").count() < 120
        all_of_them = page.evaluate(STEP)
        print(f"a step of scrolling takes {all_of_them:.0f} ms; with the first frames alone {few:.0f} ms")
        assert all_of_them < 3 * few + 20
        page.goto("about:blank")
