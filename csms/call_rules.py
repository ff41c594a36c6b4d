"""Rules of the specification for the payloads of CALLs that a CSMS sends, beyond their schemas.

Each rule is a small predicate with the requirement that it checks. `call_order` refuses a CALL that breaks one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from csms import timestamps
from csms.schemas import Payload, Version

V16, V2X, V21 = ("1.6",), ("2.0.1", "2.1"), ("2.1",)
EVERY = V16 + V2X


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts besides the payload of a CALL that rules need."""

    token_status: Callable[[str], str]
    """Returns the status of an id token."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `broken` returns whether a payload breaks it; `text` is the requirement in words."""

    action: str
    versions: tuple[str, ...]
    requirement: str
    text: str
    broken: Callable[[Payload, Facts], bool]


def objection(version: Version, action: str, payload: Payload, facts: Facts) -> str | None:
    """Return the text of the first rule that a payload breaks, with its requirement; None if it breaks no rule.

    Args:
        version: the charge point's version.
        action: an action that a CSMS sends.
        payload: a payload that fits the action's schema.
        facts: other facts that the rules need.
    """
    for rule in RULES:
        if rule.action == action and version in rule.versions and rule.broken(payload, facts):
            return f"{rule.text} ({rule.requirement})"
    return None


# Predicates on charging profiles, which occur in several actions.


def _profiles(payload: Payload) -> Iterator[Payload]:
    for member in ("chargingProfile", "csChargingProfiles"):
        if member in payload:
            yield payload[member]


def _schedules(payload: Payload) -> Iterator[Payload]:
    for profile in _profiles(payload):
        schedules = profile["chargingSchedule"]
        yield from schedules if isinstance(schedules, list) else [schedules]


def _purpose_is(*purposes: str) -> Callable[[Payload], bool]:
    return lambda payload: any(profile["chargingProfilePurpose"] in purposes for profile in _profiles(payload))


def _place(payload: Payload) -> Any:
    return payload.get("connectorId", payload.get("evseId"))


def _starts_wrong(payload: Payload, facts: Facts) -> bool:
    starts = [[period["startPeriod"] for period in each["chargingSchedulePeriod"]] for each in _schedules(payload)]
    return any(not each or each[0] != 0 or any(a >= b for a, b in pairwise(each)) for each in starts)


def _recurs_wrong(payload: Payload, facts: Facts) -> bool:
    return any(
        (each["chargingProfileKind"] == "Recurring") != ("recurrencyKind" in each) for each in _profiles(payload)
    )


_tx_profile = _purpose_is("TxProfile")
_station_maximum = _purpose_is("ChargePointMaxProfile", "ChargingStationMaxProfile")


def _short_password(payload: Payload, facts: Facts) -> bool:
    for entry in payload["setVariableData"]:
        name = entry["variable"]["name"].casefold()
        if name == "basicauthpassword" and len(entry["attributeValue"]) < 16:
            return True
    return False


def _bad_authorization_key(payload: Payload, facts: Facts) -> bool:
    if payload["key"].casefold() != "authorizationkey":
        return False
    try:
        return not 16 <= len(bytes.fromhex(payload["value"])) <= 20
    except ValueError:
        return True


def _expired(member: str) -> Callable[[Payload, Facts], bool]:
    def broken(payload: Payload, facts: Facts) -> bool:
        moment = timestamps.parse(payload[member])
        return moment is not None and moment <= datetime.now(UTC)

    return broken


def _tokens(payload: Payload) -> list[str]:
    entries = payload.get("localAuthorizationList", [])
    return [(entry["idTag"] if "idTag" in entry else entry["idToken"]["idToken"]).casefold() for entry in entries]


def _list_twice(payload: Payload, facts: Facts) -> bool:
    return len(set(_tokens(payload))) < len(_tokens(payload))


def _full_without_status(payload: Payload, facts: Facts) -> bool:
    entries = payload.get("localAuthorizationList", [])
    return payload["updateType"] == "Full" and any(not {"idTagInfo", "idTokenInfo"} & set(entry) for entry in entries)


def _limit_with_central_setpoint(payload: Payload, facts: Facts) -> bool:
    periods = [period for schedule in _schedules(payload) for period in schedule["chargingSchedulePeriod"]]
    limits = ("limit", "limit_L2", "limit_L3", "dischargeLimit")
    return any(
        period.get("operationMode") == "CentralSetpoint" and any(name in period for name in limits)
        for period in periods
    )


def _customers(payload: Payload, facts: Facts) -> bool:
    names = ("idToken", "customerIdentifier", "customerCertificate")
    return sum(name in payload for name in names) != 1


