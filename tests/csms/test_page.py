"""The operator's page in a real browser, with a real charge point's connection behind it."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Page, expect

from csms.central_system import CentralSystem
from tests.csms.peer import connected

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]
HOSTILE = "<img src=x onerror=document.title='owned'>"
MOMENT = "2026-01-01T00:00:00Z"


def event(kind: str, seq_no: int, trigger: str, watt_hours: int) -> dict[str, object]:
    energy = {"value": watt_hours, "measurand": "Energy.Active.Import.Register"}
    power = {"value": 7.4, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "kW"}}
    return {
        "eventType": kind,
        "timestamp": MOMENT,
        "triggerReason": trigger,
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": "tx-1", "chargingState": "Charging"},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": MOMENT, "sampledValue": [energy, power]}],
    }


STATUS_2X = {"evseId": 1, "connectorId": 1, "connectorStatus": "Occupied", "timestamp": MOMENT}


async def test_the_buttons_of_a_connector_start_stop_and_unlock(csms_with_page: CentralSystem, page: Page) -> None:
    """Its card shows what charges there; the buttons send the version's own calls and show the answers."""
    async with connected(csms_with_page.address, "2.0.1") as charge_point:
        await charge_point.call("StatusNotification", STATUS_2X)
        await page.goto("/#CHARGER-001")
        card = page.locator(".place", has_text="EVSE 1")
        await page.get_by_label("Token for starts").fill("TAG-9")
        await card.get_by_role("button", name="Start").click()
        call = await charge_point.receive()
        assert (call[2], call[3]["evseId"], call[3]["idToken"]["idToken"]) == ("RequestStartTransaction", 1, "TAG-9")
        await charge_point.send([3, call[1], {"status": "Accepted"}])
        await expect(page.locator("#answer")).to_contain_text("Accepted")

        await charge_point.call("TransactionEvent", event("Started", 0, "RemoteStart", 100))
        await charge_point.call("TransactionEvent", event("Updated", 1, "MeterValuePeriodic", 2600))
        await expect(card).to_contain_text("2.50 kWh")
        await expect(card).to_contain_text("7.40 kW")
        await card.get_by_role("button", name="Unlock").click()
        call = await charge_point.receive()
        assert call[2:] == ["UnlockConnector", {"evseId": 1, "connectorId": 1}]
        await charge_point.send([4, call[1], "InternalError", "stuck", {}])
        await expect(page.locator("#answer.bad")).to_contain_text("CALLERROR InternalError")

        await card.get_by_role("button", name="Stop").click()
        call = await charge_point.receive()
        await charge_point.send([3, call[1], {"status": "Accepted"}])
    assert call[2:] == ["RequestStopTransaction", {"transactionId": "tx-1"}]


async def test_reset_trigger_and_disconnect_are_buttons(csms_with_page: CentralSystem, page: Page) -> None:
    async with connected(csms_with_page.address, "1.6") as charge_point:
        await page.goto("/#CHARGER-001")
        await page.get_by_role("button", name="Reset hard").click()
        call = await charge_point.receive()
        assert call[2:] == ["Reset", {"type": "Hard"}]
        await charge_point.send([3, call[1], {"status": "Rejected"}])
        await expect(page.locator("#answer")).to_contain_text("Rejected")
        await page.locator("select[name=message]").select_option("MeterValues")
        await page.get_by_role("button", name="Trigger").click()
        call = await charge_point.receive()
        assert call[2:] == ["TriggerMessage", {"requestedMessage": "MeterValues"}]
        await charge_point.send([3, call[1], {"status": "Accepted"}])
        await expect(page.locator("#answer")).to_contain_text("Accepted")
        await page.get_by_role("button", name="Disconnect").click()
        await asyncio.wait_for(charge_point.websocket.wait_closed(), 10)
        assert charge_point.websocket.close_code == 1000


async def test_what_a_charge_point_says_is_shown_as_text(csms_with_page: CentralSystem, page: Page) -> None:
    """Identity, vendor, status and frames may contain markup; the page shows it as text."""
    name = "%3Cimg%20src=x%20onerror=alert(1)%3E"
    boot = {"chargePointVendor": HOSTILE[:20], "chargePointModel": HOSTILE[:20], "firmwareVersion": HOSTILE}
    async with connected(csms_with_page.address, "1.6", name, boot=False) as charge_point:
        await charge_point.call("BootNotification", boot)
        await charge_point.send(f'["{HOSTILE}"]')
        await charge_point.call("DataTransfer", {"vendorId": HOSTILE, "data": HOSTILE})
        await page.goto(f"/#{name}")
        await page.locator("#frames summary", has_text="DataTransfer").first.click()
        await page.get_by_role("tab", name="Configuration").click()
        await page.locator("#known summary", has_text="Other notifications (1)").click()
        await expect(page.locator("#frames")).to_contain_text(HOSTILE)
        await expect(page.locator("#known")).to_contain_text(HOSTILE)
        assert await page.locator("main img").count() == 0
        assert "owned" not in await page.title()


