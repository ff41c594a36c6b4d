"""The three pages are one product: one bar, one choice of theme, language and clock, and links between them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browse import charging
from tests.processes import Program

pytestmark = pytest.mark.system

SIZES = ((1440, 900), (1280, 720), (768, 1024), (360, 740))
LOOKS = [
    (theme, language, size) for theme, language in (("light", "en"), ("dark", "tr")) for size in (SIZES[0], SIZES[3])
]
MORE = [
    (theme, language, size)
    for theme in ("light", "dark")
    for language in ("en", "tr")
    for size in SIZES
    if (theme, language, size) not in LOOKS
]


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the addresses of the real commands: a recording, a CSMS and the simulator page."""
    recording = charging.example(tmp_path_factory.mktemp("product") / "traffic.db")
    with (
        Program("browse", recording, "--listen", "0") as browse,
        Program("csms", "--listen", "0", "--page", "0") as csms,
        Program("simulator", "--listen", "0") as simulator,
    ):
        yield {
            "recordings": browse.wait_for(r"browse at (http://\S+)")[1],
            "csms": csms.wait_for(r"operator page at (http://\S+)")[1],
            "simulator": simulator.wait_for(r"simulator at (http://\S+)")[1],
        }


def opened(context: BrowserContext, said: list[str]) -> Page:
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    return page


def test_a_choice_on_one_page_holds_on_all_of_them(addresses: dict[str, str], browser: Browser) -> None:
    """Theme, language and clock, chosen on three different pages with three different ports."""
    with browser.new_context(color_scheme="light", timezone_id="Europe/Istanbul") as context:
        said: list[str] = []
        page = opened(context, said)
        page.goto(addresses["recordings"])
        page.click("#theme")
        page.click("#theme")
        page.goto(addresses["csms"])
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.click("#language")
        page.goto(addresses["simulator"])
        expect(page.locator("html")).to_have_attribute("lang", "tr")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.click("#zone")
        page.goto(addresses["recordings"])
        expect(page.locator("html")).to_have_attribute("lang", "tr")
        expect(page.locator("#zone")).to_have_text("Yerel saat")
        # The example begins at 10:00 UTC.
        expect(page.locator("table.sessions")).to_contain_text("13:00:00")
        assert said == []


def test_pages_that_the_address_names_are_linked_from_each_other(addresses: dict[str, str], browser: Browser) -> None:
    """Once named, a click leads from each page to the two others; no server refuses the visit."""
    ports = {name: re.sub(r"\D+", "", address.rpartition(":")[2]) for name, address in addresses.items()}
    named = f"?csms={ports['csms']}&simulator={ports['simulator']}&recordings={ports['recordings']}"
    with browser.new_context(locale="en") as context:
        said: list[str] = []
        page = opened(context, said)
        page.goto(f"{addresses['recordings']}/{named}")
        for link, selector in (("Simulator", "#station"), ("CSMS", "#side"), ("Recordings", "table.sessions")):
            page.locator("#apps").get_by_role("link", name=link).click()
            expect(page.locator(selector)).to_be_visible()
            expect(page.locator("#apps a")).to_have_count(2)
        assert said == []


LOOK_OF_BAR = """() => {
  const box = (what) => {
    const { x, y, width, height } = document.querySelector(what).getBoundingClientRect();
    return [x, y, width, height];
  };
  const bar = document.querySelector(".bar");
  const icon = bar.querySelector(".brand svg path").getAttribute("d");
  return [box(".bar"), box("#language"), box(".bar .brand svg"), icon, getComputedStyle(bar).backgroundColor];
}"""


def test_every_page_has_the_same_bar(addresses: dict[str, str], browser: Browser) -> None:
    """Its height, its ground, its icon, and the place of its switches are equal."""
    bars = {}
    with browser.new_context(viewport={"width": 1440, "height": 900}, locale="en") as context:
        page = context.new_page()
        for name, address in addresses.items():
            page.goto(address)
            expect(page.locator("#language")).to_be_visible()
            bars[name] = page.evaluate(LOOK_OF_BAR)
    assert bars["csms"] == bars["simulator"] == bars["recordings"]


@pytest.mark.parametrize(
    ("theme", "language", "size"), [*LOOKS, *(pytest.param(*each, marks=pytest.mark.long) for each in MORE)]
)
def test_nothing_serious_for_axe_csp_console_or_the_width(
    addresses: dict[str, str], browser: Browser, theme: str, language: str, size: tuple[int, int]
) -> None:
    """The first page of each part, in a size, a theme and a language."""
    said: list[str] = []
    with browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=theme,  # type: ignore[arg-type]
        locale=language,
        reduced_motion="reduce",
    ) as context:
        page = opened(context, said)
        for address in addresses.values():
            page.goto(address)
            expect(page.locator("html")).to_have_attribute("lang", language)
            expect(page.locator("#language")).to_be_visible()
            said += [
                f"{address}: {each['id']}: {each['nodes'][0]['html'][:160]}"
                for each in Axe().run(page).response["violations"]
                if each["impact"] in ("serious", "critical")
            ]
            if (wide := page.evaluate("document.documentElement.scrollWidth")) > size[0]:
                said.append(f"{address}: {wide} pixels wide")
    assert said == []
