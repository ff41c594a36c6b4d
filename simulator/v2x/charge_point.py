"""The messages of a charging station in OCPP 2.0.1 and 2.1, and the function that builds one for 2.0.1."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator.answers import routes
from simulator.certificates import CertificateStore
from simulator.charging.connector import Connector, Transaction
from simulator.charging.meter import Reading
from simulator.charging.reservations import Reservation
from simulator.charging.smart_charging import SmartCharging
from simulator.charging.tokens import Verdict, when
from simulator.clock import timestamp
from simulator.csms_requests import Requests
from simulator.dialect import Dialect
from simulator.maintenance import Maintenance
from simulator.settings import Settings
from simulator.shared_answers import SharedAnswers
from simulator.signing import SIGNING_METHOD, signed_data
from simulator.station import Station
from simulator.v2x.device_model import DeviceModel
from simulator.v2x.display import Display
from simulator.v2x.iso15118 import SmartVehicles
from simulator.v2x.maintenance import Maintenance2x
from simulator.v2x.monitoring import Monitors
from simulator.v2x.remote_control import RemoteControl
from simulator.v2x.smart_charging import Profiles2x
from simulator.wire.connection import Identity
from simulator.wire.link import Message, Payload
from simulator.wire.outbox import Build

CHARGING_STATE = {
    "Charging": "Charging",
    "SuspendedEV": "SuspendedEV",
    "SuspendedEVSE": "SuspendedEVSE",
    "Preparing": "EVConnected",
    "Finishing": "EVConnected",
}
"""Status of a connector -> ChargingState; for all other statuses it is Idle."""

END_TRIGGER = {
    "Local": "StopAuthorized",
    "Remote": "RemoteStop",
    "EVDisconnected": "EVCommunicationLost",
    "DeAuthorized": "Deauthorized",
    "ImmediateReset": "ResetCommand",
    "UnlockCommand": "UnlockCommand",
}
"""Reason for stopping -> TriggerReason of the Ended event; for all other reasons it is AbnormalCondition."""

STOPPED_REASON = {
    "HardReset": "ImmediateReset",
    "SoftReset": "ImmediateReset",
    "UnlockCommand": "Other",
}
"""Reason for stopping in 1.6 -> reason in 2.x, if they differ."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a 2.0.1 charging station that 2.1 extends."""

    device_model: DeviceModel
    monitors: Monitors
    profiles: Profiles2x


def add_answers(station: Station) -> Parts:
    """Give a station the answers that 2.0.1 and 2.1 share, and return the parts that 2.1 extends."""
    smart_charging = SmartCharging(station, "id", strict=True)
    requests, maintenance = Requests(station, smart_charging), Maintenance(station)
    device_model = DeviceModel(station, requests)
    monitors = Monitors(station, device_model)
    SmartVehicles(station)
    profiles = Profiles2x(station, smart_charging)
    station.answering.routes = routes(
        SharedAnswers(station, requests, maintenance),
        device_model,
        monitors,
        RemoteControl(station, requests, maintenance),
        profiles,
        Maintenance2x(station, maintenance),
        Display(station),
    )
    return Parts(device_model, monitors, profiles)


def charge_point_201(identity: Identity, log: Callable[[str], None]) -> Station:
    """Build a charging station that speaks OCPP 2.0.1 edition 3."""
    station = Station(identity, Dialect201, log)
    add_answers(station)
    return station


