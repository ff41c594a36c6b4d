"""The answers to a charging station of OCPP 2.0.1; those of 2.1 build on them."""

from __future__ import annotations

import base64
import logging
from typing import ClassVar

from ocpp.v201 import call_result
from ocpp.v201.datatypes import IdTokenInfoType, IdTokenType, StatusInfoType
from ocpp.v201.enums import Action

from csms import charging_plans, costs, passwords, timestamps, tokens
from csms.certificates import lookups
from csms.learning import component_name, variable_name, without_passwords
from csms.schemas import Payload, Version
from csms.store import Sample
from csms.wire.connection import Connection, answers

# C03: tokens of these types have no identity to look up: the station itself has authorized them.
TOKENS_WITHOUT_IDENTITY = frozenset({"NoAuthorization"})
# C07.FR.13: the statuses of a token that has no contract.
NO_CONTRACT = frozenset({"Blocked", "Expired", "Invalid", "Unknown"})
LOG = logging.getLogger("csms")


class ChargePoint201(Connection):
    """The connection of a charging station that speaks OCPP 2.0.1."""

    version: ClassVar[Version] = "2.0.1"
    _ocpp_version = "2.0.1"

    # Provisioning (B) and availability (G)

    @answers(Action.boot_notification)
    def on_boot(self, request: Payload) -> call_result.BootNotification:
        station = request["chargingStation"]
        status, interval = self.boot(
            station["vendorName"], station["model"], station.get("firmwareVersion"), station.get("serialNumber")
        )
        return call_result.BootNotification(timestamps.now(), interval, status)

    @answers(Action.heartbeat)
    def on_heartbeat(self, request: Payload) -> call_result.Heartbeat:
        return call_result.Heartbeat(timestamps.now())

    @answers(Action.status_notification)
    def on_status(self, request: Payload) -> call_result.StatusNotification:
        self.store.status(
            self.id,
            request["evseId"],
            request["connectorId"],
            request["connectorStatus"],
            None,
            request["timestamp"],
        )
        return call_result.StatusNotification()

    @answers(Action.notify_report)
    def on_report(self, request: Payload) -> call_result.NotifyReport:
        report = without_passwords(request, "reportData")
        for entry in report.get("reportData", []):
            for attribute in entry["variableAttribute"]:
                self.store.variable(
                    self.id,
                    component_name(entry["component"]),
                    variable_name(entry["variable"]),
                    attribute.get("type", "Actual"),
                    attribute.get("value"),
                    attribute.get("mutability", "ReadWrite"),
                )
        self.store.notice(self.id, "NotifyReport", report)
        return call_result.NotifyReport()

    # Authorization (C) and transactions (E)

    @answers(Action.authorize)
    def on_authorize(self, request: Payload) -> call_result.Authorize:
        token = request["idToken"]
        info = self._id_token_info(token)
        if lookups.wanted("Authorize", request) is None:
            return call_result.Authorize(info)
        return call_result.Authorize(*self._with_certificate(info, self.looked_up))

    @answers(Action.transaction_event)
    def on_transaction_event(self, request: Payload) -> call_result.TransactionEvent:
        transaction, token = request["transactionInfo"], request.get("idToken")
        transaction_id = transaction["transactionId"]
        info = None
        if token is not None:
            # E01.FR.12 and others: the answer to an event with a token contains the status of the token.
            known = self.store.transaction(self.id, transaction_id)
            info = self._id_token_info(token, starting=known is None or known["id_token"] is None)
        evse = request.get("evse", {})
        event, ts = request["eventType"], request["timestamp"]
        self.store.event(
            self.id,
            transaction_id,
            {
                "evse_id": evse.get("id"),
                "connector_id": evse.get("connectorId"),
                # A PIN is a secret: store asterisks of the same length.
                "id_token": passwords.hidden(token)["idToken"] if token else None,
                "authorization": str(info.status) if info else None,
                "charging_state": transaction.get("chargingState"),
                "seq_no": request["seqNo"],
                "started": ts if event == "Started" else None,
                "stopped": ts if event == "Ended" else None,
                # E06.FR.08: the default reason is Local.
                "stop_reason": transaction.get("stoppedReason", "Local") if event == "Ended" else None,
            },
        )
        if "reservationId" in request:
            self.store.reservation_ended(self.id, request["reservationId"], "Used")
        if event == "Ended":
            self.store.transaction_profiles_ended(self.id, transaction_id)
        self._keep_samples(request.get("meterValue", []), evse.get("id"), transaction_id)
        cost = costs.total(self.store, self.context.prices, self.id, request) if event == "Ended" else None
        return call_result.TransactionEvent(total_cost=cost, id_token_info=info)

    @answers(Action.meter_values)
    def on_meter_values(self, request: Payload) -> call_result.MeterValues:
        self._keep_samples(request["meterValue"], request["evseId"], None)
        return call_result.MeterValues()

    # Reservation (H) and smart charging (K)

    @answers(Action.reservation_status_update)
    def on_reservation_status(self, request: Payload) -> call_result.ReservationStatusUpdate:
        self.store.reservation_ended(self.id, request["reservationId"], request["reservationUpdateStatus"])
        return call_result.ReservationStatusUpdate()

    @answers(Action.report_charging_profiles)
    def on_charging_profiles(self, request: Payload) -> call_result.ReportChargingProfiles:
        for profile in request["chargingProfile"]:
            self.store.charging_profile(self.id, request["evseId"], profile["id"], profile)
        return call_result.ReportChargingProfiles()

    @answers(Action.notify_charging_limit)
    def on_charging_limit(self, request: Payload) -> call_result.NotifyChargingLimit:
        return self._noted("NotifyChargingLimit", request, call_result.NotifyChargingLimit())

    @answers(Action.cleared_charging_limit)
    def on_cleared_charging_limit(self, request: Payload) -> call_result.ClearedChargingLimit:
        return self._noted("ClearedChargingLimit", request, call_result.ClearedChargingLimit())

    @answers(Action.notify_ev_charging_needs)
    def on_charging_needs(self, request: Payload) -> call_result.NotifyEVChargingNeeds:
        if self._planned(request):
            answer = call_result.NotifyEVChargingNeeds("Accepted")
        else:
            answer = call_result.NotifyEVChargingNeeds("Rejected", _reason("TxNotFound"))  # K15.FR.04
        return self._noted("NotifyEVChargingNeeds", request, answer)

    def _planned(self, request: Payload) -> bool:
        """Send a profile for the needs of a vehicle after the answer; return whether that is possible (K15.FR.07)."""
        profile = charging_plans.profile_for(self.store, self.id, request)
        if profile is not None:
            self.afterwards(lambda: self.send_call("SetChargingProfile", profile))
        return profile is not None

    @answers(Action.notify_ev_charging_schedule)
    def on_charging_schedule(self, request: Payload) -> call_result.NotifyEVChargingSchedule:
        exceeded = charging_plans.exceeded(self.store, self.id, request)
        if exceeded is None:
            answer = call_result.NotifyEVChargingSchedule("Accepted")
        else:
            # K15.FR.12, K15.FR.13: reject it, and negotiate again with the same profile.
            answer = call_result.NotifyEVChargingSchedule("Rejected", _reason("InvalidSchedule"))
            self.afterwards(lambda: self.send_call("SetChargingProfile", exceeded))
        return self._noted("NotifyEVChargingSchedule", request, answer)

    # Firmware (L), certificates (M) and security (A)

    @answers(Action.firmware_status_notification)
    def on_firmware_status(self, request: Payload) -> call_result.FirmwareStatusNotification:
        return self._noted("FirmwareStatusNotification", request, call_result.FirmwareStatusNotification())

    @answers(Action.publish_firmware_status_notification)
    def on_publish_firmware_status(self, request: Payload) -> call_result.PublishFirmwareStatusNotification:
        answer = call_result.PublishFirmwareStatusNotification()
        return self._noted("PublishFirmwareStatusNotification", request, answer)

    @answers(Action.security_event_notification)
    def on_security_event(self, request: Payload) -> call_result.SecurityEventNotification:
        return self._noted("SecurityEventNotification", request, call_result.SecurityEventNotification())

    @answers(Action.sign_certificate)
    def on_sign_certificate(self, request: Payload) -> call_result.SignCertificate:
        kind: Payload = {name: request[name] for name in ("certificateType", "requestId") if name in request}
        reason = self.sign(request["csr"], kind)
        status = "Rejected" if reason else "Accepted"
        return call_result.SignCertificate(status, _reason(reason) if reason else None)

    @answers(Action.get_15118_ev_certificate)
    def on_ev_certificate(self, request: Payload) -> call_result.Get15118EVCertificate:
        # M01, M02. The real content is EXI, for the vehicle only. This CSMS reads a certificate request instead.
        try:
            wanted = base64.b64decode(request["exiRequest"], validate=True).decode("ascii")
            chain = self.context.contracts.install(wanted)
        except ValueError as error:
            LOG.warning("%s: Get15118EVCertificate failed: %s", self.id, error)
            answer = call_result.Get15118EVCertificate(
                status="Failed", exi_response="", status_info=_reason("InvalidCSR")
            )
        else:
            answer = call_result.Get15118EVCertificate(
                status="Accepted", exi_response=base64.b64encode(chain.encode()).decode()
            )
        return self._noted("Get15118EVCertificate", request, answer)

    @answers(Action.get_certificate_status)
    def on_certificate_status(self, request: Payload) -> call_result.GetCertificateStatus:
        answer = call_result.GetCertificateStatus("Accepted", ocsp_result=self.looked_up)
        if self.looked_up is None:
            answer = call_result.GetCertificateStatus("Failed", status_info=_reason("InvalidURL"))  # M06.FR.04
        return self._noted("GetCertificateStatus", request, answer)

    # Diagnostics (N), display messages (O) and data transfer (P)

    @answers(Action.log_status_notification)
    def on_log_status(self, request: Payload) -> call_result.LogStatusNotification:
        return self._noted("LogStatusNotification", request, call_result.LogStatusNotification())

    @answers(Action.notify_event)
    def on_event(self, request: Payload) -> call_result.NotifyEvent:
        return self._noted("NotifyEvent", without_passwords(request, "eventData"), call_result.NotifyEvent())

    @answers(Action.notify_monitoring_report)
    def on_monitoring_report(self, request: Payload) -> call_result.NotifyMonitoringReport:
        return self._noted("NotifyMonitoringReport", request, call_result.NotifyMonitoringReport())

    @answers(Action.notify_customer_information)
    def on_customer_information(self, request: Payload) -> call_result.NotifyCustomerInformation:
        return self._noted("NotifyCustomerInformation", request, call_result.NotifyCustomerInformation())

    @answers(Action.notify_display_messages)
    def on_display_messages(self, request: Payload) -> call_result.NotifyDisplayMessages:
        return self._noted("NotifyDisplayMessages", request, call_result.NotifyDisplayMessages())

    @answers(Action.data_transfer)
    def on_data_transfer(self, request: Payload) -> call_result.DataTransfer:
        return self._noted("DataTransfer", request, call_result.DataTransfer("UnknownVendorId"))

    # Helpers

    def _noted[Answer](self, action: str, request: Payload, answer: Answer) -> Answer:
        self.store.notice(self.id, action, request)
        return answer

    @staticmethod
    def _with_certificate(info: IdTokenInfoType, fault: str | None) -> tuple[IdTokenInfoType, str]:
        """Return the status of a token and certificateStatus, for Authorize with a contract certificate.

        Args:
            info: the status of the token without regard to the certificate.
            fault: the certificateStatus of a certificate that is not valid, or None.
        """
        if fault is None:
            # C07.FR.13, C07.FR.14
            return info, "ContractCancelled" if info.status in NO_CONTRACT else "Accepted"
        # C07.FR.15 to C07.FR.17
        return IdTokenInfoType("Expired" if fault == "CertificateExpired" else "Invalid"), fault

    def _id_token_info(self, token: Payload, starting: bool = False) -> IdTokenInfoType:
        if token["type"] in TOKENS_WITHOUT_IDENTITY:
            return IdTokenInfoType("Accepted")
        unknown = self.context.settings.unknown_tokens
        verdict = tokens.judge(self.store, token["idToken"], unknown, self.id, starting)
        group = IdTokenType(verdict.parent, "Central") if verdict.parent else None
        return IdTokenInfoType(verdict.status, cache_expiry_date_time=verdict.expires, group_id_token=group)

    def _keep_samples(self, meter_values: list[Payload], evse_id: int | None, transaction_id: str | None) -> None:
        samples = [
            Sample(
                meter_value["timestamp"],
                # MeterValueType: the default measurand is the energy register, in Wh.
                value.get("measurand", "Energy.Active.Import.Register"),
                str(value["value"]),
                _unit(value),
                value.get("phase"),
                value.get("location"),
                value.get("context"),
            )
            for meter_value in meter_values
            for value in meter_value["sampledValue"]
        ]
        self.store.measured(self.id, evse_id, transaction_id, samples)


def _unit(value: Payload) -> str | None:
    unit = value.get("unitOfMeasure", {})
    name: str | None = unit.get("unit", "Wh" if "measurand" not in value else None)
    multiplier = unit.get("multiplier", 0)
    return f"{name or ''}e{multiplier}" if multiplier else name


def _reason(code: str) -> StatusInfoType:
    return StatusInfoType(code)
