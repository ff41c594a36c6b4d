"""Tariffs, costs and limits of transactions of a 2.1 charge point (I07 to I12, E16), against a raw CSMS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator.charging.bill import Bill
from simulator.clock import timestamp
from tests.simulator.listening import ListeningCsms
from tests.simulator.powered import TOKEN, PowerOn, charge, events


def tariff(name: str = "day", price: float = 0.5, **more: Any) -> dict[str, Any]:
    return {"tariffId": name, "currency": "EUR", "energy": {"prices": [{"priceKwh": price}]}} | more


async def default(csms: ListeningCsms, place: int = 1, **made: Any) -> Any:
    return (await csms.ask("SetDefaultTariff", {"evseId": place, "tariff": tariff(**made)}))[2]["status"]


def last(csms: ListeningCsms, kind: str = "Ended") -> dict[str, Any]:
    return next(event for event in reversed(events(csms)) if event["eventType"] == kind)


async def test_tariff_ctrlr_decides_whether_tariffs_are_accepted(csms: ListeningCsms, power_on: PowerOn) -> None:
    """I07.FR.01, I11.FR.01: NotSupported while TariffCostCtrlr.Enabled[Tariff] is false."""
    await power_on("2.1")
    place = {"component": {"name": "TariffCostCtrlr"}, "variable": {"name": "Enabled", "instance": "Tariff"}}
    for value in ("false", "true"):
        answer = await csms.ask("SetVariables", {"setVariableData": [place | {"attributeValue": value}]})
        assert answer[2]["setVariableResult"][0]["attributeStatus"] == "Accepted"
        change = {"transactionId": "none", "tariff": tariff()}
        for action, payload in (
            ("SetDefaultTariff", {"evseId": 1, "tariff": tariff()}),
            ("ChangeTransactionTariff", change),
        ):
            answer = await csms.ask(action, payload)
            assert (answer[:1] + answer[2:3] == [4, "NotSupported"]) == (value == "false")


async def test_unusable_tariffs_are_refused_with_their_reason(csms: ListeningCsms, power_on: PowerOn) -> None:
    """I07.FR.02 to I07.FR.06."""
    await power_on("2.1")
    many = {"prices": [{"priceKwh": 1.0}] * 11}
    bound = {"prices": [{"priceKwh": 1.0, "conditions": {"minEnergy": 5}}]}
    assert await default(csms, energy=many) == "TooManyElements"
    assert await default(csms, energy=bound) == "ConditionNotSupported"
    assert await default(csms, 9) == "Rejected"
    assert await default(csms) == "Accepted"
    assert await default(csms) == "DuplicateTariffId"


async def test_costs_follow_the_default_tariff_and_a_changed_one(csms: ListeningCsms, power_on: PowerOn) -> None:
    """I07.FR.32, I11.FR.07, I12: tariffId once, TariffChanged, and at the end both periods with their costs."""
    station = await power_on("2.1")
    taxes = [{"type": "VAT", "tax": 20.0}]
    energy = {"prices": [{"priceKwh": 0.5}], "taxRates": taxes}
    assert await default(csms, energy=energy, fixedFee={"prices": [{"priceFixed": 1.0}]}) == "Accepted"
    await charge(station)
    tx = station.connectors[1].transaction
    assert tx is not None
    await station.clock.sleep(90)
    change = {"transactionId": tx.id, "tariff": tariff("night", 0.1)}
    assert (await csms.ask("ChangeTransactionTariff", change | {"transactionId": "x"}))[2]["status"] == "TxNotFound"
    dollars = change | {"tariff": tariff("night", currency="USD")}
    assert (await csms.ask("ChangeTransactionTariff", dollars))[2]["status"] == "NoCurrencyChange"
    assert (await csms.ask("ChangeTransactionTariff", change))[2]["status"] == "Accepted"
    await csms.until(lambda: any(event["triggerReason"] == "TariffChanged" for event in events(csms)))
    await station.clock.sleep(90)
    await station.stop(1)
    named = [event["transactionInfo"]["tariffId"] for event in events(csms) if "tariffId" in event["transactionInfo"]]
    assert named == ["day", "night"]
    details = last(csms)["costDetails"]
    assert all("costDetails" not in event for event in events(csms)[:-1])
    first, second = (
        {part["type"]: part["volume"] for part in period["dimensions"]} for period in details["chargingPeriods"]
    )
    assert [period["tariffId"] for period in details["chargingPeriods"]] == ["day", "night"]
    assert details["totalUsage"]["energy"] == pytest.approx(first["Energy"] + second["Energy"], abs=0.2)
    cost = details["totalCost"]
    assert cost["typeOfCost"] == "NormalCost" and cost["fixed"] == {"exclTax": 1.0}
    net = first["Energy"] / 1000 * 0.5 + second["Energy"] / 1000 * 0.1
    assert cost["energy"]["exclTax"] == pytest.approx(net, abs=0.001)
    assert cost["total"]["exclTax"] == pytest.approx(1.0 + net, abs=0.001)


async def test_a_driver_pays_by_their_own_tariff_until_the_transaction_ends(
    csms: ListeningCsms, power_on: PowerOn
) -> None:
    """I08.FR.04, I08.FR.06, I09.FR.05, I10.FR.07; the default tariff is for everybody else."""
    station = await power_on("2.1")
    csms.answers["Authorize"] = lambda payload: {"idTokenInfo": {"status": "Accepted"}, "tariff": tariff("own")}
    assert await default(csms) == "Accepted"
    await charge(station)
    assert events(csms)[0]["transactionInfo"]["tariffId"] == "own"
    listed = (await csms.ask("GetTariffs", {"evseId": 1}))[2]["tariffAssignments"]
    assert {(each["tariffKind"], each["tariffId"], *each["evseIds"]) for each in listed} == {
        ("DefaultTariff", "day", 1), ("DriverTariff", "own", 1)
    }  # fmt: skip
    await station.stop(1)
    listed = (await csms.ask("GetTariffs", {"evseId": 0}))[2]["tariffAssignments"]
    assert [each["tariffId"] for each in listed] == ["day"]
    cleared = (await csms.ask("ClearTariffs", {"tariffIds": ["day", "other"]}))[2]["clearTariffsResult"]
    assert [each["status"] for each in cleared] == ["Accepted", "NoTariff"]
    assert (await csms.ask("GetTariffs", {"evseId": 0}))[2] == {"status": "NoTariff"}


@pytest.mark.parametrize(("handling", "status"), [("UseDefault", "Accepted"), ("Deauthorize", "Invalid")])
async def test_a_drivers_tariff_that_cannot_be_processed_is_reported(
    csms: ListeningCsms, power_on: PowerOn, handling: str, status: str
) -> None:
    """I08.FR.30 to I08.FR.32, I08.FR.35, I08.FR.36"""
    station = await power_on("2.1")
    station.settings.by_variable["TariffCostCtrlr", "HandleFailedTariff/Tariff"].value = handling
    station.settings.by_key["AuthorizationCacheEnabled"].value = "false"
    bound = {"prices": [{"priceKwh": 1.0, "conditions": {"minEnergy": 5}}]}
    given = [tariff("bad", energy=bound), tariff("good")]
    csms.answers["Authorize"] = lambda payload: {"idTokenInfo": {"status": "Accepted"}, "tariff": given.pop(0)}
    assert await station.authorization.authorize(TOKEN) == status
    await csms.until(lambda: csms.calls("NotifyEvent"))
    assert await station.authorization.authorize(TOKEN) == "Accepted"
    await csms.until(lambda: len(csms.calls("NotifyEvent")) == 2)
    data = [call["eventData"][0] for call in csms.calls("NotifyEvent")]
    assert [each["actualValue"] for each in data] == ["true", "false"]
    assert {each["component"]["name"] for each in data} == {"TariffCostCtrlr"}


async def test_a_later_tariff_takes_over_at_its_valid_from(csms: ListeningCsms, power_on: PowerOn) -> None:
    """I07.FR.19, I07.FR.20, I09.FR.07"""
    station = await power_on("2.1")
    soon = timestamp(datetime.now(UTC) + timedelta(hours=1))
    assert await default(csms) == "Accepted"
    assert await default(csms, name="later", validFrom=soon) == "Accepted"
    listed = (await csms.ask("GetTariffs", {"evseId": 1}))[2]["tariffAssignments"]
    assert [each.get("validFrom") for each in listed] == [None, soon]
    await charge(station)
    assert events(csms)[0]["transactionInfo"]["tariffId"] == "day"
    await station.stop(1)
    assert await default(csms, name="now", validFrom=timestamp()) == "Accepted"
    await charge(station)
    assert last(csms, "Started")["transactionInfo"]["tariffId"] == "now"


def test_costs_never_fall_below_the_least_nor_rise_above_the_most() -> None:
    """I12.FR.38 to I12.FR.40"""
    floor = Bill(tariff(minCost={"exclTax": 3.0}, maxCost={"exclTax": 10.0}), 0)
    floor.note(2000, charging=True)
    cost = floor.details(final=True)["totalCost"]
    assert (cost["typeOfCost"], cost["fixed"], cost["total"]) == ("MinCost", {"exclTax": 3.0}, {"exclTax": 3.0})
    assert floor.details(final=False)["totalCost"]["typeOfCost"] == "NormalCost"
    floor.note(30_000, charging=True)
    frozen = floor.details(final=True)
    floor.note(90_000, charging=True)
    assert frozen["totalCost"]["typeOfCost"] == "MaxCost"
    assert floor.details(final=True)["totalCost"] == frozen["totalCost"]
    assert floor.details(final=True)["totalUsage"]["energy"] == 90_000


# --- limits of a transaction ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ({"maxEnergy": 200.0}, "EnergyLimitReached"),
        ({"maxTime": 120}, "TimeLimitReached"),
        ({"maxSoC": 41}, "SoCLimitReached"),
        ({"maxCost": 0.1}, "CostLimitReached"),
        ({"maxEnergy": 0.0}, "EnergyLimitReached"),
    ],
)
async def test_a_limit_of_the_csms_is_confirmed_obeyed_and_lifted(
    csms: ListeningCsms, power_on: PowerOn, limit: dict[str, float], reason: str
) -> None:
    """E16.FR.03, E16.FR.05, E16.FR.10, E16.FR.14: LimitSet, then SuspendedEVSE, and charging again after a raise."""
    measured = limit == {"maxEnergy": 200.0}
    station = await power_on("2.1", speed=60.0 if measured else 1200.0)  # at 60, 25 Wh take 0.14 s
    assert await default(csms) == "Accepted"
    answers = [{"idTokenInfo": {"status": "Accepted"}, "transactionLimit": limit}]
    csms.answers["TransactionEvent"] = lambda payload: answers.pop(0) if answers else {}
    await charge(station)
    await csms.until(lambda: any(event["triggerReason"] == reason for event in events(csms)))
    confirmed = next(event for event in events(csms) if event["triggerReason"] == "LimitSet")
    assert confirmed["transactionInfo"]["transactionLimit"] == limit
    reached = next(event for event in events(csms) if event["triggerReason"] == reason)
    assert reached["transactionInfo"]["chargingState"] == "SuspendedEVSE"
    connector = station.connectors[1]
    if measured:
        assert connector.transaction is not None
        assert 200 <= connector.meter.register_wh - connector.transaction.meter_start < 225  # E16.FR.19
    answers.append({"transactionLimit": dict.fromkeys(limit, 90)})
    if "maxEnergy" not in limit and "maxTime" not in limit:
        await station.sample(connector, "Trigger")
        await csms.until(lambda: events(csms)[-1]["transactionInfo"]["chargingState"] == "Charging")
    await station.stop(1)
