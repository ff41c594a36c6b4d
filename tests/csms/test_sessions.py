"""Charging sessions as the CSMS sees them: boots, tokens, transactions."""

from __future__ import annotations

from typing import Any

import pytest

from csms.central_system import CentralSystem
from csms.configuration import Settings
from csms.operator_api import overview
from tests.csms.peer import BOOT, connected


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
async def test_nothing_but_a_boot_is_taken_before_it_was_accepted(csms: CentralSystem, version: str) -> None:
    """Other CALLs get SecurityError; after the boot, and on a later connection without one, they are answered."""
    async with connected(csms.address, version, boot=False) as charge_point:
        answer = await charge_point.ask([2, "a", "Heartbeat", {}])
        assert answer[:3] == [4, "a", "SecurityError"]
        boot = await charge_point.boot()
        assert (boot["status"], boot["interval"]) == ("Accepted", 300)
        await charge_point.silence_until_heartbeat()
    async with connected(csms.address, version, boot=False) as charge_point:
        await charge_point.silence_until_heartbeat()


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
async def test_a_boot_that_is_not_accepted_keeps_the_door_shut(status: str) -> None:
    system = CentralSystem(Settings(boot=status, retry_s=7))
    async with (
        system.listening("127.0.0.1", 0) as address,
        connected(address, "2.0.1", boot=False) as charge_point,
    ):
        boot = await charge_point.call("BootNotification", BOOT["ocpp2.0.1"])
        answer = await charge_point.ask([2, "a", "Heartbeat", {}])
    assert (boot["status"], boot["interval"]) == (status, 7)
    assert answer[2] == "SecurityError"


async def test_a_1_6_session_is_kept_from_start_to_stop(csms: CentralSystem) -> None:
    """The store holds the transaction with its meter readings, reason and samples."""
    async with connected(csms.address, "1.6") as charge_point:
        start = await charge_point.call("StartTransaction", start_16(meter=100))
        transaction_id = start["transactionId"]
        await charge_point.call(
            "MeterValues",
            {
                "connectorId": 1,
                "transactionId": transaction_id,
                "meterValue": [{"timestamp": "2026-01-01T00:05:00Z", "sampledValue": [{"value": "350"}]}],
            },
        )
        assert [t["transaction_id"] for t in csms.store.open_transactions()] == [str(transaction_id)]
        stop = await charge_point.call(
            "StopTransaction",
            {
                "transactionId": transaction_id,
                "meterStop": 600,
                "timestamp": "2026-01-01T00:10:00Z",
                "reason": "Remote",
            },
        )
    assert stop == {}
    row = csms.store.transaction("CHARGER-001", str(transaction_id))
    assert row is not None
    assert (row["meter_start_wh"], row["meter_stop_wh"], row["stop_reason"]) == (100, 600, "Remote")
    samples = csms.store.rows("SELECT measurand, value, unit, transaction_id FROM meter_values")
    assert samples == [
        {
            "measurand": "Energy.Active.Import.Register",
            "value": "350",
            "unit": "Wh",
            "transaction_id": str(transaction_id),
        }
    ]


async def test_transaction_ids_differ(csms: CentralSystem) -> None:
    async with (
        connected(csms.address, "1.6", "A") as one,
        connected(csms.address, "1.6", "B") as two,
    ):
        ids = [
            (await peer.call("StartTransaction", start_16(connector=connector)))["transactionId"]
            for peer in (one, two)
            for connector in (1, 2)
        ]
    assert len(set(ids)) == 4
    assert all(0 < transaction_id < 2**31 for transaction_id in ids)


async def test_an_unknown_stop_is_answered(csms: CentralSystem) -> None:
    """Withholding the answer would only make the charge point send it again."""
    async with connected(csms.address, "1.6") as charge_point:
        answer = await charge_point.call(
            "StopTransaction",
            {"transactionId": 42, "idTag": "TAG", "meterStop": 1, "timestamp": "2026-01-01T00:00:00Z"},
        )
    assert answer == {"idTagInfo": {"status": "Accepted"}}


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_a_2x_transaction_is_kept_whatever_order_its_events_come_in(csms: CentralSystem, version: str) -> None:
    """The answer has the status of the event's token, if any; a late event does not overwrite newer state."""
    async with connected(csms.address, version) as charge_point:
        started = await charge_point.call(
            "TransactionEvent",
            event("Started", 0, evse={"id": 1, "connectorId": 2}, idToken={"idToken": "TAG", "type": "ISO14443"}),
        )
        updated = await charge_point.call(
            "TransactionEvent", event("Updated", 2, transactionInfo=info(chargingState="SuspendedEV"))
        )
        await charge_point.call("TransactionEvent", event("Updated", 1, transactionInfo=info(chargingState="Charging")))
        open_row = csms.store.transaction("CHARGER-001", "tx-1")
        ended = await charge_point.call(
            "TransactionEvent", event("Ended", 3, transactionInfo=info(stoppedReason="EVDisconnected"))
        )
    assert (started, updated, ended) == ({"idTokenInfo": {"status": "Accepted"}}, {}, {})
    assert open_row is not None
    assert (open_row["evse_id"], open_row["connector_id"], open_row["charging_state"]) == (1, 2, "SuspendedEV")
    row = csms.store.transaction("CHARGER-001", "tx-1")
    assert row is not None
    assert (row["stopped"], row["stop_reason"]) == ("2026-01-01T00:00:00Z", "EVDisconnected")