async def test_it_follows_what_happens_by_itself(csms_with_page: CentralSystem, page: Page) -> None:
    """The page shows a charge point that connects, changes its status and disconnects; its messages remain."""
    await page.goto("/")
    await expect(page.get_by_text("No charge point yet")).to_be_visible()
    async with connected(csms_with_page.address, "2.1") as charge_point:
        await page.get_by_role("link", name="CHARGER-001").click()
        await expect(page.locator("#there")).to_have_text("connected")
        await charge_point.call("StatusNotification", STATUS_2X)
        await expect(page.locator("#connectors")).to_contain_text("Occupied")
    await expect(page.locator("#there")).to_have_text("not connected")
    await expect(page.locator("#frames li").last).to_contain_text("disconnected (1000)")
    await expect(page.locator("#frames .answer", has_text="StatusNotification")).to_be_visible()
    await expect(page.get_by_role("button", name="Start")).to_be_disabled()


async def test_news_neither_close_what_is_open_nor_take_the_focus(csms_with_page: CentralSystem, page: Page) -> None:
    """While meter values keep coming, an opened message stays open and a focused button keeps the focus."""
    async with connected(csms_with_page.address, "2.0.1") as charge_point:
        await charge_point.call("StatusNotification", STATUS_2X)
        await charge_point.call("TransactionEvent", event("Started", 0, "Authorized", 100))
        await page.goto("/#CHARGER-001")
        await page.locator("#frames summary", has_text="BootNotification").first.click()
        await page.locator(".place").get_by_role("button", name="Stop").focus()
        await charge_point.call("TransactionEvent", event("Updated", 1, "MeterValuePeriodic", 1100))
        await expect(page.locator(".place")).to_contain_text("1.00 kWh")
        await expect(page.locator(".place").get_by_role("button", name="Stop")).to_be_focused()
        await expect(page.locator("#frames details[open] pre")).to_contain_text("chargingStation")


async def test_misbehaviour_is_ordered_and_withdrawn(csms_with_page: CentralSystem, page: Page) -> None:
    async with connected(csms_with_page.address, "1.6") as charge_point:
        await page.goto("/#CHARGER-001/misbehave")
        await page.get_by_label("When answering").select_option("Heartbeat")
        await page.get_by_label("do this").select_option("error")
        await page.get_by_role("button", name="Order").click()
        await expect(page.locator("#orders")).to_contain_text("error on Heartbeat")
        assert (await charge_point.ask([2, "a", "Heartbeat", {}]))[2] == "InternalError"
        await page.get_by_role("button", name="Withdraw").click()
        await expect(page.locator("#orders li")).to_have_count(0)
        await asyncio.wait_for(charge_point.silence_until_heartbeat(), 10)
        await page.get_by_role("button", name="Send frame").click()
        assert await charge_point.receive() == [3, "nobody-asked", {}]


async def test_tokens_are_listed_added_and_forgotten(csms_with_page: CentralSystem, page: Page) -> None:
    async with connected(csms_with_page.address, "1.6") as charge_point:
        await page.goto("/")
        await page.get_by_role("link", name="Id tokens").click()
        await expect(page.get_by_text("A token that is not in this list is")).to_be_visible()
        await page.get_by_label("Token", exact=True).fill("LOST-CARD")
        await page.locator("#token [name=status]").select_option("Blocked")
        await page.get_by_role("button", name="Keep token").click()
        await expect(page.locator("#token-list")).to_contain_text("lost-card")
        blocked = await charge_point.call("Authorize", {"idTag": "LOST-CARD"})
        await page.get_by_role("button", name="Forget lost-card").click()
        await expect(page.locator("#token-list")).to_contain_text("No tokens yet")
        accepted = await charge_point.call("Authorize", {"idTag": "LOST-CARD"})
        await page.get_by_label("Token", exact=True).fill("OTHER")
        await page.get_by_label("until").fill("soon")
        await page.get_by_role("button", name="Keep token").click()
        await expect(page.locator("#token-kept.bad")).to_contain_text("2027-01-31T00:00:00Z")
    assert (blocked["idTagInfo"]["status"], accepted["idTagInfo"]["status"]) == ("Blocked", "Accepted")


async def test_a_charge_point_is_added_with_its_policy_and_forgotten(csms_with_page: CentralSystem, page: Page) -> None:
    """It can be added before it connects, and forgotten after it has disconnected; then it is unknown again."""
    await page.goto("/")
    await page.get_by_text("Add a charge point").click()
    await page.get_by_label("Identity").fill("NEW 1/A")
    await page.get_by_label("Password", exact=True).fill("0123456789abcdef")
    await page.locator("#add").get_by_label("Boots are").select_option("Pending")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.locator("#name")).to_have_text("NEW 1/A")
    row = csms_with_page.store.charge_point("NEW 1/A")
    assert row is not None and row["password_hash"].startswith("scrypt$")
    async with connected(csms_with_page.address, "1.6", "NEW%201%2FA", boot=False) as charge_point:
        assert (await charge_point.boot())["status"] == "Pending"
        await expect(page.locator("#boot-status")).to_have_text("boot Pending")
        await page.get_by_role("tab", name="Configuration").click()
        await expect(page.get_by_role("button", name="Forget this charge point")).to_be_disabled()
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="Forget this charge point").click()
    await expect(page.get_by_text("No charge point yet")).to_be_visible()
    assert csms_with_page.store.charge_point("NEW 1/A") is None


async def test_an_address_with_a_broken_escape_says_who_is_not_known(page: Page) -> None:
    await page.goto("/#%")
    await expect(page.locator("#trouble")).to_contain_text("the CSMS does not know the charge point '%'")
