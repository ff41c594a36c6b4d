"""The search box of every page: what it finds, and how to get there."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browse.conftest import Get


async def search(get: Get, text: str) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = (await get("/ocpp/-/search.json", params={"q": text})).json()
    assert (await get("/ocpp/-/search", params={"q": text})).status_code == 200
    return found


async def test_one_box_finds_everything(get: Get) -> None:
    """It finds charge points, transactions, id tokens, rules, actions, and text in frames."""
    assert [each["charge_point_id"] for each in (await search(get, "depot"))["charge_points"]] == ["CP-DEPOT-07"]
    assert [each["transaction_id"] for each in (await search(get, "1017"))["transactions"]] == ["1017"]
    assert [each["id_token"] for each in (await search(get, "aabbccdd"))["transactions"]] == ["AABBCCDD"]
    assert "payload.schema" in [each["rule_id"] for each in (await search(get, "payload.sch"))["rules"]]
    assert (await search(get, "heartbeat"))["actions"][0]["action"] == "Heartbeat"
    assert [each["id"] for each in (await search(get, "nobody-asked"))["frames"]] == [217]


async def test_frames_are_found_page_by_page(get: Get) -> None:
    """Newest first, fifty a page; `next` leads to the next fifty, and no frame appears twice."""
    seen: list[int] = []
    before: int | None = None
    for _ in range(9):
        params = {"q": "MeterValues", **({"before": before} if before else {})}
        found = (await get("/ocpp/-/search.json", params=params)).json()
        seen += [each["id"] for each in found["frames"]]
        before = found["next"]
        if before is None:
            break
    assert len(seen) == len(set(seen)) > 50
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize("text", ["", " ", "%", "'", "<script>alert(1)</script>", "\x00", "ö" * 500, "*[?"])
async def test_any_text_may_be_searched_for(get: Get, text: str) -> None:
    """No text leads to an error, and none becomes markup."""
    await search(get, text)
    assert "<script>alert(1)" not in (await get("/ocpp/-/search", params={"q": text})).text


@pytest.mark.system
def test_a_slash_leads_to_the_box_from_every_page(page: Page, address: str) -> None:
    """On our pages and Datasette's, `/` focuses the box and Enter searches."""
    for path in ("/", "/ocpp/sessions/1", "/ocpp/-/live", "/ocpp/-/dashboards", "/ocpp/rules", "/ocpp/frames", "/ocpp"):
        page.goto(address + path)
        expect(page.locator("#zone")).to_be_visible()
        page.keyboard.press("/")
        expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("CP-DEPOT")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="CP-DEPOT-07", exact=True)).to_be_visible()
