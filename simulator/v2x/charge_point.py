"""How a charging station puts things in OCPP 2.0.1: knows the payloads, decides nothing."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from simulator.answers import routes
from simulator.clock import timestamp
from simulator.connection import Identity
from simulator.connector import Connector, Transaction
from simulator.csms_requests import Requests
from simulator.link import Payload
from simulator.maintenance import Maintenance
from simulator.meter import Reading
from simulator.outbox import Build
from simulator.reservations import Reservation
from simulator.signing import SIGNING_METHOD, signed_data
from simulator.station import Station
from simulator.tokens import Verdict
from simulator.v2x.device_model import Device201
from simulator.v2x.display import Display201
from simulator.v2x.maintenance import Maintenance201
from simulator.v2x.monitoring import Monitors201
from simulator.v2x.remote_control import Remote201, verdict
from simulator.v2x.smart_charging import Profiles201

CHARGING_STATE = {
    "Charging": "Charging",
    "SuspendedEV": "SuspendedEV",
    "SuspendedEVSE": "SuspendedEVSE",
    "Preparing": "EVConnected",
    "Finishing": "EVConnected",
}
"""ChargingState by the finer status; everything else is Idle."""

END_TRIGGER = {
    "Local": "StopAuthorized",
    "Remote": "RemoteStop",
    "EVDisconnected": "EVCommunicationLost",
    "DeAuthorized": "Deauthorized",
    "ImmediateReset": "ResetCommand",
    "UnlockCommand": "UnlockCommand",
}
"""TriggerReason of the Ended event by the reason it stopped for; everything else is AbnormalCondition."""

STOPPED_REASON = {
    "HardReset": "ImmediateReset",
    "SoftReset": "ImmediateReset",
    "UnlockCommand": "Other",
}
"""ReasonEnumType where 2.x has another word for it."""


class ChargePoint201(Station):
    """A charging station that speaks OCPP 2.0.1 edition 3."""

    version = "2.0.1"

    def __init__(self, identity: Identity, say: Callable[[str], None] = lambda line: None) -> None:
        super().__init__(identity, say)
        self.requests = Requests(self)
        self.maintenance = Maintenance(self)
        self.device = Device201(self)
        self.monitors = Monitors201(self)
        self.profile_answers = Profiles201(self)
        self.routes = routes(
            self.device, self.monitors, Remote201(self), self.profile_answers, Maintenance201(self), Display201(self)
        )
        self._events = 0

    @property
    def connector_type(self) -> str:
        """ConnectorEnumType of every outlet."""
        return "cCCS2" if self.identity.direct_current else "sType2"

    async def say_boot(self, reason: str) -> tuple[str, int]:
        answer = await self.call(
            "BootNotification",
            {
                "reason": reason,
                "chargingStation": {
                    "vendorName": self.identity.vendor,
                    "model": self.identity.model,
                    "serialNumber": self.identity.id[:25],
                    "firmwareVersion": self.firmware,
                },
            },
        )
        return str(answer["status"]), int(answer["interval"])

    async def say_status(self, connector: Connector) -> None:
        await self.call(
            "StatusNotification",
            {
                "timestamp": timestamp(),
                "connectorStatus": self.shown_status(connector.status),
                "evseId": connector.number,
                "connectorId": 1,
            },
        )

    def shown_status(self, status: str) -> str:
        return status if status in ("Available", "Reserved", "Unavailable", "Faulted") else "Occupied"

    async def say_authorize(self, token: str, kind: str) -> Verdict:
        answer = await self.call("Authorize", {"idToken": {"idToken": token, "type": kind}})
        return verdict(answer["idTokenInfo"])

    async def say_meter_values(self, connector: Connector, reading: Reading, context: str) -> None:
        value = self.meter_value(reading, context)
        if value is not None:
            await self.call("MeterValues", {"evseId": connector.number, "meterValue": [value]})

    async def say_security_event(self, kind: str, info: str | None) -> None:
        payload = {"type": kind, "timestamp": timestamp()} | ({} if info is None else {"techInfo": info})
        await self.call("SecurityEventNotification", payload)

    async def say_fault(self, connector: Connector, cleared: bool) -> None:
        """Send NotifyEvent for the connector's Problem variable (G05, N07)."""
        await self.say_event(
            {"name": "Connector", "evse": {"id": connector.number, "connectorId": 1}},
            {"name": "Problem"},
            "false" if cleared else "true",
            cleared=cleared,
            techCode=connector.error_code,
        )

    async def say_event(self, component: Payload, variable: Payload, value: str, **members: Any) -> None:
        """Send NotifyEvent with one event; members are added to its EventData."""
        self._events += 1
        event: Payload = {
            "eventId": self._events,
            "timestamp": timestamp(),
            "trigger": "Alerting",
            "actualValue": value,
            "eventNotificationType": "HardWiredNotification",
            "component": component,
            "variable": variable,
            **members,
        }
        await self.call("NotifyEvent", {"generatedAt": timestamp(), "seqNo": 0, "tbc": False, "eventData": [event]})

    async def say_reservation_ended(self, reservation: Reservation, why: str) -> None:
        await self.call("ReservationStatusUpdate", {"reservationId": reservation.id, "reservationUpdateStatus": why})

    async def say_firmware_status(self) -> None:
        """Send how the firmware update goes; Idle needs no request id (L01.FR.20)."""
        status = self.maintenance.firmware_status
        info = {} if status == "Idle" else {"requestId": self.maintenance.update_id}
        await self.call("FirmwareStatusNotification", {"status": status, **info})

    async def say_log_status(self) -> None:
        """Send how the upload of a log goes."""
        status = self.maintenance.upload_status
        info = {} if status == "Idle" else {"requestId": self.maintenance.upload_id}
        await self.call(
            "LogStatusNotification", {"status": "UploadFailure" if status == "UploadFailed" else status, **info}
        )

    def event(
        self,
        connector: Connector,
        tx: Transaction,
        kind: str,
        trigger: str,
        meter_value: Payload | None = None,
        info: Payload | None = None,
        **members: Any,
    ) -> Build:
        """Return a TransactionEvent; its seqNo and timestamp are taken now, `offline` is known when it is sent."""
        payload: Payload = {
            "eventType": kind,
            "timestamp": timestamp(),
            "triggerReason": trigger,
            "seqNo": tx.seq_no,
            "transactionInfo": {
                "transactionId": tx.id,
                "chargingState": CHARGING_STATE.get(connector.status, "Idle"),
                **(info or {}),
            },
            **members,
        }
        tx.seq_no += 1
        if meter_value is not None:
            payload["meterValue"] = [meter_value]
        if not tx.evse_told:
            payload["evse"] = {"id": connector.number, "connectorId": 1}
            tx.evse_told = True
        return lambda offline: ("TransactionEvent", {**payload, "offline": True} if offline else payload)

    def started(self, connector: Connector, tx: Transaction, reading: Reading, trigger: str) -> Build:
        members: Payload = {"idToken": {"idToken": tx.id_token, "type": tx.token_type}}
        if tx.reservation_id is not None:
            members["reservationId"] = tx.reservation_id
        info = {} if tx.remote_start_id is None else {"remoteStartId": tx.remote_start_id}
        value = self.meter_value(reading, "Transaction.Begin", "TxStartedMeasurands")
        return self.event(connector, tx, "Started", trigger, value, info, **members)

    def understood_start(self, tx: Transaction, answer: Payload) -> Verdict:
        info = answer.get("idTokenInfo")
        return Verdict("Accepted") if info is None else verdict(info)

    def sampled(self, connector: Connector, tx: Transaction, reading: Reading, context: str) -> Build | None:
        value = self.meter_value(reading, context)
        if value is None:
            return None
        trigger = {"Sample.Periodic": "MeterValuePeriodic", "Sample.Clock": "MeterValueClock"}.get(context, "Trigger")
        return self.event(connector, tx, "Updated", trigger, value)

    def state_changed(self, connector: Connector, tx: Transaction, reading: Reading) -> Build | None:
        return self.event(connector, tx, "Updated", "ChargingStateChanged")

    def rate_changed(self, connector: Connector, tx: Transaction, reading: Reading) -> Build | None:
        return self.event(connector, tx, "Updated", "ChargingRateChanged", self.meter_value(reading, "Other"))

    def stopped(self, connector: Connector, tx: Transaction, reading: Reading, reason: str, token: str | None) -> Build:
        value = self.meter_value(reading, "Transaction.End", "TxEndedMeasurands")
        if self.identity.signed and value is not None:
            value["sampledValue"][0]["signedMeterValue"] = self._signed(reading, value["timestamp"])
        info = {
            "stoppedReason": STOPPED_REASON.get(reason, reason),
            "chargingState": "EVConnected" if connector.plugged and reason != "EVDisconnected" else "Idle",
        }
        members: Payload = {}
        if token is not None:
            members["idToken"] = {"idToken": token, "type": tx.token_type}
        trigger = END_TRIGGER.get(STOPPED_REASON.get(reason, reason), END_TRIGGER.get(reason, "AbnormalCondition"))
        return self.event(connector, tx, "Ended", trigger, value, info, **members)

    def meter_value(self, reading: Reading, context: str, measurands: str = "TxUpdatedMeasurands") -> Payload | None:
        """Return a MeterValueType of the measurands that the device model names for its context; None for none."""
        values: dict[str, tuple[float, str, str]] = {
            "Energy.Active.Import.Register": (reading.energy_wh, "Wh", "Outlet"),
            "Power.Active.Import": (reading.power_w, "W", "Outlet"),
            "Current.Import": (reading.current_a, "A", "Outlet"),
            "Voltage": (reading.voltage_v, "V", "Outlet"),
        }
        if reading.soc is not None:
            values["SoC"] = (reading.soc, "Percent", "EV")
        row = ("AlignedDataCtrlr", "Measurands") if context == "Sample.Clock" else ("SampledDataCtrlr", measurands)
        wanted = self.settings.measurands(*row)
        samples = [
            {
                "value": value,
                "context": context,
                "measurand": measurand,
                "location": location,
                "unitOfMeasure": {"unit": unit},
            }
            for measurand, (value, unit, location) in values.items()
            if measurand in wanted
        ]
        return {"timestamp": timestamp(), "sampledValue": samples} if samples else None

    def _signed(self, reading: Reading, stamp: str) -> Payload:
        """Return a SignedMeterValueType of a reading."""
        data = signed_data(self.certificates, self.identity.id, reading, stamp).encode()
        return {
            "signedMeterData": base64.b64encode(data).decode(),
            "signingMethod": SIGNING_METHOD,
            "encodingMethod": "OCMF",
            "publicKey": base64.b64encode(self.certificates.public_key()).decode(),
        }
