"""Transactions that the person begins and ends, and their meter values (core profile)."""

from __future__ import annotations

from typing import Any

from inspector.cli.conformance.cases_16.flows import (
    at,
    case_16,
    charging,
    plug_in,
    present,
    set_key,
    started,
    stop,
    stopped,
    unplug,
)
from inspector.cli.conformance.stage import Stage


@case_16(
    "core",
    "charge after the car was plugged in and the card presented, until the card is presented again",
    "§4.8, §4.10",
    "TC_003_CS",
)
async def charge_plug_in_first(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    await present(stage)
    await stopped(stage, transaction, since, "Local")
    await unplug(stage)


@case_16("core", "charge after the card was presented and the car plugged in", "§4.1, §4.8", "TC_004_1_CS")
async def charge_card_first(stage: Stage) -> None:
    since = stage.now
    await present(stage)
    await stage.expect("StatusNotification", what="Preparing", where=at(1, "Preparing"), since=since, clause="§4.9")
    await stage.person_does("plug-in", 1)
    stage.afterwards(lambda: unplug(stage))
    transaction = await started(stage, 1, since)
    await stop(stage, transaction)


@case_16("core", "give up when no car is plugged in within ConnectionTimeOut", "§9.1.5", "TC_004_2_CS")
async def no_car_after_the_card(stage: Stage) -> None:
    await set_key(stage, "ConnectionTimeOut", "10")
    since = stage.now
    await present(stage)
    preparing = await stage.expect(
        "StatusNotification", what="Preparing", where=at(1, "Preparing"), since=since, clause="§4.9"
    )
    await stage.expect(
        "StatusNotification",
        what="Available after ConnectionTimeOut",
        where=at(1, "Available"),
        since=preparing.number,
        clause="§9.1.5",
    )
    stage.check(stage.first("StartTransaction", None, since) is None, "a transaction started without a car", "§4.8")


@case_16("core", "stop the transaction when the car is unplugged", "§4.10.1, §9.1.26", "TC_005_1_CS")
async def unplug_while_charging(stage: Stage) -> None:
    await set_key(stage, "StopTransactionOnEVSideDisconnect", "true", needed=False)
    transaction = await charging(stage)
    since = stage.now
    await stage.person_does("unplug", 1)
    await stopped(stage, transaction, since, "EVDisconnected")
    await stage.expect("StatusNotification", where=at(1, "Available"), since=since, clause="§4.9")


@case_16("core", "do not charge for a card that the CSMS blocks", "§4.1", "TC_023_4_CS")
async def blocked_card(stage: Stage) -> None:
    await _refused_card(stage, "Blocked")


@case_16("core", "do not charge for a card that the CSMS does not accept (Invalid)", "§4.1", "TC_023_4_CS")
async def invalid_card(stage: Stage) -> None:
    await _refused_card(stage, "Invalid")


async def _refused_card(stage: Stage, status: str) -> None:
    token = stage.known.token
    stage.need(token is not None, "the id of the card is not known yet; name it with --token")
    assert token is not None
    await stage.call("ClearCache", {})
    stage.bench.store.set_token(token, status=status)
    stage.afterwards(lambda: _allow(stage, token))
    await plug_in(stage)
    since = stage.now
    await present(stage)
    card = await stage.expect("Authorize", since=since, clause="§4.1")
    stage.check(
        stage.answer_to(card).get("idTagInfo", {}).get("status") == status,
        f"the card that was presented is not {token}; name its id with --token",
        "",
    )
    await stage.never("StartTransaction", what="with a card that is not accepted", since=since, clause="§4.1")


async def _allow(stage: Stage, token: str) -> None:
    stage.bench.store.set_token(token, status="Accepted")
    await stage.call("ClearCache", {})


def _is_sample(payload: dict[str, Any], transaction: int, context: str) -> bool:
    """Return whether MeterValues of a transaction have a value with a context."""
    values = [value for entry in payload.get("meterValue", []) for value in entry.get("sampledValue", [])]
    wanted = any(value.get("context", "Sample.Periodic") == context for value in values)
    return payload.get("transactionId") == transaction and wanted


@case_16("core", "send sampled meter values while charging", "§4.7, §9.1.17", "TC_070_CS")
async def sampled_meter_values(stage: Stage) -> None:
    await set_key(stage, "MeterValueSampleInterval", "5")
    transaction = await charging(stage)
    since = stage.now
    for _ in range(2):
        sample = await stage.expect(
            "MeterValues",
            what="with a periodic sample of the transaction",
            where=lambda p: _is_sample(p, transaction.number, "Sample.Periodic"),
            since=since,
            clause="§4.7",
        )
        since = sample.number + 1


@case_16("core", "send clock-aligned meter values", "§4.7, §9.1.2", "TC_071_CS")
async def clock_aligned_meter_values(stage: Stage) -> None:
    await set_key(stage, "ClockAlignedDataInterval", "30")
    await set_key(stage, "MeterValuesAlignedData", "Energy.Active.Import.Register", needed=False)
    since = stage.now
    await stage.expect(
        "MeterValues",
        what="with a clock-aligned sample",
        where=lambda p: any(
            value.get("context") == "Sample.Clock"
            for entry in p.get("meterValue", [])
            for value in entry.get("sampledValue", [])
        ),
        since=since,
        clause="§4.7",
        within=75,
    )


@case_16("core", "report a register at the end that is not below the one at the beginning", "§4.8, §4.10", "TC_068_CS")
async def register_of_a_transaction(stage: Stage) -> None:
    transaction = await charging(stage)
    stage.check(
        isinstance(transaction.started.payload.get("meterStart"), int), "StartTransaction has no meterStart", "§6.45"
    )
    since = stage.now
    await present(stage)
    frame = await stopped(stage, transaction, since)
    stage.check(
        frame.payload.get("idTag") in (None, transaction.started.payload.get("idTag")),
        "StopTransaction names another card than StartTransaction, though the same was presented",
        "§4.10",
        frame.number,
    )
