"""Check, install, clear and combine charging profiles from the CSMS, for all versions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from simulator.charging.connector import Transaction
from simulator.charging.profile_rules import broken_rule
from simulator.charging.profiles import Profile, objection
from simulator.charging.vehicle import VOLTAGE
from simulator.station import Station
from simulator.wire.link import Payload, Reply


class Objection(NamedTuple):
    """The reason for rejecting a profile in words, and the reasonCode for 2.x."""

    code: str
    why: str


class SmartCharging:
    """The charging profiles of one charge point.

    Args:
        station: the charge point.
        id_member: the member of a profile that has its id.
        strict: whether to use the rules of 2.x (K01) instead of those of 1.6 (3.13).
    """

    def __init__(self, station: Station, id_member: str, strict: bool) -> None:
        self.station, self.id_member, self.strict = station, id_member, strict

    def objection(self, raw: Payload, place: int, charging: bool) -> Objection | None:
        """Return why a profile cannot be accepted, or None.

        Args:
            raw: the profile as the CSMS sent it.
            place: the number of its connector or EVSE; 0 is the whole charge point.
            charging: whether a transaction runs there, or is about to start.
        """
        wrong = objection(raw, place, len(self.station.connectors), charging, self.strict)
        if wrong is not None:
            return Objection("InvalidProfile", wrong)
        most = int(self.station.settings.number("ChargingScheduleMaxPeriods"))
        schedules = raw["chargingSchedule"] if self.strict else [raw["chargingSchedule"]]
        if any(len(schedule["chargingSchedulePeriod"]) > most for schedule in schedules):
            return Objection("InvalidSchedule", f"a schedule has more than {most} periods")
        if not self.strict:
            return None
        if (rule := broken_rule(raw)) is not None:
            return Objection(rule.code, f"{rule.text} ({rule.requirement})")
        level = place, raw["chargingProfilePurpose"], raw["stackLevel"], raw.get("transactionId")
        for held in self.station.profiles.profiles:
            same_level = (held.place, held.purpose, held.stack_level, held.transaction_id) == level
            if held.id != raw[self.id_member] and same_level and _overlap(held.raw, raw):
                return Objection("InvalidProfile", "another profile with this stackLevel is valid at the same time")
            if held.id != raw[self.id_member] and _elsewhere(held, raw, place) and _overlap(held.raw, raw):
                return Objection(
                    "DuplicateProfile",
                    f"EVSE {held.place} has a TxDefaultProfile with this stackLevel (K01.FR.52, K01.FR.53)",
                )
        return None

    def install(self, raw: Payload, place: int) -> None:
        """Install a profile."""
        self.station.profiles.install(
            Profile(
                id=raw[self.id_member],
                place=place,
                stack_level=raw["stackLevel"],
                purpose=raw["chargingProfilePurpose"],
                kind=raw["chargingProfileKind"],
                raw=raw,
                received=datetime.now(UTC),
                received_s=self.station.clock.simulated(),
            )
        )

    def set(self, raw: Payload, place: int) -> Reply:
        """Answer SetChargingProfile."""
        connector = self.station.connectors.get(place)
        tx = connector.transaction if connector else None
        wrong = self.objection(raw, place, charging=tx is not None)
        if wrong is None and tx is not None and not self._belongs(raw, tx):
            wrong = Objection("InvalidProfile", "transactionId is not that of the running transaction")
        if wrong is not None:
            self.station.log(f"charging profile rejected: {wrong.why}")
            answer = self.station.dialect.rejected(wrong.code)
            if "statusInfo" in answer:
                answer["statusInfo"]["additionalInfo"] = wrong.why
            return Reply(answer)
        self.install(raw, place)
        return Reply({"status": "Accepted"}, self.station.limits_changed)

    def _belongs(self, raw: Payload, tx: Transaction) -> bool:
        """Return whether the transactionId of a profile fits the transaction on its connector."""
        wanted = raw.get("transactionId")
        if self.strict:
            return raw["chargingProfilePurpose"] != "TxProfile" or wanted == tx.id
        return wanted in (None, tx.number)

    def clear(self, profile_id: int | None, place: int | None, purpose: str | None, stack_level: int | None) -> Reply:
        """Answer ClearChargingProfile: remove the profiles that meet every criterion that is not None."""
        wanted = {"id": profile_id, "place": place, "purpose": purpose, "stack_level": stack_level}
        found = self.station.profiles.clear(
            lambda held: all(getattr(held, name) == value for name, value in wanted.items() if value is not None)
        )
        return Reply({"status": "Accepted" if found else "Unknown"}, self.station.limits_changed)

    def composite(self, place: int, seconds: int, unit: str) -> list[Payload] | None:
        """Return the periods of a composite schedule from now on, in `unit` (W or A); None for an unknown connector."""
        station = self.station
        if not 0 <= place <= len(station.connectors):
            return None
        connector = station.connectors.get(place)
        started = connector.transaction.started_at if connector and connector.transaction else None
        steps = station.profiles.composite(place, station.outlet_w, station.clock.simulated(), seconds, started)
        divisor = VOLTAGE if unit == "A" else 1.0
        return [{"startPeriod": start, "limit": round(limit / divisor, 1)} for start, limit in steps]


def _elsewhere(held: Profile, raw: Payload, place: int) -> bool:
    """Return whether a default is for all EVSEs and the other, with the same stackLevel, for one of them."""
    return (
        held.purpose == raw["chargingProfilePurpose"] == "TxDefaultProfile"
        and held.stack_level == raw["stackLevel"]
        and held.place != place
        and 0 in (held.place, place)
    )


def _overlap(one: Payload, other: Payload) -> bool:
    """Return whether two profiles are valid at the same time at some point. Timestamps in UTC are compared as text."""
    early, late = "0", "9999"
    return bool(
        one.get("validFrom", early) < other.get("validTo", late)
        and other.get("validFrom", early) < one.get("validTo", late)
    )
