"""The answers to a charging station of OCPP 2.1: those of 2.0.1, and the new and changed ones."""

from __future__ import annotations

import re
from typing import ClassVar

from ocpp.v21 import call_result
from ocpp.v21.datatypes import StatusInfoType
from ocpp.v21.enums import Action

from csms import charging_plans, costs
from csms.schemas import Payload, Version
from csms.v201 import ChargePoint201
from csms.wire.connection import answers

# The form of an EU VAT number: country and up to twelve characters. Only the EU service VIES knows if a number exists.
VAT_NUMBER = re.compile(r"[A-Z]{2}[0-9A-Z+*]{2,12}")


class ChargePoint21(ChargePoint201):
    """The connection of a charging station that speaks OCPP 2.1."""

    version: ClassVar[Version] = "2.1"
    _ocpp_version = "2.1"

    @answers(Action.notify_ev_charging_needs)
    def on_charging_needs(self, request: Payload) -> call_result.NotifyEVChargingNeeds:
        # K18.FR.04, K19.FR.04: without a profile the answer is NoChargingProfile over ISO 15118-20. By K15.FR.04 it is
        # Rejected over ISO 15118-2.
        if "controlMode" not in request["chargingNeeds"]:
            return super().on_charging_needs(request)
        answer = call_result.NotifyEVChargingNeeds("Accepted" if self._planned(request) else "NoChargingProfile")
        return self._noted("NotifyEVChargingNeeds", request, answer)

    @answers(Action.authorize)
    def on_authorize(self, request: Payload) -> call_result.Authorize:
        answer = super().on_authorize(request)
        own = self.context.prices.own(request["idToken"]["idToken"])
        if own is not None and answer.id_token_info.status == "Accepted":
            answer = call_result.Authorize(
                answer.id_token_info, certificate_status=answer.certificate_status, tariff=own.for_station()
            )  # I08.FR.01
        return answer

    @answers(Action.notify_priority_charging)
    def on_priority_charging(self, request: Payload) -> call_result.NotifyPriorityCharging:
        return self._noted("NotifyPriorityCharging", request, call_result.NotifyPriorityCharging())

    @answers(Action.pull_dynamic_schedule_update)
    def on_pull_schedule(self, request: Payload) -> Payload:
        update = charging_plans.update_of(self.store, self.id, request["chargingProfileId"])
        if update is None:
            # K28.FR.12
            answer: Payload = {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidProfile"}}
        else:
            answer = {"status": "Accepted", "scheduleUpdate": update}
        return self._noted("PullDynamicScheduleUpdate", request, answer)

    @answers(Action.get_certificate_chain_status)
    def on_chain_status(self, request: Payload) -> call_result.GetCertificateChainStatus:
        answer = call_result.GetCertificateChainStatus(self.looked_up)
        return self._noted("GetCertificateChainStatus", request, answer)

    @answers(Action.vat_number_validation)
    def on_vat_number(self, request: Payload) -> call_result.VatNumberValidation:
        number = request["vatNumber"]
        valid = VAT_NUMBER.fullmatch(number.replace(" ", "").upper()) is not None
        answer = call_result.VatNumberValidation(
            vat_number=number,
            status="Accepted" if valid else "Rejected",
            evse_id=request.get("evseId"),
            status_info=None if valid else StatusInfoType("InvalidValue"),
        )
        return self._noted("VatNumberValidation", request, answer)

    @answers(Action.notify_settlement)
    def on_settlement(self, request: Payload) -> Payload:
        answer: Payload = {}
        if request["status"] == "Settled" and "receiptUrl" not in request and self._gives_receipts():
            # C21.FR.03
            number = self.store.receipt(self.id, costs.receipt(self.id, request))
            answer = {"receiptUrl": self.context.receipt_url(number), "receiptId": number}
        return self._noted("NotifySettlement", request, answer)

    def _gives_receipts(self) -> bool:
        """Return whether the CSMS gives receipts: unless the station has reported ReceiptByCSMS = false."""
        value = self.store.variable_value(self.id, "PaymentCtrlr", "ReceiptByCSMS")
        return value is None or value.lower() != "false"

    @answers(Action.battery_swap)
    def on_battery_swap(self, request: Payload) -> call_result.BatterySwap:
        return self._noted("BatterySwap", request, call_result.BatterySwap())

    # Distributed energy resources (R)

    @answers(Action.notify_der_alarm)
    def on_der_alarm(self, request: Payload) -> call_result.NotifyDERAlarm:
        return self._noted("NotifyDERAlarm", request, call_result.NotifyDERAlarm())

    @answers(Action.notify_der_start_stop)
    def on_der_start_stop(self, request: Payload) -> call_result.NotifyDERStartStop:
        return self._noted("NotifyDERStartStop", request, call_result.NotifyDERStartStop())

    @answers(Action.report_der_control)
    def on_der_control(self, request: Payload) -> call_result.ReportDERControl:
        return self._noted("ReportDERControl", request, call_result.ReportDERControl())

    # Periodic event streams (N11 to N15)

    @answers(Action.open_periodic_event_stream)
    def on_open_stream(self, request: Payload) -> call_result.OpenPeriodicEventStream:
        answer = call_result.OpenPeriodicEventStream("Accepted")
        return self._noted("OpenPeriodicEventStream", request, answer)

    @answers(Action.close_periodic_event_stream)
    def on_close_stream(self, request: Payload) -> call_result.ClosePeriodicEventStream:
        return self._noted("ClosePeriodicEventStream", request, call_result.ClosePeriodicEventStream())

    @answers("NotifyPeriodicEventStream")  # `ocpp` has no such action
    def on_stream(self, send: Payload) -> None:
        self.store.notice(self.id, "NotifyPeriodicEventStream", send)
