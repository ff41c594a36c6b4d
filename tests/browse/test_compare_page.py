"""Compare: sessions are found as one types, good ones suggested, and differences walked."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browse import charging
from tests.browse.charging import Recording
from tests.browse.conftest import Get, client
from tests.processes import Program


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good sessions and an almost good one of a make, and one of another version."""
    recording = Recording(tmp_path_factory.mktemp("pairs") / "pairs.db")
    charging.charge_well(recording, "CP-GOOD-1", samples=12)
    charging.charge_well(recording, "CP-GOOD-2", samples=12)
    link = recording.connect("CP-BAD")
    link.boot()
    link.status("Available", 0)
    link.status("Faulted", error="GroundFailure")
    link.call("Authorize", {"idTag": "04E91C5A2B"}, {"idTagInfo": {"status": "Blocked"}})
    link.call("StatusNotification", {"connectorId": 1, "errorCode": "Error", "status": "Available"}, error="TypeError")
    link.call("DataTransfer", {"vendorId": "V"}, {"status": "Accepted"})
    link.close()
    charging.charge_201(recording, samples=3)
    return recording.finish()


@pytest.fixture(scope="module")
def ask(pairs: Path) -> Get:
    return client(pairs)


async def test_good_sessions_of_the_same_make_and_version_are_suggested(ask: Get) -> None:
    """The latest first; without a first session, those with most errors."""
    found = (await ask("/ocpp/-/compare.json?a=3")).json()
    assert [each["id"] for each in found["suggestions"]] == [2, 1]
    assert (await ask("/ocpp/-/compare.json?a=4")).json()["suggestions"] == []
    assert [each["id"] for each in (await ask("/ocpp/-/compare.json")).json()["worst"]] == [3]


@pytest.mark.parametrize(("text", "session"), [("3", 3), ("#3", 3), ("#3 CP-BAD", 3), ("CP-BAD", 3), ("good", 2)])
async def test_a_session_is_named_by_number_or_by_charge_point(ask: Get, text: str, session: int) -> None:
    """By a part of the name, it is the latest session that has it."""
    found = (await ask("/ocpp/-/compare.json", params={"a": text})).json()
    assert found["a"]["id"] == session


@pytest.mark.parametrize("text", ["99", "no-such", "#", "99999999999999999999", "'; --"])
async def test_what_is_no_session_is_said_so(ask: Get, text: str) -> None:
    """A sentence, never a fault."""
    assert (await ask("/ocpp/-/compare", params={"a": text})).status_code == 404


async def test_each_difference_says_which_side_has_what(ask: Get) -> None:
    """Never in the words of a replay."""
    found = (await ask("/ocpp/-/compare.json?a=1&b=3")).json()
    said = {each["said"] for row in found["rows"] for each in row["differences"]}
    assert said
    assert all("only A has" in text or "only B has" in text or "A has " in text for text in said), said
    assert "only B has this" in said


@pytest.mark.system
def test_the_picker_finds_and_differences_are_walked(page: Page, pairs: Path) -> None:
    """Typing offers sessions; an offer, a suggestion and "only differences" act at once; n and the minimap lead on."""
    with Program("browse", pairs, "--listen", "0") as browse:
        home = browse.wait_for(r"browse at (\S+)")[1]
        page.goto(f"{home}/ocpp/-/compare")
        page.get_by_role("link", name="#3 CP-BAD").click()
        expect(page.get_by_label("A", exact=True)).to_have_value("#3 CP-BAD")
        page.get_by_role("link", name="the last one: #2 CP-GOOD-2").click()
        expect(page.locator("#outcome")).to_contain_text("differ")
        page.wait_for_load_state()
        page.get_by_label("B", exact=True).fill("good-1")
        option = page.locator("#sessions option")
        expect(option).to_have_count(1)
        assert option.get_attribute("value") == "#1 CP-GOOD-1"
        page.get_by_label("B", exact=True).fill("#1 CP-GOOD-1")
        page.wait_for_url("**b=%231+CP-GOOD-1**")
        page.wait_for_load_state()
        every = page.locator("table.compare tbody tr")
        differing = page.locator("tr.differs").count()
        assert every.count() > differing > 1
        page.keyboard.press("n")
        page.keyboard.press("n")
        expect(page.locator("#which")).to_have_text(f"2 of {differing}")
        expect(page.locator("tr.current")).to_be_in_viewport()
        page.keyboard.press("N")
        expect(page.locator("#which")).to_have_text(f"1 of {differing}")
        place = every.evaluate_all("rows => rows.findLastIndex((row) => row.classList.contains('differs'))")
        box = page.locator("#minimap").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] * (place + 0.5) / every.count(), box["y"] + 5)
        expect(every.nth(place)).to_be_in_viewport()
        page.get_by_label("only differences").check()
        page.wait_for_url("**only=differences**")
        expect(every).to_have_count(differing)
        page.goto("about:blank")
