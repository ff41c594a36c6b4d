"""The answers of a 2.x charging station about smart charging (K)."""

from __future__ import annotations

from itertools import groupby

from simulator.answers import answers
from simulator.charging.smart_charging import SmartCharging
from simulator.clock import timestamp
from simulator.station import Station
from simulator.wire.link import Payload, Reply


class Profiles2x:
    """Each method answers one action of the CSMS; `SmartCharging` carries it out."""

    def __init__(self, station: Station, smart_charging: SmartCharging) -> None:
        self.station, self.smart_charging = station, smart_charging

    @answers("SetChargingProfile")
    def set_profile(self, payload: Payload) -> Reply:
        return self.smart_charging.set(payload["chargingProfile"], payload["evseId"])

    @answers("ClearChargingProfile")
    def clear_profile(self, payload: Payload) -> Reply:
        criteria = payload.get("chargingProfileCriteria", {})
        return self.smart_charging.clear(
            payload.get("chargingProfileId"),
            criteria.get("evseId"),
            criteria.get("chargingProfilePurpose"),
            criteria.get("stackLevel"),
        )

    @answers("GetChargingProfiles")
    def get_profiles(self, payload: Payload) -> Reply:
        criterion = payload["chargingProfile"]
        sources = criterion.get("chargingLimitSource", ["CSO"])
        chosen = [
            held
            for held in self.station.profiles.profiles
            if payload.get("evseId", held.place) == held.place
            and criterion.get("chargingProfilePurpose", held.purpose) == held.purpose
            and criterion.get("stackLevel", held.stack_level) == held.stack_level
            and held.id in criterion.get("chargingProfileId", [held.id])
            and "CSO" in sources
        ]
        if not chosen:
            return Reply({"status": "NoProfiles"})

        async def follow() -> None:
            chosen.sort(key=lambda held: held.place)
            parts = [(place, list(held)) for place, held in groupby(chosen, key=lambda held: held.place)]
            for number, (place, part) in enumerate(parts):
                message = {
                    "requestId": payload["requestId"],
                    "chargingLimitSource": "CSO",
                    "evseId": place,
                    "tbc": number < len(parts) - 1,
                    "chargingProfile": [held.raw for held in part],
                }
                await self.station.send(("ReportChargingProfiles", message))

        return Reply({"status": "Accepted"}, follow)

    @answers("GetCompositeSchedule")
    def composite(self, payload: Payload) -> Reply:
        place, unit, duration = payload["evseId"], payload.get("chargingRateUnit", "W"), payload["duration"]
        periods = self.smart_charging.composite(place, duration, unit)
        if periods is None:
            return Reply(self.station.dialect.rejected("UnknownEvse"))
        schedule = {
            "evseId": place,
            "duration": duration,
            "scheduleStart": timestamp(),
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": periods,
        }
        return Reply({"status": "Accepted", "schedule": schedule})
