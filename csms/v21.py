"""The answers to a charging station of OCPP 2.1: those of 2.0.1, and the new and changed ones."""

from __future__ import annotations

import re
from typing import ClassVar

from ocpp.v21 import call_result
from ocpp.v21.datatypes import StatusInfoType
from ocpp.v21.enums import Action

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
        # K18: a CSMS that sends no profile answers NoChargingProfile over ISO 15118-20, K15: Rejected over 15118-2.
        if "controlMode" not in request["chargingNeeds"]:
            return super().on_charging_needs(request)
        answer = call_result.NotifyEVChargingNeeds("NoChargingProfile")
        return self._noted("NotifyEVChargingNeeds", request, answer)

    @answers(Action.notify_priority_charging)
    def on_priority_charging(self, request: Payload) -> call_result.NotifyPriorityCharging:
        return self._noted("NotifyPriorityCharging", request, call_result.NotifyPriorityCharging())

    @answers(Action.pull_dynamic_schedule_update)
    def on_pull_schedule(self, request: Payload) -> call_result.PullDynamicScheduleUpdate:
        # K28: a station pulls updates of Dynamic profiles, and this CSMS never sets one.
        answer = call_result.PullDynamicScheduleUpdate("Rejected", status_info=StatusInfoType("NotFound"))
        return self._noted("PullDynamicScheduleUpdate", request, answer)

    @answers(Action.get_certificate_chain_status)
    def on_chain_status(self, request: Payload) -> call_result.GetCertificateChainStatus:
        # M07.FR.02, M07.FR.05: this CSMS queries no OCSP responder and no CRL, so it cannot find a status.
        statuses = [
            {
                "certificate_hash_data": asked["certificateHashData"],
                "source": asked["source"],
                "status": "Failed",
                "next_update": self.context.next_update(),
            }
            for asked in request["certificateStatusRequests"]
        ]
        return self._noted("GetCertificateChainStatus", request, call_result.GetCertificateChainStatus(statuses))

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
    def on_settlement(self, request: Payload) -> call_result.NotifySettlement:
        return self._noted("NotifySettlement", request, call_result.NotifySettlement())

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
