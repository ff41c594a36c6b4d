"""Authorization and transactions that the person begins and ends (functional blocks C, E and J)."""

from __future__ import annotations

from typing import Any

from inspector.cli.conformance.case import case
from inspector.cli.conformance.cases_2x.flows import (
    charging,
    connector_is,
    ended,
    event,
    plug_in,
    present,
    set_variable,
    started,
    unplug,
)
from inspector.cli.conformance.stage import Stage


@case(
    "core",
    "charge after the car was plugged in and the card presented, until the card is presented again",
    "E02, E06",
    "TC_E_03_CS",
    "TC_E_06_CS",
)
async def charge_plug_in_first(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    await present(stage)
    await unplug(stage)
    await ended(stage, transaction, since, "Local", "EVDisconnected")


@case("core", "charge after the card was presented and the car plugged in", "E03.FR.01", "TC_E_04_CS")
async def charge_card_first(stage: Stage) -> None:
    since = stage.now
    await present(stage)
    await stage.person_does("plug-in", 1)
    stage.afterwards(lambda: unplug(stage))
    await started(stage, since, clause="E03.FR.01")


@case("core", "give up when no car is plugged in within EVConnectionTimeOut", "E03.FR.05", "TC_E_05_CS")
async def no_car_after_the_card(stage: Stage) -> None:
    await set_variable(stage, "TxCtrlr", "EVConnectionTimeOut", "10")
    since = stage.now
    await present(stage)
    begun = stage.first("TransactionEvent", event("Started"), since)
    if begun is not None:
        await stage.expect(
            "TransactionEvent",
            what="Ended with Timeout",
            where=event("Ended", stoppedReason="Timeout"),
            since=since,
            clause="E03.FR.05",
        )
    else:
        await stage.never(
            "TransactionEvent",
            what="without a car",
            where=event("Started"),
            since=since,
            clause="E03.FR.05",
            seconds=12,
        )


@case("core", "end or suspend the transaction when the car is unplugged", "E09, E10", "TC_E_20_CS", "TC_E_37_CS")
async def unplug_while_charging(stage: Stage) -> None:
    await set_variable(stage, "TxCtrlr", "StopTxOnEVSideDisconnect", "true", needed=False)
    transaction = await charging(stage)
    since = stage.now
    await stage.person_does("unplug", 1)
    await ended(stage, transaction, since, "EVDisconnected")
    await stage.expect("StatusNotification", where=connector_is("Available"), since=since, clause="G01.FR.01")


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
    card = await stage.expect("Authorize", since=since, clause="C01.FR.02")
    got = stage.answer_to(card).get("idTokenInfo", {}).get("status")
    stage.check(got == status, f"the card that was presented is not {token}; name its id with --token", "")
    await stage.never(
        "TransactionEvent",
        what="with the chargingState Charging for a card that is not accepted",
        where=event(None, None, chargingState="Charging"),
        since=since,
        clause="C01.FR.08",
    )


async def _allow(stage: Stage, token: str) -> None:
    stage.bench.store.set_token(token, status="Accepted")
    await stage.call("ClearCache", {})


@case("core", "do not charge for a card that the CSMS blocks", "C01.FR.08", "TC_C_06_CS")
async def blocked_card(stage: Stage) -> None:
    await _refused_card(stage, "Blocked")


@case("core", "do not charge for a card that the CSMS does not accept (Invalid)", "C01.FR.08", "TC_C_02_CS")
async def invalid_card(stage: Stage) -> None:
    await _refused_card(stage, "Invalid")


@case("core", "number the events of a transaction without gaps", "E01.FR.07, E02.FR.10")
async def sequence_numbers(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    await present(stage)
    await unplug(stage)
    await ended(stage, transaction, since)
    numbers = [one.payload.get("seqNo") for one in _events(stage, transaction.id)]
    first = numbers[0]
    right = isinstance(first, int) and numbers == list(range(first, first + len(numbers)))
    stage.check(right, f"the events have the seqNo {', '.join(map(str, numbers))}", "E01.FR.07")


def _events(stage: Stage, transaction: str) -> list[Any]:
    return [
        one
        for one in stage.frames.seen
        if one.action == "TransactionEvent" and one.kind == 2 and event(None, transaction)(one.payload)
    ]


def _contexts(payload: dict[str, Any]) -> set[str]:
    values = [value for entry in payload.get("meterValue") or [] for value in entry.get("sampledValue") or []]
    return {value.get("context", "Sample.Periodic") for value in values}


@case("core", "send sampled meter values while charging", "J02.FR.11", "TC_J_09_CS")
async def sampled_meter_values(stage: Stage) -> None:
    await set_variable(stage, "SampledDataCtrlr", "TxUpdatedInterval", "5")
    transaction = await charging(stage)
    since = stage.now
    for _ in range(2):
        sample = await stage.expect(
            "TransactionEvent",
            what="with a periodic sample",
            where=lambda p: event("Updated", transaction.id)(p) and "Sample.Periodic" in _contexts(p),
            since=since,
            clause="J02.FR.11",
        )
        since = sample.number + 1


@case("core", "report meter values at the end of a transaction", "J02.FR.10, E06.FR.11", "TC_J_10_CS")
async def values_at_the_end(stage: Stage) -> None:
    transaction = await charging(stage)
    since = stage.now
    await present(stage)
    await unplug(stage)
    await ended(stage, transaction, since)
    contexts = set().union(*(_contexts(one.payload) for one in _events(stage, transaction.id)))
    stage.check(
        "Transaction.End" in contexts,
        f"no event has a value with the context Transaction.End; there are {sorted(contexts)}",
        "E06.FR.11",
    )


@case("core", "send clock-aligned meter values", "J01.FR.01", "TC_J_01_CS")
async def clock_aligned_meter_values(stage: Stage) -> None:
    await set_variable(stage, "AlignedDataCtrlr", "Interval", "30")
    since = stage.now
    await stage.expect(
        "MeterValues",
        what="with a clock-aligned sample",
        where=lambda p: "Sample.Clock" in _contexts(p),
        since=since,
        clause="J01.FR.01",
        within=75,
    )


@case(
    "core",
    "report the status of a running and an unknown transaction",
    "E14.FR.01, E14.FR.02",
    "TC_E_28_CS",
    "TC_E_30_CS",
)
async def transaction_status(stage: Stage) -> None:
    answer = await stage.call("GetTransactionStatus", {"transactionId": "no-such-transaction"})
    stage.check(
        answer.get("ongoingIndicator") is False,
        "an unknown transaction has ongoingIndicator other than false",
        "E14.FR.01",
    )
    transaction = await charging(stage)
    answer = await stage.call("GetTransactionStatus", {"transactionId": transaction.id})
    stage.check(
        answer.get("ongoingIndicator") is True,
        "the running transaction has ongoingIndicator other than true",
        "E14.FR.03",
    )


@case("core", "report that a connector is occupied, and free again", "G01.FR.01", "TC_G_01_CS", "TC_G_02_CS")
async def connector_status(stage: Stage) -> None:
    await plug_in(stage)
    await unplug(stage)


@case("core", "clear the authorization cache, or reject it", "C11.FR.03", "TC_C_37_CS", "TC_C_38_CS")
async def clear_cache(stage: Stage) -> None:
    await stage.ask("ClearCache", {}, status=("Accepted", "Rejected"), clause="C11.FR.03")
