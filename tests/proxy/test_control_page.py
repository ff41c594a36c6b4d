"""The page of the control port in a real browser: hold, edit, send, and how it looks."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, async_playwright, expect

from inspector.proxy.control.api import PAGE
from tests.proxy.control_bench import BOOT, REMOTE_START, ControlBench, control_bench
from tests.waiting import until

TEXT_OF_PAGE = re.compile(r"data-t>([^<]+)<|(?:placeholder|aria-label)=\"([^\"]+)\"[^>]* data-t-")
TEXT_OF_SCRIPT = re.compile(r"\b(?:t|button)\(\s*\"((?:[^\"\\]|\\.)+)\"|\{ name: \"(\w[\w ]*)\"")
UNTRANSLATED = {"Form", "OCPP"}


def test_every_text_has_a_turkish_translation() -> None:
    table = (PAGE / "turkish.js").read_text(encoding="utf-8")
    known = {quoted or bare for quoted, bare in re.findall(r'^  (?:"((?:[^"\\]|\\.)+)"|(\w+)):', table, re.MULTILINE)}
    texts = {one or other for one, other in TEXT_OF_PAGE.findall((PAGE / "index.html").read_text(encoding="utf-8"))}
    for script in [*PAGE.glob("*.js"), PAGE / "shared" / "form.js"]:
        texts |= {one or other for one, other in TEXT_OF_SCRIPT.findall(script.read_text(encoding="utf-8"))}
    assert len(texts) > 60 and texts - known == set()


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[ControlBench]:
    async with control_bench(tmp_path) as bench:
        yield bench


@asynccontextmanager
async def opened(bench: ControlBench, chromium: Path, theme: Any = "light") -> AsyncIterator[Page]:
    """Open the page at the printed address; no script of it may fail."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(chromium))
        page = await browser.new_page(color_scheme=theme, reduced_motion="reduce")
        page.set_default_timeout(15_000)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(bench.page)
        await expect(page).not_to_have_url(re.compile("token"))
        yield page
        assert faults == []
        await browser.close()


async def hold_the_next_start(page: Page) -> None:
    """Add the rule as a user does who has never seen the page."""
    await page.get_by_text("Add a rule").click()
    form = page.locator("#add")
    await form.get_by_label("Name").fill("hold-start")
    await form.get_by_label("From").select_option("csms")
    await form.get_by_label("Action").fill("RemoteStartTransaction")
    await form.get_by_label("Times").fill("1")
    await form.get_by_role("button", name="Add", exact=True).click()
    await expect(page.locator("#rules")).to_contain_text("hold-start")


@pytest.mark.system
async def test_the_next_remote_start_is_held_edited_and_released_on_the_page(
    bench: ControlBench, chromium: Path
) -> None:
    async with bench.charge_point() as (charge_point, heard), opened(bench, chromium) as page:
        await charge_point.send(BOOT)
        await until(lambda: heard)
        await expect(page.locator("#sessions")).to_contain_text("fast, unchanged")
        await hold_the_next_start(page)
        await expect(page.locator("#sessions")).to_contain_text("rules can change it")
        await bench.csms.connections[0].send(REMOTE_START)
        card = page.locator("#held li")
        await expect(card).to_contain_text("RemoteStartTransaction CALL")
        await card.get_by_role("button", name="Edit…").click()
        await expect(card.get_by_role("button", name="Release unchanged")).to_be_visible()
        editor = card.get_by_label("Payload")
        await editor.fill('{"idTag":"TAG-2","connectorId":"one"}')
        await expect(card.locator(".checked")).to_contain_text("/connectorId")
        await editor.fill('{"idTag":"TAG-2",')
        await expect(card.locator(".checked")).to_contain_text("not JSON")
        await editor.fill('{"idTag":"TAG-2"}')
        await expect(card.locator(".checked")).to_have_text("fits its schema")
        await card.get_by_role("button", name="Release edited").click()
        await until(lambda: len(heard) == 2)
        assert json.loads(heard[1]) == [2, "s1", "RemoteStartTransaction", {"idTag": "TAG-2"}]
        await expect(page.locator("#none-held")).to_be_visible()
        await expect(page.locator("#rules td").nth(3)).to_have_text("1")
        await page.get_by_label("Rule hold-start is on").uncheck()
        async with page.expect_response(re.compile("api/rules")):
            pass
        assert (await bench.ask("GET", "/api/rules"))[0]["on"] is False


@pytest.mark.system
async def test_a_call_is_sent_from_a_form_and_a_held_call_is_answered(bench: ControlBench, chromium: Path) -> None:
    async with bench.charge_point() as (charge_point, heard), opened(bench, chromium) as page:
        await page.locator("#action").select_option("Reset")
        await page.locator("#fields select").first.select_option("Soft")
        await page.locator("#send").get_by_role("button", name="Send", exact=True).click()
        await expect(page.locator("#answer")).to_contain_text("Reset answered")
        assert json.loads(heard[0])[2:] == ["Reset", {"type": "Soft"}]
        await bench.ask("POST", "/api/rules", {"name": "h", "match": {"action": "Heartbeat"}, "do": {"hold": True}})
        await charge_point.send('[2,"h1","Heartbeat",{}]')
        card = page.locator("#held li")
        await card.get_by_role("button", name="Answer…").click()
        await expect(card.locator(".checked")).to_have_text("fits its schema")
        await card.get_by_label("Payload of the answer").fill('{"currentTime":"2030-01-01T00:00:00Z"}')
        await card.get_by_role("button", name="Answer", exact=True).click()
        await until(lambda: len(heard) == 2)
        assert heard[1] == '[3,"h1",{"currentTime":"2030-01-01T00:00:00Z"}]' and bench.csms.heard == [
            text for text in bench.csms.heard if "Heartbeat" not in text
        ]


@pytest.mark.system
@pytest.mark.parametrize("theme", ["light", pytest.param("dark", marks=pytest.mark.long)])
async def test_axe_finds_nothing_serious_and_nothing_is_too_wide(
    bench: ControlBench, chromium: Path, theme: str
) -> None:
    """The page shows two sessions, a rule and a held frame that somebody edits, in both languages."""
    async with (
        bench.charge_point("CP-1") as (charge_point, heard),
        bench.charge_point("A-CHARGE-POINT-WITH-A-VERY-LONG-NAME-0123456789"),
        opened(bench, chromium, theme) as page,
    ):
        await charge_point.send(BOOT)
        await until(lambda: heard)
        await hold_the_next_start(page)
        await bench.csms.connections[0].send(REMOTE_START)
        await page.get_by_role("button", name="Edit…").click()
        await expect(page.locator("#held .checked")).to_have_text("fits its schema")
        await page.locator("#action").select_option("SetChargingProfile")
        await page.get_by_text("Send a raw frame").click()
        found = []
        for width in (360, 1440):
            await page.set_viewport_size({"width": width, "height": 900})
            if (wide := await page.evaluate("document.documentElement.scrollWidth")) > width:
                found.append(f"{wide} pixels wide on {width}")
            violations = (await Axe().run(page)).response["violations"]
            found += [
                f"{each['id']}: {each['nodes'][0]['html'][:160]}"
                for each in violations
                if each["impact"] in ("serious", "critical")
            ]
        await page.locator("#language").click()
        await expect(page.locator("#h-send")).to_have_text("Mesaj gönder")
        assert found == []
