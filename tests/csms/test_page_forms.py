"""The forms that the page makes from JSON schemas, in a real browser: for every action, and by hand."""

from __future__ import annotations

import asyncio
import json

import pytest
from playwright.async_api import Page, Route, expect

from csms import actions, schemas
from csms.central_system import CentralSystem
from csms.operator_api import examples
from tests.csms.peer import connected

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

FORM = """async (cases) => {
  const { field } = await import("./shared/form.js");
  return cases.map(([action, schema, payload]) => field(schema, schema.definitions ?? {}, action, payload).read());
}"""


@pytest.mark.parametrize("version", schemas.VERSIONS)
async def test_every_action_has_a_form_that_gives_back_what_it_holds(page: Page, version: schemas.Version) -> None:
    """With every optional member filled in: nested objects, lists, enumerations, numbers, dates."""
    cases = []
    for action in sorted(actions.from_csms(version)):
        schema = schemas.schema(version, action, "request")
        assert schema is not None
        cases.append((action, schema, examples.example(schema, optional=True)))
    await page.goto("/")
    read = await page.evaluate(FORM, cases)
    assert len(read) == len(cases) > 25
    for (action, _, payload), found in zip(cases, read, strict=True):
        assert found == payload, action


async def test_a_form_filled_in_by_hand_sends_its_action(csms_with_page: CentralSystem, page: Page) -> None:
    """What is filled in reaches the charge point as a schema-valid CALL, and its answer is shown."""
    async with connected(csms_with_page.address, "1.6") as charge_point:
        await page.goto("/#CHARGER-001/sending")
        await page.locator("#action").select_option("ReserveNow")
        await page.get_by_label("idTag", exact=True).fill("TAG-7")
        await page.get_by_label("reservationId").fill("12")
        await page.get_by_label("Add an optional member of ReserveNow").select_option("parentIdTag")
        await page.get_by_label("parentIdTag", exact=True).fill("FLEET")
        await page.get_by_role("button", name="Send", exact=True).click()
        call = await charge_point.receive()
        await charge_point.send([3, call[1], {"status": "Occupied"}])
        await expect(page.locator("#answer")).to_contain_text("Occupied")
    assert call[2] == "ReserveNow"
    assert (call[3]["idTag"], call[3]["reservationId"], call[3]["parentIdTag"]) == ("TAG-7", 12, "FLEET")


async def test_lists_grow_and_shrink_within_nested_objects(csms_with_page: CentralSystem, page: Page) -> None:
    """A second period, an optional limit, a date set with a button, an item taken away again."""
    async with connected(csms_with_page.address, "2.1") as charge_point:
        await page.goto("/#CHARGER-001/sending")
        await page.locator("#action").select_option("SetChargingProfile")
        await page.get_by_label("evseId").fill("0")
        await page.get_by_label("chargingProfilePurpose").select_option("ChargingStationMaxProfile")
        await page.get_by_label("Add an optional member of chargingProfile", exact=True).select_option("validFrom")
        await page.get_by_label("Set validFrom to an hour from now").click()
        await page.get_by_label("Add an optional member of chargingSchedule 1").select_option("startSchedule")
        await page.get_by_label("Add to chargingSchedulePeriod").click()
        await page.get_by_label("Add to chargingSchedulePeriod").click()
        second = page.locator("fieldset", has=page.get_by_text("chargingSchedulePeriod 2", exact=True)).last
        await second.get_by_label("startPeriod").fill("600")
        await second.get_by_label("Add an optional member of chargingSchedulePeriod 2").select_option("limit")
        await second.get_by_label("limit", exact=True).fill("3700.5")
        await page.get_by_label("Remove from chargingSchedulePeriod").last.click()
        await page.get_by_role("button", name="Send", exact=True).click()
        call = await charge_point.receive()
        await charge_point.send([3, call[1], {"status": "Accepted"}])
        await expect(page.locator("#answer")).to_contain_text("Accepted")
    profile = call[3]["chargingProfile"]
    assert profile["chargingProfilePurpose"] == "ChargingStationMaxProfile"
    assert profile["validFrom"].endswith("Z") and profile["validFrom"] > "2026"
    assert profile["chargingSchedule"][0]["chargingSchedulePeriod"] == [
        {"startPeriod": 0},
        {"startPeriod": 600, "limit": 3700.5},
    ]
    assert schemas.fault("2.1", "SetChargingProfile", "request", call[3]) is None


