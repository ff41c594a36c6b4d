"""The page's sizes, themes, languages, accessibility, and speed with a full log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.page_bench import watched
from tests.simulator.page_csms import PageCsms

pytestmark = pytest.mark.system

SIZES = {"phone": (360, 740), "wide": (1440, 900)}
PICTURES = Path(__file__).parents[2] / "docs" / "pictures"


def charging(browser: Browser, address: str, csms: PageCsms, size: str, theme: str, version: str = "2.0.1") -> Page:
    """Open a page with a size and a theme, and start charging on it."""
    width, height = SIZES.get(size, (320, 640))
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,  # type: ignore[arg-type]
        device_scale_factor=2 if size == "phone" else 1,
    )
    page = context.new_page()
    page.goto(f"{address}?url={csms.url}/CHARGER-001&version={version}&lang=en&sampleInterval=1&autostart=1")
    page.wait_for_selector("#state[data-state=open]")
    page.click("#plug")
    page.click("#tap")
    page.wait_for_selector("#status[data-status=Charging]")
    return page


def unfold(page: Page) -> None:
    """Open the connection's panel, which folds itself once the station is connected."""
    assert page.get_attribute("#connection-details", "open") is None
    expect(page.locator("#disconnect")).to_be_visible()
    page.click("#connection-details > summary")
    expect(page.locator("#connect")).to_be_visible()


@pytest.mark.parametrize("size", ["least", *SIZES])
def test_everything_fits_and_can_be_reached_in_both_languages(
    browser: Browser, saved_page: str, page_csms: PageCsms, size: str
) -> None:
    """No tab scrolls horizontally; every control is within the page's width and not covered."""
    page = charging(browser, saved_page, page_csms, size, "light")
    errors = watched(page)
    unfold(page)
    for language in ("en", "tr"):
        if language == "tr":
            page.click("#language")
        assert page.get_attribute("html", "lang") == language
        for tab in page.locator("[role=tab]").all():
            tab.click()
            if tab.get_attribute("id") == "tab-messages":
                page.select_option("#action", "TransactionEvent")
            width, needed = page.evaluate("[innerWidth, document.documentElement.scrollWidth]")
            assert needed <= width, (language, tab.inner_text())
            assert page.evaluate(UNREACHABLE) == [], language
    assert errors == []
    page.context.close()


UNREACHABLE = """() => [...document.querySelectorAll("button, input, select, textarea, summary")].filter((control) => {
  if (!control.checkVisibility() || control.closest(".offscreen")) return false;
  control.scrollIntoView({ block: "center", inline: "nearest" });
  const box = control.getBoundingClientRect();
  const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  const seen = hit && (control.contains(hit) || control.closest("label")?.contains(hit));
  return box.x < 0 || box.right > innerWidth + 0.5 || !seen;
}).map((control) => control.outerHTML)"""
"""The controls that cannot be scrolled into the window, or lie under something else."""


AXE = "(part) => axe.run(part, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] })"


