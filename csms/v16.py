"""The answers to a charge point of OCPP 1.6, including the security extensions."""

from __future__ import annotations

from typing import ClassVar

from ocpp.v16 import call_result
from ocpp.v16.datatypes import IdTagInfo
from ocpp.v16.enums import Action

from csms import timestamps, tokens
from csms.schemas import Payload, Version
from csms.store import Sample
from csms.wire.connection import Connection, answers


class ChargePoint16(Connection):
    """The connection of a charge point that speaks OCPP 1.6."""

    version: ClassVar[Version] = "1.6"
    _ocpp_version = "1.6"

    # Core profile

    @answers(Action.boot_notification)
    def on_boot(self, request: Payload) -> call_result.BootNotification:
        status, interval = self.boot(
            request["chargePointVendor"],
            request["chargePointModel"],
            request.get("firmwareVersion"),
            request.get("chargePointSerialNumber") or request.get("chargeBoxSerialNumber"),
        )
        return call_result.BootNotification(timestamps.now(), interval, status)

    @answers(Action.heartbeat)
    def on_heartbeat(self, request: Payload) -> call_result.Heartbeat:
        return call_result.Heartbeat(timestamps.now())

    @answers(Action.status_notification)
    def on_status(self, request: Payload) -> call_result.StatusNotification:
        connector = request["connectorId"]
        self.store.status(
            self.id,
            connector,
            connector,
            request["status"],
            request["errorCode"],
            request.get("timestamp") or timestamps.now(),
        )
        return call_result.StatusNotification()

    @answers(Action.authorize)
    def on_authorize(self, request: Payload) -> call_result.Authorize:
        return call_result.Authorize(self._id_tag_info(request["idTag"]))

    @answers(Action.start_transaction)
    def on_start(self, request: Payload) -> call_result.StartTransaction:
        connector, id_tag, started = request["connectorId"], request["idTag"], request["timestamp"]
        again = self.store.same_start(self.id, connector, id_tag, started)
        if again is not None:
            return call_result.StartTransaction(again["id"], IdTagInfo(again["authorization"]))
        info = self._id_tag_info(id_tag, starting=True)
        transaction_id = self.store.start(self.id, connector, id_tag, started, request["meterStart"], info.status)
        if "reservationId" in request:
            self.store.reservation_ended(self.id, request["reservationId"], "Used")
        return call_result.StartTransaction(transaction_id, info)

    @answers(Action.stop_transaction)
    def on_stop(self, request: Payload) -> call_result.StopTransaction:
        transaction_id = str(request["transactionId"])
        self.store.stop(
            self.id, transaction_id, request["timestamp"], request["meterStop"], request.get("reason", "Local")
        )
        self.store.transaction_profiles_ended(self.id, transaction_id)
        known = self.store.transaction(self.id, transaction_id)
        evse_id = known["evse_id"] if known else None
        self._keep_samples(request.get("transactionData", []), evse_id, transaction_id)
        # Answer for an unknown transaction too: otherwise the charge point would only repeat the message (4.10).
        return call_result.StopTransaction(self._id_tag_info(request["idTag"]) if "idTag" in request else None)

    @answers(Action.meter_values)
    def on_meter_values(self, request: Payload) -> call_result.MeterValues:
        transaction_id = request.get("transactionId")
        self._keep_samples(
            request["meterValue"],
            request["connectorId"],
            None if transaction_id is None else str(transaction_id),
        )
        return call_result.MeterValues()

    @answers(Action.data_transfer)
    def on_data_transfer(self, request: Payload) -> call_result.DataTransfer:
        self.store.notice(self.id, "DataTransfer", request)
        return call_result.DataTransfer("UnknownVendorId")

    # Firmware management

    @answers(Action.diagnostics_status_notification)
    def on_diagnostics_status(self, request: Payload) -> call_result.DiagnosticsStatusNotification:
        self.store.notice(self.id, "DiagnosticsStatusNotification", request)
        return call_result.DiagnosticsStatusNotification()

    @answers(Action.firmware_status_notification)
    def on_firmware_status(self, request: Payload) -> call_result.FirmwareStatusNotification:
        self.store.notice(self.id, "FirmwareStatusNotification", request)
        return call_result.FirmwareStatusNotification()

    # Security whitepaper

    @answers(Action.log_status_notification)
    def on_log_status(self, request: Payload) -> call_result.LogStatusNotification:
        self.store.notice(self.id, "LogStatusNotification", request)
        return call_result.LogStatusNotification()

    @answers(Action.security_event_notification)
    def on_security_event(self, request: Payload) -> call_result.SecurityEventNotification:
        self.store.notice(self.id, "SecurityEventNotification", request)
        return call_result.SecurityEventNotification()

    @answers(Action.sign_certificate)
    def on_sign_certificate(self, request: Payload) -> call_result.SignCertificate:
        return call_result.SignCertificate("Rejected" if self.sign(request["csr"], {}) else "Accepted")

    @answers(Action.signed_firmware_status_notification)
    def on_signed_firmware_status(self, request: Payload) -> call_result.SignedFirmwareStatusNotification:
        self.store.notice(self.id, "SignedFirmwareStatusNotification", request)
        return call_result.SignedFirmwareStatusNotification()

    def _id_tag_info(self, id_tag: str, starting: bool = False) -> IdTagInfo:
        unknown = self.context.settings.unknown_tokens
        verdict = tokens.judge(self.store, id_tag, unknown, self.id, starting)
        return IdTagInfo(verdict.status, expiry_date=verdict.expires, parent_id_tag=verdict.parent)

    def _keep_samples(self, meter_values: list[Payload], evse_id: int | None, transaction_id: str | None) -> None:
        samples = [
            Sample(
                meter_value["timestamp"],
                # By 1.6, 7.31 and 7.46 the default measurand is the energy register, in Wh.
                value.get("measurand", "Energy.Active.Import.Register"),
                value["value"],
                value.get("unit", "Wh" if "measurand" not in value else None),
                value.get("phase"),
                value.get("location"),
                value.get("context"),
            )
            for meter_value in meter_values
            for value in meter_value["sampledValue"]
        ]
        self.store.measured(self.id, evse_id, transaction_id, samples)
