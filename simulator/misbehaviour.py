"""Violate the specification on request, to test ChargeSentinel's rules and CSMSs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable

from simulator.charging.connector import Connector
from simulator.clock import timestamp
from simulator.station import Station
from simulator.wire.link import LinkLost, Payload

type Misbehaviour = Callable[[Station, Connector], Awaitable[None]]

MISBEHAVIOURS: dict[str, Misbehaviour] = {}


def misbehaviour(function: Misbehaviour) -> Misbehaviour:
    """Add a coroutine function to `MISBEHAVIOURS`, under its name with hyphens."""
    MISBEHAVIOURS[function.__name__.replace("_", "-")] = function
    return function


async def _send(station: Station, frame: list[object]) -> None:
    if station.link is None:
        raise LinkLost(str(frame[2]), "was not sent: offline")
    message_id = str(frame[1]) if frame[0] == 2 else None
    await station.link.shout(json.dumps(frame, separators=(",", ":")), message_id)


def _heartbeat(message_id: str | None = None) -> list[object]:
    return [2, message_id or str(uuid.uuid4()), "Heartbeat", {}]


def _status(station: Station, connector: Connector, status: str) -> list[object]:
    payload: Payload
    if station.version == "1.6":
        payload = {"connectorId": connector.number, "errorCode": "NoError", "status": status}
    else:
        shown = station.dialect.shown_status(status)
        payload = {"evseId": connector.number, "connectorId": 1, "connectorStatus": shown, "timestamp": timestamp()}
    return [2, str(uuid.uuid4()), "StatusNotification", payload]


@misbehaviour
async def traffic_before_boot(station: Station, connector: Connector) -> None:
    """Send StatusNotification before the next BootNotification."""

    async def early() -> None:
        station.before_boot = None
        await _send(station, _status(station, connector, "Available"))

    station.before_boot = early


@misbehaviour
async def reused_message_id(station: Station, connector: Connector) -> None:
    """Send two different CALLs with the same id."""
    message_id = str(uuid.uuid4())
    await _send(station, _heartbeat(message_id))
    frame = _status(station, connector, connector.status)
    frame[1] = message_id
    await _send(station, frame)


@misbehaviour
async def over_long_message_id(station: Station, connector: Connector) -> None:
    """Send a CALL whose id has more than 36 characters."""
    await _send(station, _heartbeat("x" * 40))


@misbehaviour
async def unknown_answer(station: Station, connector: Connector) -> None:
    """Answer a CALL that the CSMS did not send."""
    await _send(station, [3, f"unknown-{uuid.uuid4().hex[:8]}", {}])


@misbehaviour
async def two_calls_at_once(station: Station, connector: Connector) -> None:
    """Send a second CALL while the first one is pending."""
    if station.link is not None:
        beats = [_heartbeat(), _heartbeat()]
        await station.link.shout_at_once({str(beat[1]): json.dumps(beat, separators=(",", ":")) for beat in beats})


@misbehaviour
async def unknown_action(station: Station, connector: Connector) -> None:
    """Send an action that OCPP does not have."""
    await _send(station, [2, str(uuid.uuid4()), "MakeCoffee", {"cups": 2}])


@misbehaviour
async def request_suffix(station: Station, connector: Connector) -> None:
    """Send the name of the schema, such as BootNotificationRequest, as the action."""
    await _send(station, [2, str(uuid.uuid4()), "HeartbeatRequest", {}])


@misbehaviour
async def malformed_json(station: Station, connector: Connector) -> None:
    """Send a truncated frame."""
    if station.link is not None:
        await station.link.shout('[2,"truncated","Heartbeat",{')


@misbehaviour
async def binary_frame(station: Station, connector: Connector) -> None:
    """Send a binary WebSocket message."""
    if station.link is not None:
        await station.link.shout(json.dumps(_heartbeat()).encode())


@misbehaviour
async def wrong_type(station: Station, connector: Connector) -> None:
    """Send a string where the schema requires a number."""
    frame = _status(station, connector, connector.status)
    frame[3] |= {"connectorId": str(connector.number)}  # type: ignore[operator]
    await _send(station, frame)


@misbehaviour
async def foreign_value(station: Station, connector: Connector) -> None:
    """Send an enumeration value that the specification does not have."""
    frame = _status(station, connector, connector.status)
    frame[3] |= {"errorCode" if station.version == "1.6" else "connectorStatus": "Error"}  # type: ignore[operator]
    await _send(station, frame)


@misbehaviour
async def bad_timestamp(station: Station, connector: Connector) -> None:
    """Send a timestamp without an offset."""
    frame = _status(station, connector, connector.status)
    frame[3] |= {"timestamp": timestamp().removesuffix("Z")}  # type: ignore[operator]
    await _send(station, frame)


@misbehaviour
async def empty_member(station: Station, connector: Connector) -> None:
    """Send an optional member without content: null in 1.6; an empty object in 2.x, which the schema allows."""
    if station.version == "1.6":
        frame = _status(station, connector, connector.status)
        frame[3] |= {"info": None}  # type: ignore[operator]
    else:
        value = {"value": 0, "measurand": "Power.Active.Import", "unitOfMeasure": {}}
        values = [{"timestamp": timestamp(), "sampledValue": [value]}]
        frame = [2, str(uuid.uuid4()), "MeterValues", {"evseId": connector.number, "meterValue": values}]
    await _send(station, frame)


@misbehaviour
async def impossible_status(station: Station, connector: Connector) -> None:
    """Report Available, then Finishing. As 2.x allows that, report EVSE 0 there instead."""
    await _send(station, _status(station, connector, "Available"))
    frame = _status(station, connector, "Finishing")
    if station.version != "1.6":
        frame[3] |= {"evseId": 0}  # type: ignore[operator]
    await _send(station, frame)


@misbehaviour
async def falling_register(station: Station, connector: Connector) -> None:
    """Decrease the energy register and send meter values."""
    connector.meter.register_wh = max(0.0, connector.meter.register_wh - 500)
    await station.sample(connector, "Sample.Periodic")


@misbehaviour
async def stop_of_unknown_transaction(station: Station, connector: Connector) -> None:
    """End a transaction that was never started."""
    action, payload = "StopTransaction", {"transactionId": 999_999_999, "meterStop": 0, "timestamp": timestamp()}
    if station.version != "1.6":
        action = "TransactionEvent"
        payload = {
            "eventType": "Ended",
            "timestamp": timestamp(),
            "triggerReason": "StopAuthorized",
            "seqNo": 7,
            "transactionInfo": {"transactionId": str(uuid.uuid4()), "chargingState": "Idle", "stoppedReason": "Local"},
            "evse": {"id": connector.number, "connectorId": 1},
        }
    await _send(station, [2, str(uuid.uuid4()), action, payload])


@misbehaviour
async def gap_in_seq_no(station: Station, connector: Connector) -> None:
    """Skip two sequence numbers (2.x only)."""
    if connector.transaction is not None:
        connector.transaction.seq_no += 2
        await station.sample(connector, "Sample.Periodic")


@misbehaviour
async def sudden_end(station: Station, connector: Connector) -> None:
    """Drop the connection without a close frame, then reconnect."""
    if station.link is not None:
        station.link.socket.transport.abort()
        await station.offline.wait()
        await station.come_back()