class Dialect201(Dialect):
    """The messages of OCPP 2.0.1."""

    version = "2.0.1"
    bad_certificate_event = "InvalidChargingStationCertificate"
    list_version_member = "versionNumber"
    list_off = ("Failed", 0)

    def __init__(self, identity: Identity, settings: Settings, certificates: CertificateStore) -> None:
        super().__init__(identity, settings, certificates)
        self._events = 0

    def boot(self, reason: str, firmware: str) -> Message:
        station = {
            "vendorName": self.identity.vendor,
            "model": self.identity.model,
            "serialNumber": self.identity.id[:25],
            "firmwareVersion": firmware,
        }
        return "BootNotification", {"reason": reason, "chargingStation": station}

    def status(self, connector: Connector) -> Message:
        return "StatusNotification", {
            "timestamp": timestamp(),
            "connectorStatus": self.shown_status(connector.status),
            "evseId": connector.number,
            "connectorId": 1,
        }

    def shown_status(self, status: str) -> str:
        return status if status in ("Available", "Reserved", "Unavailable", "Faulted") else "Occupied"

    def fault(self, connector: Connector, cleared: bool) -> Message:
        """Write NotifyEvent for the connector's Problem variable (G05, N07)."""
        return self.event(
            {"name": "Connector", "evse": {"id": connector.number, "connectorId": 1}},
            {"name": "Problem"},
            "false" if cleared else "true",
            eventNotificationType="HardWiredNotification",
            trigger="Alerting",
            cleared=cleared,
            techCode=connector.error_code,
        )

    def event(self, component: Payload, variable: Payload, value: str, **members: Any) -> Message:
        self._events += 1
        event: Payload = {
            "eventId": self._events,
            "timestamp": timestamp(),
            "actualValue": value,
            "component": component,
            "variable": variable,
            **members,
        }
        return "NotifyEvent", {"generatedAt": timestamp(), "seqNo": 0, "tbc": False, "eventData": [event]}

    def reservation_ended(self, reservation: Reservation, why: str) -> Message:
        return "ReservationStatusUpdate", {"reservationId": reservation.id, "reservationUpdateStatus": why}

    def firmware_status(self, status: str, request_id: int | None) -> Message:
        # L01.FR.20: the status Idle has no request id.
        info = {} if status == "Idle" else {"requestId": request_id}
        return "FirmwareStatusNotification", {"status": status, **info}

    def log_canceled(self, request_id: int | None) -> Message:
        return "LogStatusNotification", {"status": "AcceptedCanceled", "requestId": request_id}

    def rejected(self, reason: str) -> Payload:
        return {"status": "Rejected", "statusInfo": {"reasonCode": reason}}

    def authorize(self, token: str, kind: str) -> Message:
        return "Authorize", {"idToken": {"idToken": token, "type": kind}}

    def authorized(self, answer: Payload) -> Verdict:
        return _verdict(answer["idTokenInfo"])

    def list_entry(self, entry: Payload) -> tuple[str, Verdict | None]:
        return entry["idToken"]["idToken"], _verdict(entry["idTokenInfo"]) if "idTokenInfo" in entry else None

    def meter_values(self, connector: Connector, reading: Reading, context: str) -> Message | None:
        value = self._meter_value(reading, context)
        return None if value is None else ("MeterValues", {"evseId": connector.number, "meterValue": [value]})

    def _event(
        self,
        connector: Connector,
        tx: Transaction,
        kind: str,
        trigger: str,
        meter_value: Payload | None = None,
        info: Payload | None = None,
        **members: Any,
    ) -> Build:
        """Write a TransactionEvent with the current seqNo and timestamp; `offline` is added when it is sent."""
        payload: Payload = {
            "eventType": kind,
            "timestamp": timestamp(),
            "triggerReason": trigger,
            "seqNo": tx.seq_no,
            "transactionInfo": {
                "transactionId": tx.id,
                "chargingState": CHARGING_STATE.get(connector.status, "Idle"),
                **(info or {}),
                **tx.once,
            },
            **members,
            **self.costs(tx, kind),
        }
        tx.once = {}
        tx.seq_no += 1
        if meter_value is not None:
            payload["meterValue"] = [meter_value]
        if not tx.evse_told:
            payload["evse"] = {"id": connector.number, "connectorId": 1}
            tx.evse_told = True
        return lambda offline: ("TransactionEvent", {**payload, "offline": True} if offline else payload)

    def costs(self, tx: Transaction, kind: str) -> Payload:
        """Return costDetails for an event, which only 2.1 has."""
        return {}

    def updated(self, connector: Connector, tx: Transaction, trigger: str) -> Build:
        reading = connector.meter.reading(connector.vehicle)
        return self._event(connector, tx, "Updated", trigger, self._meter_value(reading, "Other"))

    def started(self, connector: Connector, tx: Transaction, reading: Reading, trigger: str) -> Build:
        members: Payload = {"idToken": {"idToken": tx.id_token, "type": tx.token_type}}
        if tx.reservation_id is not None:
            members["reservationId"] = tx.reservation_id
        info = {} if tx.remote_start_id is None else {"remoteStartId": tx.remote_start_id}
        value = self._meter_value(reading, "Transaction.Begin", "TxStartedMeasurands")
        return self._event(connector, tx, "Started", trigger, value, info, **members)

    def start_answered(self, tx: Transaction, answer: Payload) -> Verdict:
        info = answer.get("idTokenInfo")
        return Verdict("Accepted") if info is None else _verdict(info)

    def sampled(self, connector: Connector, tx: Transaction, reading: Reading, context: str) -> Build | None:
        value = self._meter_value(reading, context)
        if value is None:
            return None
        trigger = {"Sample.Periodic": "MeterValuePeriodic", "Sample.Clock": "MeterValueClock"}.get(context, "Trigger")
        return self._event(connector, tx, "Updated", trigger, value)

    def state_changed(self, connector: Connector, tx: Transaction) -> Build:
        return self._event(connector, tx, "Updated", "ChargingStateChanged")

    def rate_changed(self, connector: Connector, tx: Transaction, reading: Reading) -> Build:
        return self._event(connector, tx, "Updated", "ChargingRateChanged", self._meter_value(reading, "Other"))

    def stopped(self, connector: Connector, tx: Transaction, reading: Reading, reason: str, token: str | None) -> Build:
        value = self._meter_value(reading, "Transaction.End", "TxEndedMeasurands")
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
        return self._event(connector, tx, "Ended", trigger, value, info, **members)

    def _meter_value(self, reading: Reading, context: str, measurands: str = "TxUpdatedMeasurands") -> Payload | None:
        """Return a MeterValueType with the measurands configured for its context; None if there are none."""
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
        """Return a reading as a SignedMeterValueType."""
        data = signed_data(self.certificates, self.identity.id, reading, stamp).encode()
        return {
            "signedMeterData": base64.b64encode(data).decode(),
            "signingMethod": SIGNING_METHOD,
            "encodingMethod": "OCMF",
            "publicKey": base64.b64encode(self.certificates.public_key()).decode(),
        }


def _verdict(info: Payload) -> Verdict:
    """Return the verdict in an IdTokenInfoType."""
    return Verdict(
        str(info["status"]), when(info.get("cacheExpiryDateTime")), info.get("groupIdToken", {}).get("idToken")
    )
