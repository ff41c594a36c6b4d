"""Every page of ours on every screen, in both themes and both languages: nothing sticks out, nothing complains."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browse import faulty
from tests.browse.conftest import failed
from tests.browse.test_workbench import IN_WINDOW, SIZES
from tests.processes import Program

pytestmark = [pytest.mark.system, pytest.mark.long]

PAGES = (
    *("/-/home", "/sessions/1", "/sessions/1#f40", "/sessions/2#m{silent}.1", "/frames/20", "/missing/{silent}/1"),
    *("/-/live", "/-/dashboards", "/-/dashboards?from=2026-07-02T10:00:00Z&until=2026-07-02T10:30:00Z"),
    *("/-/compare", "/-/compare?a=1", "/-/compare?a=1&b=2", "/charge_points/VEST-052", "/transactions/1"),
    *("/rules", "/rules/meter.register-falls", "/rules/heartbeat.gap", "/-/search?q=71635", "/sessions/99"),
)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faulty.several(tmp_path_factory.mktemp("screens") / "several.db")


@pytest.fixture(scope="module")
def home(several: Path) -> Iterator[str]:
    with Program("browse", several, "--listen", "0") as browse:
        yield browse.wait_for(r"browse at (\S+)")[1]


@pytest.mark.parametrize("language", ["en", "tr"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_page_fits_and_complains_of_nothing(
    browser: Browser, home: str, width: int, height: int, theme: str, language: str
) -> None:
    """No page is wider than its screen, breaks the CSP, logs an error or has a serious fault of accessibility."""
    scheme = "dark" if theme == "dark" else "light"
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    context.add_cookies([{"name": "chargesentinel_language", "value": language, "url": home}])
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", lambda got: complaints.append(f"{got.status} {got.url}") if failed(got) else None)
    page.add_init_script(
        "addEventListener('securitypolicyviolation', (v) => console.error('CSP', v.violatedDirective, v.blockedURI))"
    )
    findings = page.request.get(f"{home}/ocpp/sessions/2.json").json()["findings"]
    silent = next(each["id"] for each in findings if each["frame_id"] is None)
    faults = []
    for path in PAGES:
        page.goto("about:blank")
        page.goto(f"{home}/ocpp{path.format(silent=silent)}")
        expect(page.locator("html")).to_have_attribute("lang", language)
        if path.startswith("/sessions/") and "99" not in path:
            expect(page.locator(".row").first).to_be_visible()
            expect(page.locator("#plot svg")).to_be_visible()
            if width > 900:
                assert page.evaluate("document.documentElement.scrollHeight") <= height, (path, language)
            if "#" in path:
                expect(page.locator("article.frame")).to_be_visible()
                wait_in_window(page, path)
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            faults.append(f"{path}: {wide} px wide")
        for each in Axe().run(page).response["violations"]:
            if each["impact"] in ("serious", "critical"):
                faults.append(f"{path}: {each['id']}: {each['nodes'][0]['html'][:160]}")
    context.close()
    assert faults == []
    assert [each for each in complaints if not each.startswith("Failed to load resource")] == []


def wait_in_window(page: Page, path: str) -> None:
    """Wait until the chosen row is in the window."""
    for _ in range(40):
        if not (said := page.evaluate(IN_WINDOW)):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{path}: {said}")


@pytest.mark.parametrize("language", ["en", "tr"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_links_and_keys_leave_their_row_in_the_window(
    browser: Browser, home: str, width: int, height: int, theme: str, language: str
) -> None:
    """Deep links to frames and to missing frames, and each key, on every screen, in every theme and language."""
    scheme = "dark" if theme == "dark" else "light"
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    context.add_cookies([{"name": "chargesentinel_language", "value": language, "url": home}])
    page = context.new_page()
    for session in (1, 2):
        findings = page.request.get(f"{home}/ocpp/sessions/{session}/plot.json").json()["findings"]
        for each in findings:
            name = f"f{each['frame_id']}" if each["frame_id"] else f"m{each['finding_id']}.{each['number']}"
            page.goto("about:blank")
            page.goto(f"{home}/ocpp/sessions/{session}#{name}")
            expect(page.locator(".row.chosen")).to_have_id(name)
            expect(page.locator("article.frame")).to_be_visible()
            wait_in_window(page, name)
        page.goto(f"{home}/ocpp/sessions/{session}")
        expect(page.locator(".row").first).to_be_visible()
        for key in ("j", "j", "k", "ArrowDown", "ArrowUp", "n", "n", "n", "N", "p", "End", "k", "Home", "j"):
            page.keyboard.press(key)
            if key in ("End", "Home"):
                ends = page.locator(".row[data-id]")
                expect(ends.last if key == "End" else ends.first).to_have_class(re.compile("chosen"))
            wait_in_window(page, key)
    context.close()
