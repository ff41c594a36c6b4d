"""Rules about open transactions, installed profiles and certificates, times and severities."""

from __future__ import annotations

from collections.abc import Callable

from csms import timestamps
from csms.call_rules.rule import EVERY, V2X, V16, V21, Facts, Rule
from csms.learning import serial_number
from csms.schemas import Payload

HIGHEST_SEVERITY = 9
DELAYED = ("TxProfile", "TxDefaultProfile")
SET = "SetChargingProfile"


def _not_open(payload: Payload, facts: Facts) -> bool:
    return facts.transactions is not None and str(payload["transactionId"]) not in facts.transactions


def _energy_not_open(payload: Payload, facts: Facts) -> bool:
    return "transactionId" in payload and _not_open(payload, facts)


def _profile(payload: Payload) -> Payload:
    found: Payload = payload.get("chargingProfile") or payload.get("csChargingProfiles") or {}
    return found


def _profile_not_open(payload: Payload, facts: Facts) -> bool:
    profile = _profile(payload)
    is_of_one = profile["chargingProfilePurpose"] == "TxProfile" and "transactionId" in profile
    return is_of_one and _not_open(profile, facts)


def _never_valid(payload: Payload, facts: Facts) -> bool:
    profile = _profile(payload)
    start, end = timestamps.parse(profile.get("validFrom")), timestamps.parse(profile.get("validTo"))
    return start is not None and end is not None and end <= start


def _rival_default(payload: Payload, facts: Facts) -> bool:
    """Return whether a default is for all EVSEs, and another with the same stackLevel for one of them."""
    profile, place = payload["chargingProfile"], payload["evseId"]
    return profile["chargingProfilePurpose"] == "TxDefaultProfile" and any(
        held["id"] != profile["id"]
        and held["stackLevel"] == profile["stackLevel"]
        and other != place
        and 0 in (other, place)
        for other, held in facts.profiles("TxDefaultProfile")
    )


def _delays_wrong(payload: Payload, facts: Facts) -> bool:
    profile = payload["chargingProfile"]
    return profile["chargingProfilePurpose"] not in DELAYED and any(
        schedule.get("randomizedDelay") for schedule in profile["chargingSchedule"]
    )


def _nothing_prior(payload: Payload, facts: Facts) -> bool:
    return payload["activate"] and not facts.profiles("PriorityCharging")


def _not_dynamic(payload: Payload, facts: Facts) -> bool:
    purposes = ("TxProfile", "TxDefaultProfile", "ChargingStationMaxProfile", "PriorityCharging")
    return any(
        held["id"] == payload["chargingProfileId"] and held["chargingProfileKind"] != "Dynamic"
        for purpose in purposes
        for _, held in facts.profiles(purpose)
    )


def _log_ends_first(payload: Payload, facts: Facts) -> bool:
    log = payload["log"]
    oldest, latest = timestamps.parse(log.get("oldestTimestamp")), timestamps.parse(log.get("latestTimestamp"))
    return oldest is not None and latest is not None and latest < oldest


def _diagnostics_end_first(payload: Payload, facts: Facts) -> bool:
    start, stop = timestamps.parse(payload.get("startTime")), timestamps.parse(payload.get("stopTime"))
    return start is not None and stop is not None and stop < start


def _other_algorithm(member: str) -> Callable[[Payload, Facts], bool]:
    """Return a predicate: the station has reported this certificate with another hashAlgorithm."""

    def broken(payload: Payload, facts: Facts) -> bool:
        wanted = payload.get(member)
        if wanted is None:
            return False
        return bool(facts.installed.get(serial_number(wanted), wanted["hashAlgorithm"]) != wanted["hashAlgorithm"])

    return broken


def _severe(payload: Payload, facts: Facts) -> bool:
    severities = [entry["severity"] for entry in payload.get("setMonitoringData", [payload])]
    return any(not 0 <= severity <= HIGHEST_SEVERITY for severity in severities)


def _negative_delta(payload: Payload, facts: Facts) -> bool:
    return any(entry["type"] == "Delta" and entry["value"] < 0 for entry in payload["setMonitoringData"])


def _short_password(payload: Payload, facts: Facts) -> bool:
    password = payload["connectionData"].get("basicAuthPassword")
    return password is not None and len(password) < 16


RULES: tuple[Rule, ...] = (
    Rule(SET, V16, "1.6, 3.13.1", "the transaction of this TxProfile is not open", _profile_not_open),
    Rule(SET, V2X, "K01.FR.33", "the transaction of this TxProfile is not open", _profile_not_open),
    Rule(SET, EVERY, "1.6, 7.8; 2.x, K01.FR.36, K01.FR.37", "validTo must be after validFrom", _never_valid),
    Rule(
        SET, V2X, "K01.FR.52, K01.FR.53",
        "a TxDefaultProfile with this stackLevel exists for all EVSEs, or for one of them", _rival_default,
    ),
    Rule(SET, V21, "K01.FR.95", "only TxProfile and TxDefaultProfile may have randomizedDelay", _delays_wrong),
    Rule("CostUpdated", V2X, "I02.FR.01", "this transaction is not open", _not_open),
    Rule("ChangeTransactionTariff", V21, "I11.FR.04", "this transaction is not open", _not_open),
    Rule("NotifyAllowedEnergyTransfer", V21, "Q02.FR.05", "this transaction is not open", _energy_not_open),
    Rule("UsePriorityCharging", V21, "K21.FR.02", "this transaction is not open", _not_open),
    Rule("UsePriorityCharging", V21, "K21.FR.01", "the station has no PriorityCharging profile", _nothing_prior),
    Rule("UpdateDynamicSchedule", V21, "K28.FR.11", "the profile is not Dynamic", _not_dynamic),
    Rule("GetLog", EVERY, "whitepaper N01; 2.x, N01", "latestTimestamp is before oldestTimestamp", _log_ends_first),
    Rule("GetDiagnostics", V16, "1.6, 6.25", "stopTime is before startTime", _diagnostics_end_first),
    Rule(
        "DeleteCertificate", V2X, "M04.FR.07", "the station has reported this certificate with another hashAlgorithm",
        _other_algorithm("certificateHashData"),
    ),
    Rule(
        "CustomerInformation", V2X, "N09.FR.08, N10.FR.09",
        "the station has reported this certificate with another hashAlgorithm",
        _other_algorithm("customerCertificate"),
    ),
    Rule("SetMonitoringLevel", V2X, "N05.FR.02", "severity must be from 0 to 9", _severe),
    Rule("SetVariableMonitoring", V2X, "N04", "severity must be from 0 to 9", _severe),
    Rule("SetVariableMonitoring", V2X, "N04.FR.14", "the value of a Delta cannot be negative", _negative_delta),
    Rule(
        "SetNetworkProfile", V21, "A00.FR.205", "basicAuthPassword must have at least 16 characters", _short_password
    ),
)  # fmt: skip
