"""How a charge point puts things in OCPP 1.6: knows the payloads, decides nothing."""

from __future__ import annotations

from collections.abc import Callable

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
from simulator.signing import signed_data
from simulator.station import Station
from simulator.tokens import Verdict
from simulator.v16.core import Core16, verdict
from simulator.v16.maintenance import Security16
from simulator.v16.smart_charging import Profiles16


class ChargePoint16(Station):
    """A charge point that speaks OCPP 1.6 edition 2 with the security extensions."""

    version = "1.6"

    def __init__(self, identity: Identity, say: Callable[[str], None] = lambda line: None) -> None:
        super().__init__(identity, say)
        self.requests = Requests(self)
        self.maintenance = Maintenance(self)
        self.routes = routes(Core16(self), Profiles16(self), Security16(self))

    async def say_boot(self, reason: str) -> tuple[str, int]:
        answer = await self.call(
            "BootNotification",
            {
                "chargePointVendor": self.identity.vendor,
                "chargePointModel": self.identity.model,
                "chargePointSerialNumber": self.identity.id[:25],
                "firmwareVersion": self.firmware,
            },
        )
        return str(answer["status"]), int(answer["interval"])

    async def say_whole_status(self) -> None:
        """Report connector 0, the charge point itself."""
        operative = any(connector.operative for connector in self.connectors.values())
        await self._say_status(0, "NoError", "Available" if operative else "Unavailable")

    async def say_status(self, connector: Connector) -> None:
        await self._say_status(connector.number, connector.error_code, connector.status)

    async def _say_status(self, number: int, error: str, status: str) -> None:
        await self.call(
            "StatusNotification",
            {"connectorId": number, "errorCode": error, "status": status, "timestamp": timestamp()},
        )

    def shown_status(self, status: str) -> str:
        return status

    async def say_authorize(self, token: str, kind: str) -> Verdict:
        answer = await self.call("Authorize", {"idTag": token})
        return verdict(answer["idTagInfo"])

    async def say_meter_values(self, connector: Connector, reading: Reading, context: str) -> None:
        value = self.meter_value(reading, context)
        if value is None:
            return
        await self.call("MeterValues", {"connectorId": connector.number, "meterValue": [value]})

    async def say_security_event(self, kind: str, info: str | None) -> None:
        payload = {"type": kind, "timestamp": timestamp()} | ({} if info is None else {"techInfo": info})
        await self.call("SecurityEventNotification", payload)

    async def say_firmware_status(self) -> None:
        """Send how the firmware update goes, in the words of the kind that runs."""
        status, number = self.maintenance.firmware_status, self.maintenance.update_id
        if number is None:
            await self.call("FirmwareStatusNotification", {"status": status})
        elif status == "Idle":
            await self.call("SignedFirmwareStatusNotification", {"status": status})
        else:
            await self.call("SignedFirmwareStatusNotification", {"status": status, "requestId": number})

    async def say_log_status(self) -> None:
        """Send how the upload of a log goes."""
        status = self.maintenance.upload_status
        info = {} if status == "Idle" else {"requestId": self.maintenance.upload_id}
        await self.call(
            "LogStatusNotification", {"status": "UploadFailure" if status == "UploadFailed" else status, **info}
        )

    async def say_fault(self, connector: Connector, cleared: bool) -> None:
        """The errorCode of StatusNotification says it all in 1.6."""

    async def say_reservation_ended(self, reservation: Reservation, why: str) -> None:
        """StatusNotification says it all in 1.6."""

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

    def understood_start(self, tx: Transaction, answer: Payload) -> Verdict:
        tx.number = answer["transactionId"]
        return verdict(answer["idTagInfo"])

    def sampled(self, connector: Connector, tx: Transaction, reading: Reading, context: str) -> Build | None:
        value = self.meter_value(reading, context)
        if context == "Sample.Periodic":
            tx.noted(timestamp(), reading, context)
        if value is None:
            return None
        return lambda offline: (
            "MeterValues",
            {"connectorId": connector.number, "transactionId": _number(tx), "meterValue": [value]},
        )

    def state_changed(self, connector: Connector, tx: Transaction, reading: Reading) -> Build | None:
        return None

    def rate_changed(self, connector: Connector, tx: Transaction, reading: Reading) -> Build | None:
        return None

    def stopped(self, connector: Connector, tx: Transaction, reading: Reading, reason: str, token: str | None) -> Build:
        stamp = timestamp()
        tx.noted(stamp, reading, "Transaction.End")
        # 9.1.26: what StopTxnSampledData lists is told again, all of it together.
        wanted = self.settings.measurands("SampledDataCtrlr", "TxEndedMeasurands")
        data = [value for noted in tx.readings if (value := _meter_value(*noted, wanted)) is not None]
        if self.identity.signed:
            data.append(self.signed_value(reading, stamp))

        def build(offline: bool) -> tuple[str, Payload]:
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

    def meter_value(self, reading: Reading, context: str) -> Payload | None:
        """Return a MeterValue of the measurands that the configuration names for its context; None for none."""
        component = "AlignedDataCtrlr" if context == "Sample.Clock" else "SampledDataCtrlr"
        variable = "Measurands" if context == "Sample.Clock" else "TxUpdatedMeasurands"
        return _meter_value(timestamp(), reading, context, self.settings.measurands(component, variable))

    def signed_value(self, reading: Reading, stamp: str) -> Payload:
        """Return a MeterValue of the final register, signed (OCPP 1.6, 7.43: format SignedData)."""
        value = {
            "value": signed_data(self.certificates, self.identity.id, reading, stamp),
            "context": "Transaction.End",
            "format": "SignedData",
            "measurand": "Energy.Active.Import.Register",
            "location": "Outlet",
            "unit": "Wh",
        }
        return {"timestamp": stamp, "sampledValue": [value]}


def _number(tx: Transaction) -> int:
    """Return the CSMS's transaction id, or -1 where the start was never answered (1.6 errata 3.18)."""
    return -1 if tx.number is None else tx.number


def _meter_value(stamp: str, reading: Reading, context: str, wanted: list[str]) -> Payload | None:
    """Write a reading as a MeterValue of the wanted measurands; None where it has none of them."""
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