@pytest.mark.parametrize(
    ("size", "theme"),
    # These two of the four combinations cover each size and each theme, in half the time.
    [
        *(("phone", "dark"), ("wide", "light")),
        *(pytest.param(*both, marks=pytest.mark.long) for both in (("phone", "light"), ("wide", "dark"))),
    ],
)
def test_axe_finds_nothing_serious(
    browser: Browser, saved_page: str, page_csms: PageCsms, npm_peers: Path, size: str, theme: str
) -> None:
    """axe-core checks WCAG 2 A and AA in every tab, with a running session and an open frame."""
    page = charging(browser, saved_page, page_csms, size, theme)
    page.locator(".entry").first.click()
    unfold(page)
    page.click("#station-settings summary")
    axe = (npm_peers / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    page.evaluate(axe)
    found: list[str] = []
    # The whole page once, then the content of each other tab.
    for tab in page.locator("[role=tab]").all():
        tab.click()
        if tab.get_attribute("id") == "tab-messages":
            page.select_option("#action", "NotifyReport")
            part = "body"
        else:
            part = f"#{tab.get_attribute('aria-controls')}"
        result: dict[str, Any] = page.evaluate(AXE, part)
        for violation in result["violations"]:
            if violation["impact"] in ("serious", "critical"):
                nodes = [node["html"] for node in violation["nodes"][:3]]
                found.append(f"{part}: {violation['id']}: {violation['help']} {nodes}")
    assert found == []
    page.context.close()


def test_both_languages_say_everything_in_their_own_words(page: Page, saved_page: str) -> None:
    """The language switch changes every word of the page, its lang attribute and its title."""
    page.goto(f"{saved_page}?lang=en")
    english = page.inner_text("main")
    assert page.get_attribute("html", "lang") == "en"
    page.click("#language")
    assert page.get_attribute("html", "lang") == "tr"
    turkish = page.inner_text("main")
    assert page.title() == "Şarj istasyonu simülatörü · ChargeSentinel"
    assert "Kart okut" in turkish and "Tap card" in english
    for word in ("Connection", "Scenarios", "Energy", "Plug in", "Messages", "Activity"):
        assert word in english and word not in turkish
    page.goto(saved_page)
    assert page.get_attribute("html", "lang") == "tr"


def test_the_theme_is_switched_and_kept(page: Page, saved_page: str) -> None:
    page.goto(f"{saved_page}?lang=en")
    ground = "getComputedStyle(document.body).backgroundColor"
    page.click("#theme")
    light = page.evaluate(ground)
    page.click("#theme")
    dark = page.evaluate(ground)
    assert light != dark
    page.goto(f"{saved_page}?lang=en")
    assert page.evaluate(ground) == dark


def test_the_keyboard_alone_charges_and_reads_the_log(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """Enter in the address connects; Tab and Space press the controls; arrows walk tabs and log rows."""
    page.goto(f"{saved_page}?lang=en&url={page_csms.url}/CP-1")
    page.focus("#url")
    page.keyboard.press("Enter")
    expect(page.locator("#state-text")).to_have_text("Connected")
    page.focus("#plug")
    page.keyboard.press("Space")
    expect(page.locator("#pause")).to_be_enabled()
    for _ in ("pause", "token", "tap"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("Charging")
    page.focus("#tab-messages")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#panel-raw")).to_be_visible()
    page.focus("#log-rows")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#detail-text")).to_be_visible()
    first = page.inner_text("#detail-text")
    page.keyboard.press("ArrowUp")
    assert page.inner_text("#detail-text") != first
    page.keyboard.press("Escape")
    expect(page.locator("#detail-text")).to_be_hidden()


FILL = """(count) => {
  const { meter } = station.connectors[0];
  const sampledValue = meter.sample(MEASURANDS, station.supply).map((each) => ({ ...each, value: String(each.value) }));
  const meterValue = [{ timestamp: new Date().toISOString(), sampledValue }];
  for (let n = 0; n < count; n += 1) {
    log.frame("cp-to-csms", callText(newMessageId(), "MeterValues", { connectorId: 1, meterValue }));
  }
}"""

TEN_MINUTES = """async () => {
  for (let second = 0; second < 600; second += 1) {
    station.clock.offset += 1000;
    station.tick();
    while (station.outbox.pending || station.outbox.queue.length) await pause(0.002);
  }
}"""
"""The station's own clock is put forward, second by second; nothing else is pretended."""

OBSERVE = """() => {
  window.delays = [];
  new PerformanceObserver((seen) => {
    for (const event of seen.getEntries()) if (event.name === "keydown") delays.push(event.duration);
  }).observe({ type: "event", durationThreshold: 16 });
}"""


def input_delays(page: Page) -> list[float]:
    """Return the milliseconds from key press to the next paint, sorted, from Chromium's Event Timing API.

    Chromium does not report keys below 16 ms; they count as 16.
    """
    keys = "heartbeat"
    page.evaluate(OBSERVE)
    page.focus("#log-filter")
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_timeout(60)
    for _ in keys:
        page.keyboard.press("Backspace")
        page.wait_for_timeout(60)
    page.wait_for_timeout(300)
    told: list[float] = page.evaluate("delays")
    return sorted(told + [16.0] * (2 * len(keys) - len(told)))


def test_a_full_log_keeps_the_page_quick_and_the_memory_flat(
    browser: Browser, saved_page: str, page_csms: PageCsms
) -> None:
    """With 10,000 entries while charging: typing takes less than 100 ms, few rows exist, old entries are dropped."""
    page = charging(browser, saved_page, page_csms, "wide", "light")
    session = page.context.new_cdp_session(page)

    def heap() -> float:
        session.send("HeapProfiler.collectGarbage")
        return float(session.send("Runtime.getHeapUsage")["usedSize"])

    page.evaluate(FILL, 10_000)
    assert page.evaluate("log.entries.length") == 10_000
    page.evaluate(FILL, 2_000)
    full = heap()
    for _ in range(5):
        page.evaluate(FILL, 4_000)
    assert page.evaluate("log.entries.length") == 10_000
    assert page.locator(".entry").count() < 60
    assert heap() < full * 1.1
    delays = input_delays(page)
    # The median, because other processes can delay single keys.
    assert delays[len(delays) // 2] < 100, delays
    page.fill("#log-filter", "heartbeat")
    assert page.evaluate("station.connectors[0].meter.power") > 0
    page.context.close()


@pytest.mark.long
@pytest.mark.alone
def test_ten_minutes_of_charging_with_a_full_log_stay_quick(
    browser: Browser, saved_page: str, page_csms: PageCsms
) -> None:
    """In ten minutes of the station's clock with many messages, memory stays flat and typing below 100 ms."""
    page = charging(browser, saved_page, page_csms, "wide", "light")
    session = page.context.new_cdp_session(page)
    page.evaluate(FILL, 12_000)
    heaps = []
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
        heaps.append(float(session.send("Runtime.getHeapUsage")["usedSize"]))
        if len(heaps) == 1:
            sent = page.evaluate("station.sent")
            page.evaluate(TEN_MINUTES)
    expect(page.locator("#duration")).to_contain_text("0:10:")
    assert page.evaluate("station.sent") - sent > 550
    assert page.evaluate("log.entries.length") == 10_000
    assert heaps[1] < heaps[0] * 1.1
    delays = input_delays(page)
    assert delays[len(delays) // 2] < 100, delays
    page.context.close()


@pytest.fixture
def pictures(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Return the folder for pictures: docs/pictures if CHARGESENTINEL_PICTURES=1, else a temporary one."""
    import os

    yield PICTURES if os.environ.get("CHARGESENTINEL_PICTURES") else tmp_path


@pytest.mark.long
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_pictures_for_the_docs(
    browser: Browser, saved_page: str, page_csms: PageCsms, pictures: Path, size: str, theme: str
) -> None:
    """The pictures show a session with a limit set half-way; CHARGESENTINEL_PICTURES=1 updates those of the docs."""
    page = charging(browser, saved_page, page_csms, size, theme)
    seconds = 40 if pictures == PICTURES else 1
    page.wait_for_timeout(seconds * 500)
    period = {"startPeriod": 0, "limit": 4200}
    schedule = {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [period]}
    profile = {
        "id": 5,
        "stackLevel": 1,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
    }
    answer = page_csms.ask("SetChargingProfile", {"evseId": 1, "chargingProfile": profile})
    assert answer[2]["status"] == "Accepted", json.dumps(answer)
    page.wait_for_timeout(seconds * 500)
    expect(page.locator("#gauge-note")).to_have_text("limit 4.20 kW")
    pictures.mkdir(parents=True, exist_ok=True)
    target = pictures / f"simulator-{size}-{theme}.png"
    page.screenshot(path=target)
    assert target.stat().st_size > 20_000
    page.context.close()