async def test_form_and_json_are_two_ways_to_write_one_payload(csms_with_page: CentralSystem, page: Page) -> None:
    """The JSON text starts with the form's values; the form takes over its edits; invalid JSON gets a message."""
    async with connected(csms_with_page.address, "1.6") as charge_point:
        await page.goto("/#CHARGER-001/sending")
        await page.locator("#action").select_option("ChangeConfiguration")
        await page.get_by_label("key", exact=True).fill("HeartbeatInterval")
        await page.get_by_role("button", name="JSON").click()
        payload = json.loads(await page.get_by_label("Payload", exact=True).input_value())
        assert payload["key"] == "HeartbeatInterval"
        await page.get_by_label("Payload", exact=True).fill("{")
        await page.get_by_role("button", name="Form", exact=True).click()
        await expect(page.locator("#answer.bad")).to_contain_text("not JSON")
        await page.get_by_label("Payload", exact=True).fill('{"key": "Strange", "value": "5", "extra": true}')
        await page.get_by_role("button", name="Form", exact=True).click()
        await expect(page.get_by_label("key", exact=True)).to_have_value("Strange")
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(page.locator("#answer.bad")).to_contain_text("extra")
        await page.get_by_label("send it even if").check()
        await page.get_by_role("button", name="Send", exact=True).click()
        call = await charge_point.receive()
        assert call[3] == {"key": "Strange", "value": "5", "extra": True}
        await charge_point.websocket.close()
        await expect(page.locator("#answer.bad")).to_contain_text("the connection closed before the answer")


async def test_a_button_sends_a_call_that_the_specification_forbids(csms_with_page: CentralSystem, page: Page) -> None:
    """The requirement is shown first, for any action and for the everyday operations."""
    async with connected(csms_with_page.address, "2.0.1") as charge_point:
        await page.goto("/#CHARGER-001/sending")
        await page.locator("#action").select_option("ClearChargingProfile")
        await page.get_by_role("button", name="JSON").click()
        await page.get_by_label("Payload", exact=True).fill("{}")
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(page.locator("#answer.bad")).to_contain_text("K10.FR.02")
        await page.get_by_role("button", name="Send anyway").click()
        call = await charge_point.receive()
        assert call[2:] == ["ClearChargingProfile", {}]
        await charge_point.send([3, call[1], {"status": "Unknown"}])
        await expect(page.locator("#answer")).to_contain_text("Unknown")
        await expect(page.get_by_role("button", name="Send anyway")).to_have_count(0)


async def test_a_payload_written_while_the_form_is_loading_stays(csms_with_page: CentralSystem, page: Page) -> None:
    """The button JSON works at once, and what was written there is not replaced by the example."""
    late, asked = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        asked.set()
        await late.wait()
        await route.continue_()

    await page.route("**/actions/1.6/ClearCache", hold)
    async with connected(csms_with_page.address, "1.6"):
        await page.goto("/#CHARGER-001/sending")
        await page.locator("#action").select_option("ClearCache")
        await asked.wait()
        await page.get_by_role("button", name="JSON").click()
        payload = page.get_by_label("Payload", exact=True)
        await payload.fill('{"mine":1}')
        async with page.expect_response("**/actions/1.6/ClearCache"):
            late.set()
        await page.evaluate("() => new Promise((resolve) => setTimeout(resolve))")
        await expect(payload).to_have_value('{"mine":1}')
        await expect(payload).to_be_visible()


async def test_a_form_being_filled_in_is_not_replaced_by_one_that_comes_late(
    csms_with_page: CentralSystem, page: Page
) -> None:
    """Choosing an action again while its form is loading does not replace the form that the user fills in."""
    late, asked = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        first = not asked.is_set()
        asked.set()
        if first:
            await late.wait()
        await route.continue_()

    await page.route("**/actions/1.6/CancelReservation", hold)
    async with connected(csms_with_page.address, "1.6"):
        await page.goto("/#CHARGER-001/sending")
        await asked.wait()
        await page.locator("#action").select_option("CancelReservation")
        number = page.get_by_label("reservationId")
        await number.fill("77")
        async with page.expect_response("**/actions/1.6/CancelReservation"):
            late.set()
        await page.evaluate("() => new Promise((resolve) => setTimeout(resolve))")
        await expect(number).to_have_value("77")


async def test_a_number_left_empty_is_asked_for(csms_with_page: CentralSystem, page: Page) -> None:
    async with connected(csms_with_page.address, "1.6") as charge_point:
        await page.goto("/#CHARGER-001/sending")
        await page.locator("#action").select_option("CancelReservation")
        await page.get_by_label("reservationId").fill("")
        await page.get_by_role("button", name="Send", exact=True).click()
        await expect(page.locator("#fields :invalid").last).to_be_focused()
        await charge_point.silence_until_heartbeat()