RULES = (
    Rule(
        "RemoteStartTransaction", V16, "1.6, 5.11", "the chargingProfile of a remote start must be a TxProfile",
        lambda payload, facts: "chargingProfile" in payload and not _tx_profile(payload),
    ),
    Rule(
        "RemoteStartTransaction", V16, "1.6, 5.11", "the chargingProfile of a remote start has no transactionId",
        lambda payload, facts: "transactionId" in payload.get("chargingProfile", {}),
    ),
    Rule(
        "RemoteStartTransaction", V16, "1.6, 6.33", "connectorId must be above 0",
        lambda payload, facts: payload.get("connectorId") == 0,
    ),
    Rule(
        "RequestStartTransaction", V2X, "F01", "the chargingProfile of a remote start must be a TxProfile",
        lambda payload, facts: "chargingProfile" in payload and not _tx_profile(payload),
    ),
    Rule(
        "RequestStartTransaction", V2X, "F01", "the chargingProfile of a remote start has no transactionId",
        lambda payload, facts: "transactionId" in payload.get("chargingProfile", {}),
    ),
    Rule(
        "RequestStartTransaction", ("2.0.1",), "F01", "evseId must be above 0",
        lambda payload, facts: payload.get("evseId") == 0,
    ),
    Rule(
        "UnlockConnector", V16, "1.6, 6.53", "connectorId must be above 0",
        lambda payload, facts: payload["connectorId"] == 0,
    ),
    Rule(
        "SetChargingProfile", V2X, "K01.FR.03", "a TxProfile needs a transactionId",
        lambda payload, facts: _tx_profile(payload) and "transactionId" not in payload["chargingProfile"],
    ),
    Rule(
        "SetChargingProfile", V2X, "K01.FR.22", "a CSMS may not set ChargingStationExternalConstraints",
        lambda payload, facts: _purpose_is("ChargingStationExternalConstraints")(payload),
    ),
    Rule(
        "SetChargingProfile", EVERY, "1.6, 3.13.1; 2.x, K01", "a TxProfile must be for a connector or EVSE, not for 0",
        lambda payload, facts: _tx_profile(payload) and _place(payload) == 0,
    ),
    Rule(
        "SetChargingProfile", EVERY, "1.6, 3.13.1; 2.x, K01", "a profile for the whole charge point must be for 0",
        lambda payload, facts: _station_maximum(payload) and _place(payload) != 0,
    ),
    *(
        Rule(action, EVERY, "1.6, 7.14; 2.x, K01", "startPeriod must start at 0 and increase", _starts_wrong)
        for action in ("SetChargingProfile", "RemoteStartTransaction", "RequestStartTransaction")
    ),
    Rule(
        "SetChargingProfile", V2X, "K01", "recurrencyKind is for Recurring profiles, and they need it", _recurs_wrong
    ),
    Rule(
        "SetChargingProfile", V21, "Q03.FR.02", "a period with CentralSetpoint has a setpoint and no limit",
        _limit_with_central_setpoint,
    ),
    Rule(
        "ClearChargingProfile", V2X, "K10.FR.02", "chargingProfileId or chargingProfileCriteria must be given",
        lambda payload, facts: not {"chargingProfileId", "chargingProfileCriteria"} & set(payload),
    ),
    Rule(
        "TriggerMessage", V2X, "F06.FR.13", "a trigger of StatusNotification needs evse.connectorId",
        lambda payload, facts: payload["requestedMessage"] == "StatusNotification"
        and "connectorId" not in payload.get("evse", {}),
    ),
    Rule(
        "ChangeConfiguration", V16, "whitepaper 2.4", "AuthorizationKey must be 16 to 20 bytes in hexadecimal",
        _bad_authorization_key,
    ),
    Rule(
        "SetVariables", V2X, "A00.FR.205", "BasicAuthPassword must have at least 16 characters", _short_password
    ),
    Rule("ReserveNow", V16, "1.6, 5.13", "expiryDate must be in the future", _expired("expiryDate")),
    Rule("ReserveNow", V2X, "H01", "expiryDateTime must be in the future", _expired("expiryDateTime")),
    Rule(
        "SendLocalList", V16, "1.6, 5.15", "listVersion must be above 0",
        lambda payload, facts: payload["listVersion"] <= 0,
    ),
    Rule(
        "SendLocalList", V2X, "D01", "versionNumber must be above 0",
        lambda payload, facts: payload["versionNumber"] <= 0,
    ),
    Rule("SendLocalList", EVERY, "1.6, 5.15; 2.x, D01", "a token may be in the list only once", _list_twice),
    Rule(
        "SendLocalList", EVERY, "1.6, 5.15; 2.x, D01", "in a Full update every token needs its status",
        _full_without_status,
    ),
    Rule(
        "CustomerInformation", V2X, "N09",
        "exactly one of idToken, customerIdentifier and customerCertificate must be given", _customers,
    ),
    Rule(
        "RequestBatterySwap", V21, "S02.FR.03", "the id token of a battery swap must be Accepted",
        lambda payload, facts: facts.token_status(payload["idToken"]["idToken"]) != "Accepted",
    ),
)  # fmt: skip
"""All rules; the first that a CALL breaks is reported."""
