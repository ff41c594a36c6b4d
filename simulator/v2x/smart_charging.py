"""What a 2.x charging station answers: smart charging (K)."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from simulator.answers import answers
from simulator.clock import timestamp
from simulator.link import Payload, Reply
from simulator.profiles import Profile, objection
from simulator.vehicle import VOLTAGE

if TYPE_CHECKING:
    from simulator.v2x.charge_point import ChargePoint201


class Profiles201:
    """Set, clear, report and compose charging profiles."""

    def __init__(self, station: ChargePoint201) -> None:
        self.station = station

    def objection(self, raw: Payload, place: int, charging: bool) -> str | None:
        """Return why a profile cannot be taken, or None."""
        wrong = objection(raw, place, len(self.station.connectors), charging, strict=True)
        if wrong is not None:
            return wrong
        for held in self.station.profiles.profiles:
            same_level = (held.place, held.purpose, held.stack_level) == (
                place,
                raw["chargingProfilePurpose"],
                raw["stackLevel"],
            )
            same_transaction = held.transaction_id == raw.get("transactionId")
            if held.id != raw["id"] and same_level and same_transaction and _overlap(held.raw, raw):
                return "another profile of this level is valid at that time"
        return None

    def install(self, raw: Payload, place: int) -> None:
        """Put a profile in force."""
        self.station.profiles.install(
            Profile(
                id=raw["id"],
                place=place,
                stack_level=raw["stackLevel"],
                purpose=raw["chargingProfilePurpose"],
                kind=raw["chargingProfileKind"],
                raw=raw,
                received=datetime.now(UTC),
                received_s=self.station.clock.simulated(),
            )
        )

    @answers("SetChargingProfile")
    def set_profile(self, payload: Payload) -> Reply:
        place, raw = payload["evseId"], payload["chargingProfile"]
        connector = self.station.connectors.get(place)
        tx = connector.transaction if connector else None
        wrong = self.objection(raw, place, charging=tx is not None)
        if wrong is None and raw["chargingProfilePurpose"] == "TxProfile":
            wrong = None if tx is not None and raw.get("transactionId") == tx.id else "another transaction"
        if wrong is not None:
            self.station.say(f"charging profile not taken: {wrong}")
            info = {"reasonCode": "InvalidProfile", "additionalInfo": wrong}
            return Reply({"status": "Rejected", "statusInfo": info})
        self.install(raw, place)
        return Reply({"status": "Accepted"}, self.station.limits_changed)

    @answers("ClearChargingProfile")
    def clear_profile(self, payload: Payload) -> Reply:
        criteria = payload.get("chargingProfileCriteria", {})
        wanted = {
            "id": payload.get("chargingProfileId"),
            "place": criteria.get("evseId"),
            "purpose": criteria.get("chargingProfilePurpose"),
            "stack_level": criteria.get("stackLevel"),
        }
        found = self.station.profiles.clear(
            lambda held: all(getattr(held, name) == value for name, value in wanted.items() if value is not None)
        )
        return Reply({"status": "Accepted" if found else "Unknown"}, self.station.limits_changed)

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
                await self.station.told(self.station.call("ReportChargingProfiles", message))

        return Reply({"status": "Accepted"}, follow)

    @answers("GetCompositeSchedule")
    def composite(self, payload: Payload) -> Reply:
        station, place = self.station, payload["evseId"]
        if not 0 <= place <= len(station.connectors):
            return Reply({"status": "Rejected", "statusInfo": {"reasonCode": "UnknownEvse"}})
        unit = payload.get("chargingRateUnit", "W")
        connector = station.connectors.get(place)
        started = connector.transaction.started_at if connector and connector.transaction else None
        steps = station.profiles.composite(
            place, station.outlet_w, station.clock.simulated(), payload["duration"], started
        )
        schedule = {
            "evseId": place,
            "duration": payload["duration"],
            "scheduleStart": timestamp(),
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": [
                {"startPeriod": start, "limit": round(limit / (VOLTAGE if unit == "A" else 1.0), 1)}
                for start, limit in steps
            ],
        }
        return Reply({"status": "Accepted", "schedule": schedule})


def _overlap(one: Payload, other: Payload) -> bool:
    """Tell whether two profiles are ever valid at once; timestamps in UTC compare as text."""
    early, late = "0", "9999"
    return bool(
        one.get("validFrom", early) < other.get("validTo", late)
        and other.get("validFrom", early) < one.get("validTo", late)
    )
