"""The cost of transactions by the tariff file, the tariffs of drivers, and receipts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from csms import prices
from csms.configuration import Settings
from csms.errors import CsmsMistake
from tests.csms.peer import Peer, connected
from tests.csms.test_security import running

TWO = pytest.mark.parametrize("version", ["2.0.1", "2.1"])
FILE = """
currency = "EUR"
default = "standard"

[tariffs.standard]
energy = 0.40
charging_time = 0.01
idle_time = 0.10
fixed = 0.50
tax = 20

[tariffs.free]
energy = 0

[tokens]
Staff = "free"
"""


@pytest.fixture
def tariffs(tmp_path: Path) -> prices.Prices:
    path = tmp_path / "tariffs.toml"
    path.write_text(FILE)
    return prices.load(path)


async def session(
    peer: Peer, token: str = "TAG", unit: str = "Wh", registers: tuple[float, ...] = (1000, 11_000), **ended: Any
) -> Any:
    """Charge from 10:00 to 11:00; return the answer to the Ended event."""

    def event(kind: str, number: int, at: str, register: float | None, **more: Any) -> dict[str, Any]:
        info = {"transactionId": f"tx-{token}-{unit}"} | more.pop("info", {})
        values = [] if register is None else [{"value": register, "unitOfMeasure": {"unit": unit}}]
        meter = {"meterValue": [{"timestamp": at, "sampledValue": values}]} if values else {}
        return {
            "eventType": kind, "timestamp": at, "triggerReason": "Authorized", "seqNo": number,
            "transactionInfo": info, "evse": {"id": 1, "connectorId": 1}, **meter, **more,
        }  # fmt: skip

    first, last = (registers[0], registers[-1]) if registers else (None, None)
    known = {"idToken": {"idToken": token, "type": "Central"}}
    started = await peer.call("TransactionEvent", event("Started", 0, "2026-01-01T10:00:00Z", first, **known))
    assert "totalCost" not in started
    return await peer.call("TransactionEvent", event("Ended", 1, "2026-01-01T11:00:00Z", last, **ended))


@TWO
async def test_the_end_of_a_transaction_is_answered_with_its_total_cost(tariffs: prices.Prices, version: str) -> None:
    """I03.FR.02, I03.FR.04: 10 kWh, 40 minutes of charging, 20 idle, with tax; a free one costs 0."""
    async with running(Settings(prices=tariffs)) as csms, connected(csms.address, version) as peer:
        answer = await session(peer, info={"timeSpentCharging": 2400})
        assert answer["totalCost"] == round((10 * 0.40 + 40 * 0.01 + 20 * 0.10 + 0.50) * 1.2, 2)
        answer = await session(peer, "other", "kWh", (1.0, 11.0))
        assert answer["totalCost"] == round((10 * 0.40 + 60 * 0.01 + 0.50) * 1.2, 2)
        assert (await session(peer, "STAFF"))["totalCost"] == 0
        assert "totalCost" not in await session(peer, "unmetered", registers=())
        if version == "2.1":
            cost = {"currency": "EUR", "typeOfCost": "NormalCost", "total": {"inclTax": 3.2}}
            details = {"totalCost": cost, "totalUsage": {"energy": 1, "chargingTime": 1, "idleTime": 1}}
            assert (await session(peer, "local", costDetails=details))["totalCost"] == 3.2


@TWO
async def test_without_a_tariff_there_is_no_cost(version: str) -> None:
    async with running(Settings()) as csms, connected(csms.address, version) as peer:
        assert "totalCost" not in await session(peer)


async def test_a_driver_with_a_tariff_of_their_own_gets_it_with_authorize(tariffs: prices.Prices) -> None:
    """I08.FR.01, I08.FR.08, I08.FR.09; only if the token is accepted, and not in 2.0.1."""
    ask = {"idToken": {"idToken": "STAFF", "type": "Central"}}
    async with running(Settings(prices=tariffs)) as csms:
        async with connected(csms.address, "2.1") as peer:
            tariff = (await peer.call("Authorize", ask))["tariff"]
            assert tariff["currency"] == "EUR" and tariff["energy"] == {"prices": [{"priceKwh": 0.0}]}
            assert tariff["tariffId"].startswith("free-") and "validFrom" not in tariff
            other = {"idToken": {"idToken": "TAG", "type": "Central"}}
            assert "tariff" not in await peer.call("Authorize", other)
            csms.store.set_token("STAFF", "Blocked")
            assert "tariff" not in await peer.call("Authorize", ask)
        csms.store.set_token("STAFF", "Accepted")
        async with connected(csms.address, "2.0.1") as peer:
            assert "tariff" not in await peer.call("Authorize", ask)


async def test_a_settlement_is_answered_with_a_receipt_that_can_be_read() -> None:
    """C21.FR.03, C21.FR.04: unless the station has a receipt, or reports ReceiptByCSMS = false."""
    settled = {
        "pspRef": "psp-1", "status": "Settled", "settlementAmount": 12.5, "settlementTime": "2026-01-01T11:00:00Z"
    }  # fmt: skip
    async with running(Settings()) as csms, connected(csms.address, "2.1") as peer:
        answer = await peer.call("NotifySettlement", settled)
        async with httpx.AsyncClient(trust_env=False) as driver:
            page = await driver.get(answer["receiptUrl"])
            assert page.status_code == 200 and "12.5" in page.text and "psp-1" in page.text
            gone = await driver.get(answer["receiptUrl"] + "x")
            assert gone.status_code == 404
        assert await peer.call("NotifySettlement", settled | {"receiptUrl": "https://psp.example/1"}) == {}
        assert await peer.call("NotifySettlement", settled | {"status": "Failed"}) == {}
        csms.store.variable("CHARGER-001", "PaymentCtrlr", "ReceiptByCSMS", "Actual", "false", None)
        assert await peer.call("NotifySettlement", settled) == {}


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("currency = 3", "currency"),
        ('currency = "EUR"', "tariffs.standard"),
        ('currency = "EUR"\n[tariffs.a]\nenergi = 1', "energi"),
        ('currency = "EUR"\n[tariffs.a]\nenergy = "1"', "tariffs.a.energy"),
        ('currency = "EUR"\n[tariffs.a]\nenergy = -1', "tariffs.a.energy"),
        ('currency = "EUR"\ndefault = "b"\n[tariffs.a]\nenergy = 1', "default"),
        ('currency = "EUR"\n[tariffs.a]\nenergy = 1\n[tokens]\nX = "b"', "tokens.X"),
        ("currency", "tariffs.toml: Expected"),
    ],
)
def test_a_mistake_in_the_tariff_file_is_named(tmp_path: Path, content: str, named: str) -> None:
    path = tmp_path / "tariffs.toml"
    path.write_text(content)
    with pytest.raises(CsmsMistake, match=named):
        prices.load(path)
