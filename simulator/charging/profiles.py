"""Charging profiles, and the power limit that they set at a given time.

From its arrival, the schedule of a profile runs in simulated time, so that a schedule of an hour takes a minute. Limits
are in watts; amperes are converted for the single phase of 230 V that the simulated connector has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from simulator.charging.tokens import when
from simulator.charging.vehicle import VOLTAGE, interpolated
from simulator.wire.link import Payload

STATION = ("ChargePointMaxProfile", "ChargingStationMaxProfile", "ChargingStationExternalConstraints")
PERIOD_S = {"Daily": 86_400.0, "Weekly": 604_800.0}
MAX_STACK_LEVEL = 10
GRID_HZ = 50.0


@dataclass(frozen=True, slots=True)
class Profile:
    """One installed charging profile.

    Attributes:
        place: the number of its connector or EVSE; 0 is the whole charge point.
        raw: the profile as the CSMS sent it.
        received, received_s: when it arrived, in real time and in simulated seconds.
    """

    id: int
    place: int
    stack_level: int
    purpose: str
    kind: str
    raw: Payload
    received: datetime
    received_s: float

    @property
    def schedule(self) -> Payload:
        """The schedule: the only one in 1.6, the first of up to three in 2.x."""
        found: Any = self.raw["chargingSchedule"]
        first: Payload = found[0] if isinstance(found, list) else found
        return first

    @property
    def transaction_id(self) -> str | int | None:
        found: str | int | None = self.raw.get("transactionId")
        return found

    def _moment(self, text: object) -> float | None:
        """Return the simulated second of a timestamp in the profile."""
        found = when(text)
        return None if found is None else self.received_s + (found - self.received).total_seconds()

    def _start(self, now: float, started: float | None) -> float:
        """Return the simulated second at which the current schedule starts."""
        start = self._moment(self.schedule.get("startSchedule"))
        if self.kind in ("Relative", "Dynamic") or start is None:
            return self.received_s if started is None else started
        if self.kind == "Recurring":
            span = PERIOD_S[self.raw.get("recurrencyKind", "Daily")]
            start += span * ((now - start) // span)
        return start

    def limit_w(self, now: float, started: float | None) -> float | None:
        """Return the limit in W at a simulated second; None if the profile has no limit at that time."""
        valid_from, valid_to = (self._moment(self.raw.get(key)) for key in ("validFrom", "validTo"))
        if (valid_from is not None and now < valid_from) or (valid_to is not None and now >= valid_to):
            return None
        seconds = now - self._start(now, started)
        if seconds < 0 or seconds >= self.schedule.get("duration", float("inf")):
            return None
        limit = None
        for period in self.schedule["chargingSchedulePeriod"]:
            if period["startPeriod"] <= seconds:
                limit = _wanted(period)
        if limit is None:
            return None
        return float(limit) * (VOLTAGE if self.schedule["chargingRateUnit"] == "A" else 1.0)

    def changes(self, now: float, end: float, started: float | None) -> list[float]:
        """Return the simulated seconds between `now` and `end` at which the limit may change."""
        marks = [float(period["startPeriod"]) for period in self.schedule["chargingSchedulePeriod"]]
        marks += [float(self.schedule["duration"])] if "duration" in self.schedule else []
        starts = [self._start(now, started)]
        if self.kind == "Recurring":
            starts.append(starts[0] + PERIOD_S[self.raw.get("recurrencyKind", "Daily")])
        moments = [start + mark for start in starts for mark in marks]
        moments += [found for key in ("validFrom", "validTo") if (found := self._moment(self.raw.get(key)))]
        return [moment for moment in moments if now < moment < end]


def _wanted(period: Payload) -> float | None:
    """Return the limit or the setpoint of a period, by its mode of operation (2.1); the grid has 50 Hz."""
    match period.get("operationMode"):
        case "Idle":
            return 0.0
        case "CentralSetpoint" | "CentralFrequency":
            found = period.get("setpoint")
        case "LocalFrequency":
            curve = sorted((point["frequency"], point["power"]) for point in period["v2xFreqWattCurve"])
            found = period["v2xBaseline"] + interpolated(curve, GRID_HZ)
        case _:
            found = period.get("limit")
    return None if found is None else float(found)


class ProfileBook:
    """The installed charging profiles of a charge point."""

    def __init__(self) -> None:
        self.profiles: list[Profile] = []

    def install(self, profile: Profile) -> None:
        """Install a profile. It replaces one with the same id, or with the same place, purpose and stack level."""
        self.profiles = [
            other
            for other in self.profiles
            if other.id != profile.id
            and (other.place, other.purpose, other.stack_level, other.transaction_id)
            != (profile.place, profile.purpose, profile.stack_level, profile.transaction_id)
        ]
        self.profiles.append(profile)

    def clear(self, wanted: Callable[[Profile], bool]) -> bool:
        """Remove the profiles for which `wanted` is true; return whether there was one."""
        kept = [profile for profile in self.profiles if not wanted(profile)]
        found = len(kept) < len(self.profiles)
        self.profiles = kept
        return found

    def forget_transaction(self, place: int) -> None:
        """Remove the TxProfiles of an ended transaction (1.6, 3.13.1)."""
        self.clear(lambda profile: profile.purpose == "TxProfile" and profile.place == place)

    def limit_w(self, place: int, outlet_w: float, now: float, started: float | None, priority: bool = False) -> float:
        """Return the power limit of a connector, in W, at a simulated second.

        It is the lowest limit of all purposes; a TxProfile replaces the TxDefaultProfile, and with `priority` the
        PriorityCharging profile replaces both (K21.FR.04).
        """
        limits = [outlet_w]
        for purpose in STATION:
            limits += self._strongest(purpose, (0,), now, started)
        in_transaction = self._strongest("PriorityCharging", (place, 0), now, started) if priority else []
        in_transaction = in_transaction or self._strongest("TxProfile", (place,), now, started)
        limits += in_transaction or self._strongest("TxDefaultProfile", (place, 0), now, started)
        return max(0.0, min(limits))

    def _strongest(self, purpose: str, places: tuple[int, ...], now: float, started: float | None) -> list[float]:
        """Return the limit of the highest stack level as a list of one or none.

        Within a level, the profile of the connector takes precedence over that of the charge point.
        """
        found = [
            (profile.stack_level, profile.place == places[0], limit)
            for profile in self.profiles
            if profile.purpose == purpose
            and profile.place in places
            and (limit := profile.limit_w(now, started)) is not None
        ]
        return [max(found)[2]] if found else []

    def composite(
        self, place: int, outlet_w: float, now: float, seconds: int, started: float | None
    ) -> list[tuple[int, float]]:
        """Return (seconds from now, limit in W) for each change of the limit within `seconds`; the first is at 0."""
        moments = {now, *(m for profile in self.profiles for m in profile.changes(now, now + seconds, started))}
        steps: list[tuple[int, float]] = []
        for moment in sorted(moments):
            limit = self.limit_w(place, outlet_w, moment, started)
            if not steps or steps[-1][1] != limit:
                steps.append((round(moment - now), limit))
        return steps


def objection(raw: Payload, place: int, places: int, charging: bool, strict: bool) -> str | None:
    """Return why a charging profile cannot be accepted, or None.

    Args:
        raw: the profile as the CSMS sent it.
        place: the number of its connector or EVSE; 0 is the whole charge point.
        places: the number of connectors.
        charging: whether a transaction runs there, or is about to start.
        strict: whether to use the rules of 2.x (K01) instead of those of 1.6 (3.13).
    """
    purpose, kind = raw["chargingProfilePurpose"], raw["chargingProfileKind"]
    if not 0 <= place <= places:
        return "unknown connector"
    if raw["stackLevel"] > MAX_STACK_LEVEL or raw["stackLevel"] < 0:
        return f"stackLevel must be from 0 to {MAX_STACK_LEVEL}"
    if purpose == "ChargingStationExternalConstraints":
        return "a CSMS may not set ChargingStationExternalConstraints (K01.FR.22)"
    if purpose in STATION and place != 0:
        return "a profile for the whole charge point must be set on 0"
    if purpose == "TxProfile" and (place == 0 or not charging):
        return "a TxProfile needs a transaction"
    if strict and "recurrencyKind" in raw and kind != "Recurring":
        return "recurrencyKind is only for Recurring profiles"
    if strict and kind == "Recurring" and "recurrencyKind" not in raw:
        return "a Recurring profile needs recurrencyKind"
    schedules = raw["chargingSchedule"]
    for schedule in schedules if isinstance(schedules, list) else [schedules]:
        starts = [period["startPeriod"] for period in schedule["chargingSchedulePeriod"]]
        if not starts or starts[0] != 0 or any(a >= b for a, b in pairwise(starts)):
            return "startPeriod must start at 0 and increase"
    return None
