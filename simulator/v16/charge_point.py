"""The messages of a charge point in OCPP 1.6, and the function that builds one."""

from __future__ import annotations

from collections.abc import Callable

from simulator.answers import routes
from simulator.charging.connector import Connector, Transaction
from simulator.charging.meter import Reading
from simulator.charging.smart_charging import SmartCharging
from simulator.charging.tokens import Verdict, when
from simulator.clock import timestamp
from simulator.csms_requests import Requests
from simulator.dialect import Dialect
from simulator.maintenance import Maintenance
from simulator.shared_answers import SharedAnswers
from simulator.signing import signed_data
from simulator.station import Station
from simulator.v16.core import Core16
from simulator.v16.maintenance import Maintenance16
from simulator.v16.smart_charging import Profiles16
from simulator.wire.connection import Identity
from simulator.wire.link import Message, Payload
from simulator.wire.outbox import Build


def charge_point_16(identity: Identity, log: Callable[[str], None]) -> Station:
    """Build a charge point that speaks OCPP 1.6 edition 2 with the security extensions."""
    station = Station(identity, Dialect16, log)
    smart_charging = SmartCharging(station, "chargingProfileId", strict=False)
    requests, maintenance = Requests(station, smart_charging), Maintenance(station)
    station.answering.routes = routes(
        SharedAnswers(station, requests, maintenance),
        Core16(station, requests, maintenance),
        Profiles16(smart_charging),
        Maintenance16(station, maintenance),
    )
    return station


class Dialect16(Dialect):
    """The messages of OCPP 1.6."""

    version = "1.6"
    bad_certificate_event = "InvalidChargePointCertificate"
    list_version_member = "listVersion"
    list_off = ("NotSupported", -1)

    def boot(self, reason: str, firmware: str) -> Message:
        return "BootNotification", {
            "chargePointVendor": self.identity.vendor,
            "chargePointModel": self.identity.model,
            "chargePointSerialNumber": self.identity.id[:25],
            "firmwareVersion": firmware,
        }

    def whole_status(self, operative: bool) -> Message:
        return _status(0, "NoError", "Available" if operative else "Unavailable")

    def status(self, connector: Connector) -> Message:
        return _status(connector.number, connector.error_code, connector.status)

    def shown_status(self, status: str) -> str:
        return status

    def firmware_status(self, status: str, request_id: int | None) -> Message:
        if request_id is None:
            return "FirmwareStatusNotification", {"status": status}
        info = {} if status == "Idle" else {"requestId": request_id}
        return "SignedFirmwareStatusNotification", {"status": status, **info}

    def authorize(self, token: str, kind: str) -> Message:
        return "Authorize", {"idTag": token}

    def authorized(self, answer: Payload) -> Verdict:
        return _verdict(answer["idTagInfo"])

    def list_entry(self, entry: Payload) -> tuple[str, Verdict | None]:
        return entry["idTag"], _verdict(entry["idTagInfo"]) if "idTagInfo" in entry else None

    def meter_values(self, connector: Connector, reading: Reading, context: str) -> Message | None:
        value = self._meter_value(reading, context)
        return None if value is None else ("MeterValues", {"connectorId": connector.number, "meterValue": [value]})

    def started(self, connector: Connector, tx: Transaction, reading: Reading, trigger: str) -> Build:
        payload: Payload = {
            "connectorId": connector.number,
            "idTag": tx.id_token,
            "meterStart": reading.energy_wh,
            "timestamp": tx.started,
        }
        if tx.reservation_id is not None:
            payload["reservationId"] = tx.reservation_id
        tx.noted(tx.started, reading, "Transaction.Begin")
        return lambda offline: ("StartTransaction", payload)

    def start_answered(self, tx: Transaction, answer: Payload) -> Verdict:
        tx.number = answer["transactionId"]
        return _verdict(answer["idTagInfo"])

    def sampled(self, connector: Connector, tx: Transaction, reading: Reading, context: str) -> Build | None:
        value = self._meter_value(reading, context)
        if context == "Sample.Periodic":
            tx.noted(timestamp(), reading, context)
        if value is None:
            return None
        return lambda offline: (
            "MeterValues",
            {"connectorId": connector.number, "transactionId": _number(tx), "meterValue": [value]},
        )

    def stopped(self, connector: Connector, tx: Transaction, reading: Reading, reason: str, token: str | None) -> Build:
        stamp = timestamp()
        tx.noted(stamp, reading, "Transaction.End")
        # By 9.1.26 StopTransaction repeats the transaction's readings, with the measurands of StopTxnSampledData.
        wanted = self.settings.measurands("SampledDataCtrlr", "TxEndedMeasurands")
        data = [value for noted in tx.readings if (value := _meter_value(*noted, wanted)) is not None]
        if self.identity.signed:
            data.append(self._signed_value(reading, stamp))

        def build(offline: bool) -> Message:
            payload: Payload = {
                "transactionId": _number(tx),
                "meterStop": reading.energy_wh,
                "timestamp": stamp,
                "reason": reason,
            }
            if token is not None:
                payload["idTag"] = token
            if data:
                payload["transactionData"] = data
            return "StopTransaction", payload

        return build

    def _meter_value(self, reading: Reading, context: str) -> Payload | None:
        """Return a MeterValue with the measurands configured for its context; None if there are none."""
        component = "AlignedDataCtrlr" if context == "Sample.Clock" else "SampledDataCtrlr"
        variable = "Measurands" if context == "Sample.Clock" else "TxUpdatedMeasurands"
        return _meter_value(timestamp(), reading, context, self.settings.measurands(component, variable))

    def _signed_value(self, reading: Reading, stamp: str) -> Payload:
        """Return a MeterValue with the signed final reading (OCPP 1.6, 7.43: format SignedData)."""
        value = {
            "value": signed_data(self.certificates, self.identity.id, reading, stamp),
            "context": "Transaction.End",
            "format": "SignedData",
            "measurand": "Energy.Active.Import.Register",
            "location": "Outlet",
            "unit": "Wh",
        }
        return {"timestamp": stamp, "sampledValue": [value]}


def _status(number: int, error: str, status: str) -> Message:
    payload = {"connectorId": number, "errorCode": error, "status": status, "timestamp": timestamp()}
    return "StatusNotification", payload


def _verdict(info: Payload) -> Verdict:
    """Return the verdict in an IdTagInfo."""
    return Verdict(str(info["status"]), when(info.get("expiryDate")), info.get("parentIdTag"))


def _number(tx: Transaction) -> int:
    """Return the CSMS's transaction id, or -1 if the start was never answered (1.6 errata 3.18)."""
    return -1 if tx.number is None else tx.number


def _meter_value(stamp: str, reading: Reading, context: str, wanted: list[str]) -> Payload | None:
    """Return a reading as a MeterValue with the wanted measurands; None if it has none of them."""
    values = {
        "Energy.Active.Import.Register": (str(reading.energy_wh), "Wh", "Outlet"),
        "Power.Active.Import": (str(reading.power_w), "W", "Outlet"),
        "Current.Import": (f"{reading.current_a:.1f}", "A", "Outlet"),
        "Voltage": (f"{reading.voltage_v:.1f}", "V", "Outlet"),
    }
    if reading.soc is not None:
        values["SoC"] = (str(reading.soc), "Percent", "EV")
    samples = [
        {"value": value, "context": context, "measurand": measurand, "location": location, "unit": unit}
        for measurand, (value, unit, location) in values.items()
        if measurand in wanted
    ]
    return {"timestamp": stamp, "sampledValue": samples} if samples else None
