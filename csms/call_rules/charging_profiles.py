"""Rules for charging profiles, in SetChargingProfile, remote starts, and the messages that get or clear them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from csms.call_rules.rule import EVERY, V2X, V16, V21, Facts, Rule
from csms.schemas import Payload

LIMITS = ("limit", "limit_L2", "limit_L3")
DISCHARGE = ("dischargeLimit", "dischargeLimit_L2", "dischargeLimit_L3")
SETPOINTS = tuple(f"{name}{phase}" for name in ("setpoint", "setpointReactive") for phase in ("", "_L2", "_L3"))
EXTERNAL = ("ChargingStationExternalConstraints", "LocalGeneration")


def _profiles(payload: Payload) -> Iterator[Payload]:
    for member in ("chargingProfile", "csChargingProfiles"):
        if member in payload:
            yield payload[member]


def _schedules(payload: Payload) -> Iterator[Payload]:
    for profile in _profiles(payload):
        schedules = profile["chargingSchedule"]
        yield from schedules if isinstance(schedules, list) else [schedules]


def _periods(payload: Payload) -> Iterator[Payload]:
    for schedule in _schedules(payload):
        yield from schedule["chargingSchedulePeriod"]


def _purpose_is(*purposes: str) -> Callable[[Payload], bool]:
    return lambda payload: any(profile["chargingProfilePurpose"] in purposes for profile in _profiles(payload))


def _kind_is(*kinds: str) -> Callable[[Payload], bool]:
    return lambda payload: any(profile["chargingProfileKind"] in kinds for profile in _profiles(payload))


def _place(payload: Payload) -> Any:
    return payload.get("connectorId", payload.get("evseId"))


def _starts_above_0(payload: Payload, facts: Facts) -> bool:
    return any(schedule["chargingSchedulePeriod"][0]["startPeriod"] != 0 for schedule in _schedules(payload))


def _starts_wrong(payload: Payload, facts: Facts) -> bool:
    starts = [[period["startPeriod"] for period in each["chargingSchedulePeriod"]] for each in _schedules(payload)]
    return any(not each or each[0] != 0 or any(a >= b for a, b in pairwise(each)) for each in starts)


def _disordered(payload: Payload, facts: Facts) -> bool:
    starts = [[period["startPeriod"] for period in each["chargingSchedulePeriod"]] for each in _schedules(payload)]
    return any(a >= b for each in starts for a, b in pairwise(each))


def _recurs_wrong(payload: Payload, facts: Facts) -> bool:
    return any(
        (each["chargingProfileKind"] == "Recurring") != ("recurrencyKind" in each) for each in _profiles(payload)
    )


def _start_missing(payload: Payload, facts: Facts) -> bool:
    return _kind_is("Absolute", "Recurring")(payload) and any(
        "startSchedule" not in schedule for schedule in _schedules(payload)
    )


def _start_given(payload: Payload, facts: Facts) -> bool:
    return _kind_is("Relative")(payload) and any("startSchedule" in schedule for schedule in _schedules(payload))


def _many_periods(payload: Payload, facts: Facts) -> bool:
    return _kind_is("Dynamic")(payload) and len(list(_periods(payload))) != 1


def _mode_with(mode: str, *members: str) -> Callable[[Payload, Facts], bool]:
    def broken(payload: Payload, facts: Facts) -> bool:
        return any(
            period.get("operationMode", "ChargingOnly") == mode and any(name in period for name in members)
            for period in _periods(payload)
        )

    return broken


def _no_curve(payload: Payload, facts: Facts) -> bool:
    return any(
        period.get("operationMode") == "LocalFrequency"
        and ("v2xBaseline" not in period or len(period.get("v2xFreqWattCurve", ())) < 2)
        for period in _periods(payload)
    )


def _frequency_in_amperes(payload: Payload, facts: Facts) -> bool:
    return any(
        schedule["chargingRateUnit"] != "W"
        and any(period.get("operationMode") == "LocalFrequency" for period in schedule["chargingSchedulePeriod"])
        for schedule in _schedules(payload)
    )


def _phase_of_many(payload: Payload, facts: Facts) -> bool:
    return any("phaseToUse" in period and period.get("numberPhases", 3) != 1 for period in _periods(payload))


def _cannot_switch(payload: Payload, facts: Facts) -> bool:
    if not any("phaseToUse" in period for period in _periods(payload)):
        return False
    return (facts.variable(f"EVSE@{_place(payload)}", "ACPhaseSwitchingSupported") or "").lower() != "true"


def _level_taken(payload: Payload, facts: Facts) -> bool:
    """Return whether another profile has the same purpose, EVSE and stackLevel at the same time."""
    profile = payload["chargingProfile"]
    if profile["chargingProfilePurpose"] == "TxProfile":
        return False
    return any(
        place == payload["evseId"]
        and held["id"] != profile["id"]
        and held["stackLevel"] == profile["stackLevel"]
        and _overlap(held, profile)
        for place, held in facts.profiles(profile["chargingProfilePurpose"])
    )


def _overlap(one: Payload, other: Payload) -> bool:
    early, late = "0", "9999"
    return bool(
        one.get("validFrom", early) < other.get("validTo", late)
        and other.get("validFrom", early) < one.get("validTo", late)
    )


def _transaction_level_taken(payload: Payload, facts: Facts) -> bool:
    profile = payload["chargingProfile"]
    if profile["chargingProfilePurpose"] != "TxProfile":
        return False
    return any(
        held["id"] != profile["id"]
        and held["stackLevel"] == profile["stackLevel"]
        and held.get("transactionId") == profile.get("transactionId")
        for _, held in facts.profiles("TxProfile")
    )


def _low_id(payload: Payload, facts: Facts) -> bool:
    highest = facts.variable("SmartChargingCtrlr", "MaxExternalConstraintsId") or ""
    return highest.isdigit() and payload["chargingProfile"]["id"] <= int(highest)


def _fine_limits(payload: Payload, facts: Facts) -> bool:
    """Return whether a limit or setpoint has more than one decimal."""
    values = (
        period[name]
        for period in _periods(payload)
        for name in (*LIMITS, *DISCHARGE, *SETPOINTS)
        if isinstance(period.get(name), float)
    )
    return any(abs(value * 10 - round(value * 10)) > 1e-6 for value in values)


def _after_the_end(payload: Payload, facts: Facts) -> bool:
    return any(
        period["startPeriod"] >= schedule["duration"]
        for schedule in _schedules(payload)
        if schedule.get("duration")
        for period in schedule["chargingSchedulePeriod"]
        if period["startPeriod"] > 0
    )


def _phase_limits(payload: Payload) -> bool:
    return any({"limit_L2", "limit_L3"} & set(period) for period in _periods(payload))


def _vague(payload: Payload, facts: Facts) -> bool:
    criterion = payload["chargingProfile"]
    given = {"chargingProfileId", "stackLevel", "chargingLimitSource", "chargingProfilePurpose"} & set(criterion)
    return not given or ("chargingProfileId" in given and len(given) > 1)


def _clears(*purposes: str) -> Callable[[Payload, Facts], bool]:
    return lambda payload, facts: payload.get("chargingProfileCriteria", {}).get("chargingProfilePurpose") in purposes


_tx_profile = _purpose_is("TxProfile")
_station_maximum = _purpose_is("ChargePointMaxProfile", "ChargingStationMaxProfile")
START, START_16, SET = "RequestStartTransaction", "RemoteStartTransaction", "SetChargingProfile"

RULES: tuple[Rule, ...] = (
    Rule(
        START_16, V16, "1.6, 5.11", "the chargingProfile of a remote start must be a TxProfile",
        lambda payload, facts: "chargingProfile" in payload and not _tx_profile(payload),
    ),
    Rule(
        START_16, V16, "1.6, 5.11", "the chargingProfile of a remote start has no transactionId",
        lambda payload, facts: "transactionId" in payload.get("chargingProfile", {}),
    ),
    Rule(
        START, V2X, "F01.FR.09, K05.FR.02", "the chargingProfile of a remote start must be a TxProfile",
        lambda payload, facts: "chargingProfile" in payload and not _tx_profile(payload),
    ),
    Rule(
        START, V2X, "F01.FR.11", "the chargingProfile of a remote start has no transactionId",
        lambda payload, facts: "transactionId" in payload.get("chargingProfile", {}),
    ),
    Rule(
        SET, V2X, "K01.FR.03", "a TxProfile needs a transactionId",
        lambda payload, facts: _tx_profile(payload) and "transactionId" not in payload["chargingProfile"],
    ),
    Rule(
        SET, V2X, "K01.FR.22", "a CSMS may not set ChargingStationExternalConstraints",
        lambda payload, facts: _purpose_is("ChargingStationExternalConstraints")(payload),
    ),
    Rule(
        SET, V16, "1.6, 3.13.1", "a TxProfile must be for a connector, not for 0",
        lambda payload, facts: _tx_profile(payload) and _place(payload) == 0,
    ),
    Rule(
        SET, V2X, "K01.FR.16", "a TxProfile must be for an EVSE, not for 0",
        lambda payload, facts: _tx_profile(payload) and _place(payload) == 0,
    ),
    Rule(
        SET, V16, "1.6, 3.13.1", "a profile for the whole charge point must be for connector 0",
        lambda payload, facts: _station_maximum(payload) and _place(payload) != 0,
    ),
    Rule(
        SET, V2X, "K01", "a profile for the whole charging station must be for EVSE 0",
        lambda payload, facts: _station_maximum(payload) and _place(payload) != 0,
    ),
    *(
        Rule(action, V16, "1.6, 7.14", "startPeriod must start at 0 and increase", _starts_wrong)
        for action in (SET, START_16)
    ),
    *(
        rule
        for action in (SET, START)
        for rule in (
            Rule(action, V2X, "K01.FR.31", "the first startPeriod must be 0", _starts_above_0),
            Rule(action, V2X, "K01.FR.35", "startPeriod must increase", _disordered),
            Rule(action, V2X, "K01", "recurrencyKind is for Recurring profiles, and they need it", _recurs_wrong),
            Rule(action, V2X, "K01.FR.40", "an Absolute or Recurring profile needs startSchedule", _start_missing),
            Rule(action, V2X, "K01.FR.41", "a Relative profile cannot have startSchedule", _start_given),
            Rule(action, V2X, "K01.FR.19", "phaseToUse needs numberPhases 1", _phase_of_many),
            Rule(
                action, V2X, "K01.FR.20",
                "phaseToUse needs an EVSE that has reported ACPhaseSwitchingSupported = true", _cannot_switch,
            ),
            Rule(
                action, V21, "K28.FR.01", "a Dynamic profile has one schedule with one period", _many_periods,
            ),
            Rule(
                action, V21, "K28.FR.04", "dynUpdateInterval and dynUpdateTime are only for Dynamic profiles",
                lambda payload, facts: not _kind_is("Dynamic")(payload)
                and any({"dynUpdateInterval", "dynUpdateTime"} & set(each) for each in _profiles(payload)),
            ),
            Rule(
                action, V21, "Q02.FR.02", "a period with ChargingOnly has no discharge limit and no setpoint",
                _mode_with("ChargingOnly", *DISCHARGE, *SETPOINTS),
            ),
            Rule(
                action, V21, "Q03.FR.02", "a period with CentralSetpoint has a setpoint and no limit",
                _mode_with("CentralSetpoint", *LIMITS, *DISCHARGE),
            ),
            Rule(
                action, V21, "Q08.FR.01", "a period with LocalFrequency has no limits and no setpoints",
                _mode_with("LocalFrequency", *LIMITS, *DISCHARGE, *SETPOINTS),
            ),
            Rule(
                action, V21, "Q08.FR.02", "a period with LocalFrequency needs v2xBaseline and a curve of two points",
                _no_curve,
            ),
            Rule(action, V21, "Q08.FR.05", "a schedule with LocalFrequency must be in W", _frequency_in_amperes),
            Rule(
                action, V21, "Q10.FR.01", "a period with Idle has no limits and no setpoints",
                _mode_with("Idle", *LIMITS, *DISCHARGE, *SETPOINTS),
            ),
        )
    ),
    Rule(
        SET, V2X, "K01.FR.38", "a ChargingStationMaxProfile cannot be Relative",
        lambda payload, facts: _purpose_is("ChargingStationMaxProfile")(payload) and _kind_is("Relative")(payload),
    ),
    Rule(
        SET, V2X, "K01.FR.34", "a profile may have several schedules only after NotifyEVChargingNeeds",
        lambda payload, facts: not facts.has_needs and len(payload["chargingProfile"]["chargingSchedule"]) > 1,
    ),
    Rule(SET, V2X, "K01.FR.06", "another profile with this purpose and stackLevel is valid then", _level_taken),
    Rule(
        SET, V2X, "K01.FR.39", "the transaction has another TxProfile with this stackLevel", _transaction_level_taken
    ),
    Rule(
        SET, V2X, "K02.FR.03", "a profile with a transactionId must be a TxProfile",
        lambda payload, facts: "transactionId" in payload["chargingProfile"] and not _tx_profile(payload),
    ),
    Rule(
        SET, V16, "1.6 errata 3.56", "recurrencyKind is for Recurring profiles",
        lambda payload, facts: not _kind_is("Recurring")(payload)
        and any("recurrencyKind" in profile for profile in _profiles(payload)),
    ),
    *(Rule(action, V2X, "K01", "a limit has at most one decimal", _fine_limits) for action in (SET, START)),
    *(
        Rule(action, EVERY, "1.6, 7.13; 2.x, K01", "every period must begin before duration ends", _after_the_end)
        for action in (SET, START, START_16)
    ),
    Rule(
        SET, V21, "K01.FR.70", "a PriorityCharging profile has no duration",
        lambda payload, facts: _purpose_is("PriorityCharging")(payload)
        and any("duration" in schedule for schedule in _schedules(payload)),
    ),
    Rule(
        SET, V21, "K01.FR.71", "PriorityCharging and ChargingStationMaxProfile are for ChargingOnly",
        lambda payload, facts: _purpose_is("PriorityCharging", "ChargingStationMaxProfile")(payload)
        and any(period.get("operationMode", "ChargingOnly") != "ChargingOnly" for period in _periods(payload)),
    ),
    Rule(
        SET, V21, "K01.FR.143", "only a TxProfile may have limit_L2 and limit_L3",
        lambda payload, facts: not _tx_profile(payload) and _phase_limits(payload),
    ),
    Rule(
        SET, V21, "K01.FR.145", "limit_L2 and limit_L3 need limit",
        lambda payload, facts: any(
            {"limit_L2", "limit_L3"} & set(period) and "limit" not in period for period in _periods(payload)
        ),
    ),
    Rule(SET, V21, "K01.FR.80", "the profile's id must be above MaxExternalConstraintsId", _low_id),
    Rule(
        "GetChargingProfiles", V2X, "K09.FR.03",
        "give either chargingProfileId, or stackLevel, chargingLimitSource or chargingProfilePurpose", _vague,
    ),
    Rule(
        "ClearChargingProfile", V2X, "K10.FR.02", "chargingProfileId or chargingProfileCriteria must be given",
        lambda payload, facts: "chargingProfileId" not in payload and not payload.get("chargingProfileCriteria"),
    ),
    Rule(
        "ClearChargingProfile", V2X, "K10.FR.06", "a CSMS may not clear ChargingStationExternalConstraints",
        _clears(EXTERNAL[0]),
    ),
    Rule(
        "ClearChargingProfile", V21, "K10.FR.06", "a CSMS may not clear LocalGeneration", _clears(EXTERNAL[1])
    ),
)  # fmt: skip