async def test_energy_is_read_by_the_meters_time_at_the_outlet(csms: CentralSystem) -> None:
    """Late messages, registers at the inlet and non-finite numbers do not change the charged energy."""
    register = "Energy.Active.Import.Register"

    def measured(kind: str, seq_no: int, hour: str, *samples: dict[str, Any]) -> dict[str, Any]:
        return event(kind, seq_no, meterValue=[{"timestamp": f"2026-01-01T{hour}", "sampledValue": samples}])

    outlet = {"value": 9, "measurand": register, "location": "Outlet", "unitOfMeasure": {"multiplier": 3}}
    inlet = {"value": 777_000, "measurand": register, "location": "Inlet"}
    ended = measured("Ended", 2, "02:00:00+00:00", outlet, inlet, {"value": 80, "measurand": "SoC", "location": "EV"})
    async with connected(csms.address, "2.0.1") as charge_point:
        await charge_point.call("TransactionEvent", measured("Started", 0, "00:00:00Z", {"value": 1}))
        await charge_point.call("TransactionEvent", ended)
        await charge_point.call("TransactionEvent", measured("Updated", 1, "02:30:00+01:00", {"value": 5}))
    async with connected(csms.address, "1.6", "CHARGER-002") as charge_point:
        start = await charge_point.call("StartTransaction", start_16(meter=1000))
        for minute, value in ((1, "2000"), (2, "1e999"), (3, "nan")):
            sample = {"timestamp": f"2026-01-01T00:0{minute}:00Z", "sampledValue": [{"value": value}]}
            told = {"connectorId": 1, "transactionId": start["transactionId"], "meterValue": [sample]}
            await charge_point.call("MeterValues", told)
    shown = {
        name: overview.charge_point(csms.context, csms.connections, name) for name in ("CHARGER-001", "CHARGER-002")
    }
    [[first], [second]] = [known["transactions"] for known in shown.values() if known is not None]
    assert (first["energy_wh"], first["soc"]) == (8999, 80)
    assert second["energy_wh"] == 1000


async def test_tokens_are_judged_by_the_list(csms: CentralSystem) -> None:
    """Blocked and expired tokens, and at the start of a transaction ConcurrentTx tokens, have different answers."""
    csms.store.set_token("BLOCKED", "Blocked")
    csms.store.set_token("OLD", "Accepted", expires="2020-01-01T00:00:00Z")
    csms.store.set_token("SINGLE", "Accepted", concurrent=False)
    async with connected(csms.address, "1.6") as charge_point:
        verdicts = {}
        for tag in ("blocked", "OLD", "SINGLE", "ANY"):
            verdicts[tag] = (await charge_point.call("Authorize", {"idTag": tag}))["idTagInfo"]["status"]
        first = await charge_point.call("StartTransaction", start_16(tag="SINGLE", connector=1))
        second = await charge_point.call("StartTransaction", start_16(tag="SINGLE", connector=2))
        authorize = await charge_point.call("Authorize", {"idTag": "SINGLE"})
    assert verdicts == {"blocked": "Blocked", "OLD": "Expired", "SINGLE": "Accepted", "ANY": "Accepted"}
    assert first["idTagInfo"]["status"] == "Accepted"
    assert second["idTagInfo"]["status"] == "ConcurrentTx"
    assert authorize["idTagInfo"]["status"] == "Accepted"


def start_16(meter: int = 0, connector: int = 1, tag: str = "TAG") -> dict[str, Any]:
    return {"connectorId": connector, "idTag": tag, "meterStart": meter, "timestamp": "2026-01-01T00:00:00Z"}


def info(**more: Any) -> dict[str, Any]:
    return {"transactionId": "tx-1", **more}


def event(kind: str, seq_no: int, **more: Any) -> dict[str, Any]:
    return {
        "eventType": kind,
        "timestamp": "2026-01-01T00:00:00Z",
        "triggerReason": "Trigger",
        "seqNo": seq_no,
        "transactionInfo": info(),
        **more,
    }
