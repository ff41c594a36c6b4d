"""Rules of 2.x for charging profiles that a charging station must reject, as a table of small predicates.

The rules that 1.6 has too are in `profiles.objection`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from simulator.wire.link import Payload

LIMITS = ("limit", "limit_L2", "limit_L3", "dischargeLimit", "dischargeLimit_L2", "dischargeLimit_L3")
SETPOINTS = tuple(f"{name}{phase}" for name in ("setpoint", "setpointReactive") for phase in ("", "_L2", "_L3"))
MODES = ("ChargingOnly", "CentralSetpoint", "CentralFrequency", "LocalFrequency", "Idle")
"""The supported modes of operation (2.1)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `broken` returns whether a profile breaks it; `code` is the reasonCode of the rejection."""

    requirement: str
    code: str
    text: str
    broken: Callable[[Payload], bool]


def broken_rule(raw: Payload) -> Rule | None:
    """Return the first rule that a profile breaks, or None."""
    return next((rule for rule in RULES if rule.broken(raw)), None)


def _starts_given(raw: Payload) -> list[bool]:
    return ["startSchedule" in schedule for schedule in raw["chargingSchedule"]]


def _all_periods(raw: Payload) -> Iterator[Payload]:
    for schedule in raw["chargingSchedule"]:
        yield from schedule["chargingSchedulePeriod"]


def _periods(raw: Payload, mode: str) -> Iterator[Payload]:
    for schedule in raw["chargingSchedule"]:
        yield from (each for each in schedule["chargingSchedulePeriod"] if each.get("operationMode") == mode)


RULES = (
    Rule(
        "K01.FR.38",
        "InvalidProfile",
        "a ChargingStationMaxProfile cannot be Relative",
        lambda raw: (
            (raw["chargingProfilePurpose"], raw["chargingProfileKind"]) == ("ChargingStationMaxProfile", "Relative")
        ),
    ),
    Rule(
        "K01.FR.40",
        "InvalidSchedule",
        "an Absolute or Recurring profile needs startSchedule",
        lambda raw: raw["chargingProfileKind"] in ("Absolute", "Recurring") and not all(_starts_given(raw)),
    ),
    Rule(
        "K01.FR.41",
        "InvalidSchedule",
        "a Relative profile cannot have startSchedule",
        lambda raw: raw["chargingProfileKind"] == "Relative" and any(_starts_given(raw)),
    ),
    Rule(
        "K01.FR.48",
        "InvalidSchedule",
        "phaseToUse: this EVSE has only one phase, and cannot switch it",
        lambda raw: any("phaseToUse" in period for period in _all_periods(raw)),
    ),
    Rule(
        "K28.FR.03",
        "InvalidSchedule",
        "a Dynamic profile has one schedule with one period",
        lambda raw: raw["chargingProfileKind"] == "Dynamic" and len(list(_all_periods(raw))) != 1,
    ),
    Rule(
        "K01.FR.120",
        "UnsupportedPurpose",
        "LocalGeneration is not supported",
        lambda raw: raw["chargingProfilePurpose"] == "LocalGeneration",
    ),
    Rule(
        "K01.FR.115",
        "InvalidOperationMode",
        "operationMode is not in V2XChargingCtrlr.SupportedOperationModes",
        lambda raw: any(period.get("operationMode", "ChargingOnly") not in MODES for period in _all_periods(raw)),
    ),
    Rule(
        "K01.FR.70",
        "InvalidProfile",
        "a PriorityCharging profile cannot have a duration",
        lambda raw: (
            raw["chargingProfilePurpose"] == "PriorityCharging"
            and any("duration" in schedule for schedule in raw["chargingSchedule"])
        ),
    ),
    Rule(
        "K01.FR.71",
        "InvalidProfile",
        "PriorityCharging and ChargingStationMaxProfile are for ChargingOnly",
        lambda raw: (
            raw["chargingProfilePurpose"] in ("PriorityCharging", "ChargingStationMaxProfile")
            and any(period.get("operationMode", "ChargingOnly") != "ChargingOnly" for period in _all_periods(raw))
        ),
    ),
    Rule(
        "K01.FR.144",
        "PhaseConflict",
        "only a TxProfile can have limit_L2 and limit_L3",
        lambda raw: (
            raw["chargingProfilePurpose"] != "TxProfile"
            and any({"limit_L2", "limit_L3"} & set(period) for period in _all_periods(raw))
        ),
    ),
    Rule(
        "K01.FR.146",
        "PhaseConflict",
        "limit_L2 and limit_L3 need limit",
        lambda raw: any(
            {"limit_L2", "limit_L3"} & set(period) and "limit" not in period for period in _all_periods(raw)
        ),
    ),
    Rule(
        "K01.FR.123 to K01.FR.125",
        "InvalidSchedule",
        "useLocalTime, randomizedDelay and limitAtSoC are not supported",
        lambda raw: any(
            schedule.get("useLocalTime") or schedule.get("randomizedDelay") or "limitAtSoC" in schedule
            for schedule in raw["chargingSchedule"]
        ),
    ),
    Rule(
        "K01.FR.126",
        "InvalidSchedule",
        "evseSleep is not supported",
        lambda raw: any(period.get("evseSleep") for period in _all_periods(raw)),
    ),
    Rule(
        "K28.FR.04",
        "InvalidProfile",
        "dynUpdateInterval and dynUpdateTime are only for Dynamic profiles",
        lambda raw: bool({"dynUpdateInterval", "dynUpdateTime"} & set(raw)) and raw["chargingProfileKind"] != "Dynamic",
    ),
    Rule(
        "Q08.FR.03",
        "NoFreqWattCurve",
        "a period with LocalFrequency needs v2xBaseline and a v2xFreqWattCurve of two points",
        lambda raw: any(
            "v2xBaseline" not in period or len(period.get("v2xFreqWattCurve", ())) < 2
            for period in _periods(raw, "LocalFrequency")
        ),
    ),
    Rule(
        "Q08.FR.04",
        "InvalidSchedule",
        "a period with LocalFrequency cannot have limits or setpoints",
        lambda raw: any(name in period for period in _periods(raw, "LocalFrequency") for name in LIMITS + SETPOINTS),
    ),
    Rule(
        "Q10.FR.02",
        "InvalidSchedule",
        "a period with Idle cannot have limits or setpoints",
        lambda raw: any(name in period for period in _periods(raw, "Idle") for name in LIMITS + SETPOINTS),
    ),
)
"""All rules, in the order in which they are checked."""
