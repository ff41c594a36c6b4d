"""Rules for variables and configuration keys: passwords, and how many a message may have."""

from __future__ import annotations

from collections.abc import Callable

from csms.call_rules.rule import V2X, V16, V21, Facts, Rule
from csms.learning import component_name, variable_name
from csms.schemas import Payload

SHORTEST_PASSWORD = 16
LONGEST_PASSWORD = 40


def _short_password(payload: Payload, facts: Facts) -> bool:
    return any(
        entry["variable"]["name"].casefold() == "basicauthpassword" and len(entry["attributeValue"]) < SHORTEST_PASSWORD
        for entry in payload["setVariableData"]
    )


def _long_password(payload: Payload, facts: Facts) -> bool:
    return any(
        entry["variable"]["name"].casefold() == "basicauthpassword" and len(entry["attributeValue"]) > LONGEST_PASSWORD
        for entry in payload["setVariableData"]
    )


def _bad_authorization_key(payload: Payload, facts: Facts) -> bool:
    if payload["key"].casefold() != "authorizationkey":
        return False
    try:
        return not 16 <= len(bytes.fromhex(payload["value"])) <= 20
    except ValueError:
        return True


def _set_twice(payload: Payload, facts: Facts) -> bool:
    names = [
        (component_name(entry["component"]).casefold(), variable_name(entry["variable"]).casefold(),
         entry.get("attributeType", "Actual"))
        for entry in payload["setVariableData"]
    ]  # fmt: skip
    return len(set(names)) < len(names)


def _lower_profile(payload: Payload, facts: Facts) -> bool:
    now = facts.variable("SecurityCtrlr", "SecurityProfile") or ""
    return any(
        entry["variable"]["name"].casefold() == "securityprofile"
        and entry["attributeValue"].isdigit()
        and now.isdigit()
        and int(entry["attributeValue"]) < int(now)
        for entry in payload["setVariableData"]
    )


def _too_many(member: str, component: str, variable: str) -> Callable[[Payload, Facts], bool]:
    """Return a predicate: the list has more entries than the station has reported to accept."""

    def broken(payload: Payload, facts: Facts) -> bool:
        most = facts.variable(component, variable) or ""
        return most.isdigit() and len(payload.get(member, ())) > int(most)

    return broken


def _used_slot(payload: Payload, facts: Facts) -> bool:
    used = {slot.strip() for slot in (facts.variable("OCPPCommCtrlr", "NetworkConfigurationPriority") or "").split(",")}
    return any(
        entry["component"]["name"].casefold() == "networkconfiguration" and entry["component"].get("instance") in used
        for entry in payload["setVariableData"]
    )


def _password_elsewhere(payload: Payload, facts: Facts) -> bool:
    return any(entry["variable"]["name"].casefold() == "authorizationkey" for entry in payload["setVariableData"])


RULES: tuple[Rule, ...] = (
    Rule("SetVariables", V2X, "A01.FR.02", "the password of 2.x is BasicAuthPassword", _password_elsewhere),
    Rule(
        "ChangeConfiguration", V16, "whitepaper 2.4", "AuthorizationKey must be 16 to 20 bytes in hexadecimal",
        _bad_authorization_key,
    ),
    Rule("SetVariables", V2X, "A00.FR.205", "BasicAuthPassword must have at least 16 characters", _short_password),
    Rule(
        "SetVariables", ("2.0.1",), "A00.FR.205", "BasicAuthPassword must have at most 40 characters", _long_password
    ),
    Rule("SetVariables", V2X, "B05.FR.13", "a variable may be set only once in a message", _set_twice),
    Rule("SetVariables", V2X, "A05.FR.07", "the security profile may not become lower", _lower_profile),
    Rule("SetVariables", V21, "B09.FR.21", "a network configuration that is in use may not be changed", _used_slot),
    *(
        Rule(action, V2X, requirement, f"the message has more entries than {variable} allows", _too_many(
            member, component, variable
        ))
        for action, requirement, member, component, variable in (
            ("SetVariables", "B05.FR.11", "setVariableData", "DeviceDataCtrlr", "ItemsPerMessage#SetVariables"),
            ("GetVariables", "B06.FR.05", "getVariableData", "DeviceDataCtrlr", "ItemsPerMessage#GetVariables"),
            ("GetReport", "B08.FR.06", "componentVariable", "DeviceDataCtrlr", "ItemsPerMessage#GetReport"),
            (
                "ClearVariableMonitoring", "N06.FR.04", "id", "MonitoringCtrlr",
                "ItemsPerMessage#ClearVariableMonitoring",
            ),
            ("SendLocalList", "D01.FR.11", "localAuthorizationList", "LocalAuthListCtrlr", "ItemsPerMessage"),
        )
    ),
    Rule(
        "SendLocalList", V16, "1.6, 9.2.3", "the list has more entries than SendLocalListMaxLength allows",
        _too_many("localAuthorizationList", "", "SendLocalListMaxLength"),
    ),
    Rule(
        "GetConfiguration", V16, "1.6, 9.1.9", "the message has more keys than GetConfigurationMaxKeys allows",
        _too_many("key", "", "GetConfigurationMaxKeys"),
    ),
)  # fmt: skip
