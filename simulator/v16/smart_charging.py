"""What a 1.6 charge point answers: smart charging."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.answers import answers
from simulator.clock import timestamp
from simulator.link import Payload, Reply
from simulator.profiles import objection
from simulator.v16.core import profile
from simulator.vehicle import VOLTAGE

if TYPE_CHECKING:
    from simulator.v16.charge_point import ChargePoint16


class Profiles16:
    """Set, clear and compose charging profiles (OCPP 1.6, 3.13)."""

    def __init__(self, station: ChargePoint16) -> None:
        self.station = station

    @answers("SetChargingProfile")
    def set_profile(self, payload: Payload) -> Reply:
        station, place, raw = self.station, payload["connectorId"], payload["csChargingProfiles"]
        connector = station.connectors.get(place)
        tx = connector.transaction if connector else None
        wrong = objection(raw, place, len(station.connectors), charging=tx is not None, strict=False)
        if wrong is None and tx is not None and raw.get("transactionId", tx.number) != tx.number:
            wrong = "another transaction"
        if wrong is not None:
            station.say(f"charging profile not taken: {wrong}")
            return Reply({"status": "Rejected"})
        station.profiles.install(profile(station, raw, place))
        return Reply({"status": "Accepted"}, station.limits_changed)

    @answers("ClearChargingProfile")
    def clear_profile(self, payload: Payload) -> Reply:
        wanted = {
            "id": payload.get("id"),
            "place": payload.get("connectorId"),
            "purpose": payload.get("chargingProfilePurpose"),
            "stack_level": payload.get("stackLevel"),
        }
        found = self.station.profiles.clear(
            lambda held: all(getattr(held, name) == value for name, value in wanted.items() if value is not None)
        )
        return Reply({"status": "Accepted" if found else "Unknown"}, self.station.limits_changed)

    @answers("GetCompositeSchedule")
    def composite(self, payload: Payload) -> Reply:
        station, place = self.station, payload["connectorId"]
        if not 0 <= place <= len(station.connectors):
            return Reply({"status": "Rejected"})
        unit = payload.get("chargingRateUnit", "W")
        connector = station.connectors.get(place)
        started = connector.transaction.started_at if connector and connector.transaction else None
        steps = station.profiles.composite(
            place, station.outlet_w, station.clock.simulated(), payload["duration"], started
        )
        now = timestamp()
        return Reply(
            {
                "status": "Accepted",
                "connectorId": place,
                "scheduleStart": now,
                "chargingSchedule": {
                    "duration": payload["duration"],
                    "startSchedule": now,
                    "chargingRateUnit": unit,
                    "chargingSchedulePeriod": [
                        {"startPeriod": start, "limit": round(limit / (VOLTAGE if unit == "A" else 1.0), 1)}
                        for start, limit in steps
                    ],
                },
            }
        )
