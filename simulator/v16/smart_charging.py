"""The answers of a 1.6 charge point to the smart charging profile (OCPP 1.6, 3.13)."""

from __future__ import annotations

from simulator.answers import answers
from simulator.charging.smart_charging import SmartCharging
from simulator.clock import timestamp
from simulator.wire.link import Payload, Reply


class Profiles16:
    """Each method answers one action of the CSMS; `SmartCharging` carries it out."""

    def __init__(self, smart_charging: SmartCharging) -> None:
        self.smart_charging = smart_charging

    @answers("SetChargingProfile")
    def set_profile(self, payload: Payload) -> Reply:
        return self.smart_charging.set(payload["csChargingProfiles"], payload["connectorId"])

    @answers("ClearChargingProfile")
    def clear_profile(self, payload: Payload) -> Reply:
        return self.smart_charging.clear(
            payload.get("id"),
            payload.get("connectorId"),
            payload.get("chargingProfilePurpose"),
            payload.get("stackLevel"),
        )

    @answers("GetCompositeSchedule")
    def composite(self, payload: Payload) -> Reply:
        place, unit, duration = payload["connectorId"], payload.get("chargingRateUnit", "W"), payload["duration"]
        periods = self.smart_charging.composite(place, duration, unit)
        if periods is None:
            return Reply({"status": "Rejected"})
        now = timestamp()
        schedule = {
            "duration": duration,
            "startSchedule": now,
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": periods,
        }
        return Reply({"status": "Accepted", "connectorId": place, "scheduleStart": now, "chargingSchedule": schedule})
