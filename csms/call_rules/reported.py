"""Rules that depend on what the charge point has reported: features that are off, lengths, and supported values.

A value that was never reported breaks no rule.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from csms.call_rules.rule import V2X, V16, V21, Facts, Rule
from csms.schemas import Payload

type Broken = Callable[[Payload, Facts], bool]

FEATURES_16 = {
    "SendLocalList": "LocalAuthListManagement",
    "GetLocalListVersion": "LocalAuthListManagement",
    "ReserveNow": "Reservation",
    "CancelReservation": "Reservation",
    "SetChargingProfile": "SmartCharging",
    "ClearChargingProfile": "SmartCharging",
    "GetCompositeSchedule": "SmartCharging",
    "TriggerMessage": "RemoteTrigger",
    "UpdateFirmware": "FirmwareManagement",
    "GetDiagnostics": "FirmwareManagement",
}
"""Action -> the feature profile of 1.6 that it belongs to (1.6, 3.3)."""
RATE_UNITS_16 = {"A": "current", "W": "power"}
TARIFF_ACTIONS = (("SetDefaultTariff", "I07"), ("ChangeTransactionTariff", "I11"))


def _reported(facts: Facts, component: str, variable: str) -> str:
    return facts.variable(component, variable) or ""


def _off(component: str, variable: str) -> Broken:
    """Return a predicate: the charge point has reported that a feature is false."""
    return lambda payload, facts: _reported(facts, component, variable).lower() == "false"


def _more(component: str, variable: str, size: Callable[[Payload], int]) -> Broken:
    """Return a predicate: a size is above the most that was reported."""

    def broken(payload: Payload, facts: Facts) -> bool:
        most = _reported(facts, component, variable)
        return most.isdigit() and size(payload) > int(most)

    return broken


def _unlisted(component: str, variable: str, values: Callable[[Payload], Iterable[str]]) -> Broken:
    """Return a predicate: a value is not in the list that was reported; case does not matter."""

    def broken(payload: Payload, facts: Facts) -> bool:
        listed = {each.strip().casefold() for each in _reported(facts, component, variable).split(",")} - {""}
        return bool(listed) and not {each.casefold() for each in values(payload)} <= listed

    return broken


def _both(first: Callable[[Payload], bool], second: Broken) -> Broken:
    return lambda payload, facts: first(payload) and second(payload, facts)


def _profile(payload: Payload) -> Payload:
    found: Payload = payload.get("chargingProfile") or payload.get("csChargingProfiles") or {}
    return found


def _schedules(payload: Payload) -> list[Payload]:
    schedules = _profile(payload).get("chargingSchedule", [])
    return schedules if isinstance(schedules, list) else [schedules]


def _periods(payload: Payload) -> Iterator[Payload]:
    for schedule in _schedules(payload):
        yield from schedule["chargingSchedulePeriod"]


def _most_periods(payload: Payload) -> int:
    return max((len(schedule["chargingSchedulePeriod"]) for schedule in _schedules(payload)), default=0)


def _stack_level(payload: Payload) -> int:
    return int(_profile(payload).get("stackLevel", 0))


def _units(payload: Payload) -> list[str]:
    asked = [payload["chargingRateUnit"]] if "chargingRateUnit" in payload else []
    return asked + [schedule["chargingRateUnit"] for schedule in _schedules(payload)]


def _unit_unlisted_16(payload: Payload, facts: Facts) -> bool:
    """Return whether a unit is not supported; many charge points report A and W instead of Current and Power."""
    listed = _reported(facts, "", "ChargingScheduleAllowedChargingRateUnit").casefold().split(",")
    names = {each.strip() for each in listed} - {""}
    return bool(names) and any(not {unit.casefold(), RATE_UNITS_16[unit]} & names for unit in _units(payload))


def _modes(payload: Payload) -> set[str]:
    return {period["operationMode"] for period in _periods(payload) if "operationMode" in period}


def _additional_purpose(payload: Payload) -> list[str]:
    purpose = _profile(payload).get("chargingProfilePurpose")
    return [purpose] if purpose in ("PriorityCharging", "LocalGeneration") else []


def _is_dynamic(payload: Payload) -> bool:
    return bool(_profile(payload).get("chargingProfileKind") == "Dynamic")


def _in_schedule(member: str) -> Callable[[Payload], bool]:
    return lambda payload: any(schedule.get(member) for schedule in _schedules(payload))


def _sleeps(payload: Payload) -> bool:
    return any(period.get("evseSleep") for period in _periods(payload))


def _octets(payload: Payload) -> int:
    return len(json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode())


def _count(member: str) -> Callable[[Payload], int]:
    return lambda payload: len(payload.get(member, ()))


def _formats(payload: Payload) -> list[str]:
    message = payload["message"]
    return [each["format"] for each in (message["message"], *message.get("messageExtra", []))]


def _one(member: str) -> Callable[[Payload], list[str]]:
    return lambda payload: [payload["message"][member]] if member in payload["message"] else []


def _elements(payload: Payload) -> list[Payload]:
    tariff = payload["tariff"]
    return [price for each in tariff.values() if isinstance(each, dict) for price in each.get("prices", [])]


def _lower_profile_16(payload: Payload, facts: Facts) -> bool:
    now, wanted = _reported(facts, "", "SecurityProfile"), payload["value"]
    is_key = payload["key"].casefold() == "securityprofile"
    return is_key and now.isdigit() and wanted.isdigit() and int(wanted) < int(now)


def _feature_off(action: str) -> Broken:
    return _unlisted("", "SupportedFeatureProfiles", lambda payload: [FEATURES_16[action]])


SMART, DEVICE, MONITORS, LIST, DISPLAY = (
    "SmartChargingCtrlr", "DeviceDataCtrlr", "MonitoringCtrlr", "LocalAuthListCtrlr", "DisplayMessageCtrlr",
)  # fmt: skip
SET, START, START_16, COMPOSITE = (
    "SetChargingProfile", "RequestStartTransaction", "RemoteStartTransaction", "GetCompositeSchedule",
)  # fmt: skip

RULES: tuple[Rule, ...] = (
    *(
        rule
        for action in (SET, START_16)
        for rule in (
            Rule(
                action, V16, "1.6, 9.4.1", "stackLevel is above ChargeProfileMaxStackLevel",
                _more("", "ChargeProfileMaxStackLevel", _stack_level),
            ),
            Rule(
                action, V16, "1.6, 9.4.3", "the schedule has more periods than ChargingScheduleMaxPeriods allows",
                _more("", "ChargingScheduleMaxPeriods", _most_periods),
            ),
        )
    ),
    *(
        Rule(
            action, V16, "1.6, 9.4.2", "the charge point does not support this chargingRateUnit",
            _unit_unlisted_16,
        )
        for action in (SET, START_16, COMPOSITE)
    ),
    *(
        rule
        for action in (SET, START)
        for rule in (
            Rule(
                action, V2X, "K01", "stackLevel is above ProfileStackLevel",
                _more(SMART, "ProfileStackLevel", _stack_level),
            ),
            Rule(
                action, V2X, "K15.FR.07", "a schedule has more periods than PeriodsPerSchedule allows",
                _more(SMART, "PeriodsPerSchedule", _most_periods),
            ),
            Rule(
                action, V2X, "K01.FR.26", "the station does not support this chargingRateUnit",
                _unlisted(SMART, "RateUnit", _units),
            ),
            Rule(
                action, V21, "K01.FR.115", "the station does not support this operationMode",
                _unlisted("V2XChargingCtrlr", "SupportedOperationModes", _modes),
            ),
            *(
                Rule(action, V21, requirement, f"the station has reported {variable} = false", _both(
                    used, _off(SMART, variable)
                ))
                for requirement, variable, used in (
                    ("K01.FR.121", "SupportsDynamicProfiles", _is_dynamic),
                    ("K01.FR.123", "SupportsLocalTime", _in_schedule("useLocalTime")),
                    ("K01.FR.124", "SupportsRandomizedDelay", _in_schedule("randomizedDelay")),
                    ("K01.FR.125", "SupportsLimitAtSoC", _in_schedule("limitAtSoC")),
                    ("K01.FR.126", "SupportsEvseSleep", _sleeps),
                )
            ),
        )
    ),
    Rule(
        SET, V21, "K01.FR.120", "the station does not support this chargingProfilePurpose",
        _unlisted(SMART, "SupportedAdditionalPurposes", _additional_purpose),
    ),
    Rule(
        SET, V2X, "K01.FR.29", "smart charging is off (SmartChargingCtrlr.Enabled = false)", _off(SMART, "Enabled"),
    ),
    Rule(
        COMPOSITE, V2X, "K08.FR.07", "the station does not support this chargingRateUnit",
        _unlisted(SMART, "RateUnit", _units),
    ),
    Rule(
        "ReserveNow", V2X, "H01.FR.01", "reservations are off (ReservationCtrlr.Enabled = false)",
        _off("ReservationCtrlr", "Enabled"),
    ),
    Rule(
        "ReserveNow", V2X, "H01.FR.19", "the station wants an evseId (ReservationCtrlr.NonEvseSpecific = false)",
        _both(lambda payload: "evseId" not in payload, _off("ReservationCtrlr", "NonEvseSpecific")),
    ),
    Rule(
        "ReserveNow", V16, "1.6, 5.13", "connectorId 0 needs ReserveConnectorZeroSupported",
        _both(lambda payload: payload["connectorId"] == 0, _off("", "ReserveConnectorZeroSupported")),
    ),
    Rule(
        "SendLocalList", V2X, "D01.FR.13", "the local list is off (LocalAuthListCtrlr.Enabled = false)",
        _off(LIST, "Enabled"),
    ),
    Rule(
        "SendLocalList", V16, "1.6, 9.2.1", "the local list is off (LocalAuthListEnabled = false)",
        _off("", "LocalAuthListEnabled"),
    ),
    Rule(
        "SendLocalList", V16, "1.6, 9.2.2", "the list has more entries than LocalAuthListMaxLength allows",
        _more("", "LocalAuthListMaxLength", _count("localAuthorizationList")),
    ),
    Rule(
        "SetVariableMonitoring", V2X, "N04.FR.09", "the message has more entries than ItemsPerMessage allows",
        _more(MONITORS, "ItemsPerMessage#SetVariableMonitoring", _count("setMonitoringData")),
    ),
    Rule(
        "GetMonitoringReport", V2X, "N02.FR.07", "the message has more entries than ItemsPerMessage allows",
        _more(DEVICE, "ItemsPerMessage#GetReport", _count("componentVariable")),
    ),
    *(
        Rule(
            action, V2X, requirement, "the message is longer than BytesPerMessage allows",
            _more(component, f"BytesPerMessage#{action}" if component != LIST else "BytesPerMessage", _octets),
        )
        for action, requirement, component in (
            ("SetVariables", "B05", DEVICE),
            ("GetVariables", "B06.FR.17", DEVICE),
            ("GetReport", "B08.FR.18", DEVICE),
            ("SetVariableMonitoring", "N04.FR.09", MONITORS),
            ("ClearVariableMonitoring", "N06.FR.04", MONITORS),
            ("SendLocalList", "D01.FR.11", LIST),
        )
    ),
    *(
        Rule("SetDisplayMessage", V2X, "O01", f"the station does not support this {what}", _unlisted(
            DISPLAY, variable, values
        ))
        for what, variable, values in (
            ("priority", "SupportedPriorities", _one("priority")),
            ("state", "SupportedStates", _one("state")),
            ("format", "SupportedFormats", _formats),
        )
    ),
    *(
        rule
        for action, case in TARIFF_ACTIONS
        for rule in (
            Rule(
                action, V21, f"{case}.FR.01", "local cost calculation is off (TariffCostCtrlr.Enabled = false)",
                _off("TariffCostCtrlr", "Enabled#Tariff"),
            ),
            Rule(
                action, V21, f"{case}.FR.02", "the tariff has more prices than MaxElements allows",
                _more("TariffCostCtrlr", "MaxElements#Tariff", lambda payload: len(_elements(payload))),
            ),
            Rule(
                action, V21, f"{case}.FR.03", "the station has reported ConditionsSupported = false",
                _both(
                    lambda payload: any("conditions" in each for each in _elements(payload)),
                    _off("TariffCostCtrlr", "ConditionsSupported#Tariff"),
                ),
            ),
        )
    ),
    Rule(
        "ChangeConfiguration", V16, "whitepaper A05.FR.01", "the security profile may not become lower",
        _lower_profile_16,
    ),
    *(
        Rule(
            action, V16, "1.6, 3.3", f"SupportedFeatureProfiles has no {feature}", _feature_off(action),
        )
        for action, feature in FEATURES_16.items()
    ),
)  # fmt: skip
